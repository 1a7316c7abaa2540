package nightly

import "time"

const (
	SweepMost    = sweepMost
	SweepLease   = sweepLease
	SweepTries   = sweepTries
	SweepRelease = sweepRelease
)

var ErrSweepTaken = errSweepTaken

// AtMost is how many charges of a day are compared.
func (n *Comparison) AtMost(most int) { n.atMost = most }

// RenewEvery is how often the lease is prolonged.
func (n *Nights) RenewEvery(d time.Duration) { n.renew = d }

var (
	CatchUp    = (*Nights).catchUp
	Due        = (*Nights).due
	UntilSweep = (*Nights).untilSweep
)

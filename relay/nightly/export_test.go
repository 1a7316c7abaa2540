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

// LookEvery is how often it is looked whether another server has the ledger.
func (n *Nights) LookEvery(d time.Duration) { n.look = d }

var (
	Follow     = (*Nights).follow
	CatchUp    = (*Nights).catchUp
	Due        = (*Nights).due
	UntilSweep = (*Nights).untilSweep
)

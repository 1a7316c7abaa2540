package ledger

import (
	"context"
	"time"
)

// Sweeps remembers how far a scope's charges have been compared with Ping++'s list, so that no day is left out, and that of several
// processes one compares at a time.
type Sweeps interface {
	// ClaimSweep leases the comparison of what was created in [from, c.To), and returns from: how far it has come, or the moment
	// of the scope's first charge; zero when there is neither. It is not granted when that leaves nothing to compare, or while
	// another owner's lease lasts. With Prolong it is granted only while the lease is the owner's, also one that has run out and that nobody has taken over.
	//
	// After a clock was put back, a lease that ends further ahead than any may is over, and a record of what lies ahead of c.Now counts as none.
	ClaimSweep(ctx context.Context, c SweepClaim) (from time.Time, granted bool, err error)
	// Swept ends the owner's lease, and records how far it came. It is dropped without an error when the lease is no longer the owner's.
	Swept(ctx context.Context, s Swept) error
}

// SweepClaim asks to compare a scope's charges with Ping++'s list.
type SweepClaim struct {
	Scope Scope
	Owner string    // who compares; unique among all comparisons that go on
	To    time.Time // the end of the last day that is over
	Now   time.Time
	Until time.Time // when the lease ends

	Prolong bool // only a lease that the owner has
}

// Swept is the end of a comparison.
type Swept struct {
	Scope Scope
	Owner string
	To    time.Time // everything created before it has been compared; zero: nothing came of it
}

package ledger

import (
	"context"
	"errors"
	"time"
)

// ErrDecided means that a run has decided about an event before.
var ErrDecided = errors.New("ledger: this run has decided about the event already")

// RunsTopic changes when a run is recorded or stopped, or its lease ends.
const RunsTopic Topic = "runs"

// Run is an action on many events that goes on beside everything else, whoever began it being gone. What it is about, and how far it has come, is its
// owner's to know, in Doc. It is of no scope, since an action may be about several.
type Run struct {
	ID        string
	Seq       int64 // order of their beginning
	Created   time.Time
	Ended     time.Time // zero: it goes on
	Stopped   time.Time // when a person decided that it ends before its time; zero: nobody did
	StoppedBy string    // where that came from, as the server knows it
	Doc       []byte
}

// Runs remembers them, for ever, so that one that was under way when its process ended goes on in the next.
type Runs interface {
	// AddRun records a run that begins, and fills in Seq. An error when there is one with its id.
	AddRun(ctx context.Context, r *Run) error
	// Run returns one by its id, or ErrNotFound.
	Run(ctx context.Context, id string) (*Run, error)
	// Runs lists them, newest first, with a Seq below the one given, if that is not 0.
	Runs(ctx context.Context, before int64, limit int) ([]Run, error)
	// ClaimRun leases the oldest run that has not ended and that nobody has leased; ErrNotFound when there is none.
	ClaimRun(ctx context.Context, c RunClaim) (*Run, error)
	// SaveRun keeps Doc and Ended for the owner of the lease, and returns the run as it stands: a person may have stopped it. The lease ends at c.Until, and
	// with the run itself; at once when c.Until is zero. ErrNotFound, and nothing is kept, when the lease is no longer held.
	SaveRun(ctx context.Context, c RunClaim, r *Run) (*Run, error)
	// StopRun says that a run ends before its time. One that has ended, or was stopped, stays as it is. ErrNotFound when there is none.
	StopRun(ctx context.Context, id, by string, now time.Time) error
	// RunDecided says about how many events the decisions of a run are: see Decision.Run.
	RunDecided(ctx context.Context, id string) (int, error)
}

// RunClaim asks for a lease on a run, or has it.
type RunClaim struct {
	Owner string    // who carries it out; unique among all processes and claims, so that whoever had a run before cannot save it once more
	Now   time.Time // and when the lease ends:
	Until time.Time
}

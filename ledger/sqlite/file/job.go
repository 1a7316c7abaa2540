package file

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/caddypay/caddypay/ledger"
)

// Job is what a caller has the writer do in a transaction. It may run more than once, each time in a transaction that has nothing of the run before.
// A statement in it does not end with the caller's context: if it were interrupted, that would spoil the transaction for all.
type Job func(Transaction) (Did, error)

// Did is what a job has done, also one that ends with an error.
type Did struct {
	Wrote  bool           // it changed rows
	Force  bool           // it has to be on disk, although it is lax
	Topics []ledger.Topic // to signal: of a lax job after the commit, of another when it is on disk. Read before the next job runs
}

// job is one that waits for its turn, or for its end.
type job struct {
	ctx    context.Context
	run    Job
	lax    bool        // to lose it in a power failure harms nobody: its caller need not wait for the disk
	taken  atomic.Bool // by the writer, or by the caller who gave up: who is first decides
	result error
	done   chan error // takes one result without blocking
}

// drop withdraws the job, unless the writer has taken it already.
func (j *job) drop() bool { return j.taken.CompareAndSwap(false, true) }

// take says whether the job is to be written.
func (j *job) take() bool {
	if !j.taken.CompareAndSwap(false, true) {
		return false
	}
	if err := j.ctx.Err(); err != nil {
		j.done <- err
		return false
	}
	return true
}

func fail(jobs []*job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
}

// spoilt says whether a job that ended so leaves the transaction unfit for others: it wrote something, or its error is none of the
// ledger's own answers. SQLite's may have ended the transaction.
func spoilt(wrote bool, result error) bool {
	if result == nil {
		return false
	}
	for _, answer := range answers {
		if errors.Is(result, answer) {
			return wrote
		}
	}
	return true
}

// answers are the errors with which a job ends that has found out something.
var answers = []error{
	ledger.ErrNotFound, ledger.ErrReserved, ledger.ErrState, ledger.ErrDecided, ledger.ErrRefundDiffers, ledger.ErrRefundExceeds, ledger.ErrRefundTaken,
}

// Write runs a job in the writer's next transaction and returns once that is on disk.
func (f *File) Write(ctx context.Context, run Job) error {
	return f.do(ctx, &job{ctx: ctx, run: run, done: make(chan error, 1)})
}

// WriteLax is Write for what may be lost in a power failure, since it would only be done again (leases, outcomes of deliveries and look-ups):
// it returns once the transaction is committed, and waits for no fsync, neither its own nor that of others. A process that dies loses nothing of it.
func (f *File) WriteLax(ctx context.Context, run Job) error {
	return f.do(ctx, &job{ctx: ctx, run: run, lax: true, done: make(chan error, 1)})
}

func (f *File) do(ctx context.Context, j *job) error {
	if err := f.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return f.wrap(err)
	case <-ctx.Done():
		if j.drop() {
			return ctx.Err()
		}
		return f.wrap(<-j.done) // too late: it is being written, and the caller must learn how that ends
	}
}

func (f *File) enqueue(ctx context.Context, j *job) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.usable(ctx); err != nil {
		return err
	}
	select {
	case f.writer.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

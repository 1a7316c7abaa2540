package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	maxBatch  = 256  // jobs in a transaction: bounds how long another process waits for the lock
	queueSize = 1024 // jobs that wait; further callers wait to get in

	// Two processes that write all the time share the lock. SQLite's own waiting sleeps up to 100 ms at a time, and meanwhile the
	// other takes the lock again and again, longer than a lease lasts. So the writer asks often, and for a while after it had to
	// wait it leaves the other a gap before each transaction.
	lockWait   = 5 * time.Second // for the lock, before the jobs fail
	lockPause  = 500 * time.Microsecond
	lockGap    = time.Millisecond
	contention = time.Second // how long the gap is left after the last wait
)

// job is one write. Its function may run more than once, each time in a transaction that has nothing of the run before.
type job struct {
	ctx   context.Context
	run   func(t *tx) error
	taken atomic.Bool // by the writer, or by the caller who gave up: who is first decides
	done  chan error  // takes one result without blocking
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

// writer owns the one connection that writes.
type writer struct {
	ledger  *Ledger
	batch   int
	queue   chan *job
	done    chan struct{} // closed when run has returned
	conn    *statements   // nil after an error that may have spoilt it
	waited  time.Time     // when the writer last had to wait for another process's lock
	commits atomic.Int64  // for tests
}

func newWriter(l *Ledger, batch int) *writer {
	return &writer{ledger: l, batch: batch, queue: make(chan *job, queueSize), done: make(chan struct{})}
}

// connect opens the connection if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := prepareWrites(ctx, w.ledger.file)
	if err != nil {
		return err
	}
	if _, err := conn.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil { // begin waits in its own way
		return errors.Join(err, conn.close())
	}
	w.conn = conn
	return nil
}

// run writes until the queue is closed and empty.
func (w *writer) run() {
	defer close(w.done)
	for first := range w.queue {
		// Those whom the last commit woke are about to come with their next write: let them run first, and one fsync does
		// for all of them instead of for one and then for the rest.
		runtime.Gosched()
		jobs := w.gather(nil, first)
		err := w.begin()
		if err != nil {
			fail(jobs, err)
			continue
		}
		// Waiting for the lock may have taken a while: whoever came meanwhile comes along.
		jobs = w.gather(jobs, nil)
		w.write(jobs)
	}
}

// gather takes from the queue what is there.
func (w *writer) gather(jobs []*job, first *job) []*job {
	if first != nil && first.take() {
		jobs = append(jobs, first)
	}
	for len(jobs) < w.batch {
		select {
		case j, open := <-w.queue:
			if !open {
				return jobs
			}
			if j.take() {
				jobs = append(jobs, j)
			}
		default:
			return jobs
		}
	}
	return jobs
}

func fail(jobs []*job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
}

// write runs the jobs in the transaction that has begun. When one fails after it wrote something, each is done again in a
// transaction of its own, so that none suffers from another.
func (w *writer) write(jobs []*job) {
	results := make([]error, len(jobs))
	t := &tx{statements: w.conn, scopes: &w.ledger.scopes}
	for i, j := range jobs {
		results[i] = w.do(t, j)
		if results[i] == nil || !t.dirty {
			continue
		}
		w.rollback()
		if len(jobs) == 1 {
			j.done <- results[i]
			return
		}
		for _, j := range jobs {
			if err := w.begin(); err != nil {
				j.done <- err
				continue
			}
			w.write([]*job{j})
		}
		return
	}
	if err := w.commit(t); err != nil {
		fail(jobs, err)
		return
	}
	for i, j := range jobs {
		j.done <- results[i]
	}
}

// do runs one job. Afterwards t.dirty says whether it wrote something.
func (w *writer) do(t *tx, j *job) (err error) {
	t.dirty = false
	topics := len(t.topics)
	defer func() {
		if p := recover(); p != nil { // a caller's function; it must not take the process with it
			w.ledger.log.Error("panic while writing", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("panic while writing: %v", p)
		}
		if err != nil {
			t.topics = t.topics[:topics]
		}
	}()
	return j.run(t)
}

// begin takes the lock for writing, waiting for other processes.
func (w *writer) begin() error {
	if err := w.connect(context.Background()); err != nil {
		return err
	}
	start := time.Now()
	if start.Sub(w.waited) < contention {
		time.Sleep(lockGap)
	}
	for {
		_, err := w.conn.exec(sqlBegin)
		if err == nil {
			return nil
		}
		if !isBusy(err) || time.Since(start) > lockWait {
			w.rollback()
			return err
		}
		w.waited = time.Now()
		time.Sleep(lockPause)
	}
}

func (w *writer) commit(t *tx) error {
	err := t.writeCounts()
	if err == nil {
		_, err = w.conn.exec(sqlCommit)
	}
	if err != nil {
		w.rollback()
		return err
	}
	w.commits.Add(1)
	w.ledger.scopes.add(t.fresh)
	w.ledger.Signal(t.topics...)
	return nil
}

// rollback ends the transaction, if SQLite has not done so by itself after an error. A connection that cannot even do that
// is replaced.
func (w *writer) rollback() {
	if _, err := w.conn.exec(sqlRollback); err != nil && !noTransaction(err) {
		w.ledger.log.Error("the ledger's connection failed; opening another", zap.String("file", w.ledger.file), zap.Error(err))
		_ = w.conn.close()
		w.conn = nil
	}
}

// close folds the -wal file into the ledger and closes the connection.
func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	_, err := w.conn.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, w.conn.close())
}

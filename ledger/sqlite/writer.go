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
	// other takes the lock again and again, longer than a lease lasts. So the writer asks often, and it leaves the other a gap:
	// now and then when it has written without a pause, and before each transaction for a while after it had to wait itself.
	lockWait   = 5 * time.Second // for the lock, before the jobs fail
	lockPause  = 500 * time.Microsecond
	lockGap    = time.Millisecond
	lockStint  = 50 * time.Millisecond // without a pause
	contention = time.Second           // how long the gap is left after the last wait
)

// job is one write. Its function may run more than once, each time in a transaction that has nothing of the run before.
type job struct {
	ctx    context.Context
	run    func(t *tx) error
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

// writer owns the one connection that writes. It commits when nothing more waits and the disk is free, so that a transaction
// is put together while the one before is forced to the disk.
type writer struct {
	ledger  *Ledger
	batch   int
	queue   chan *job
	done    chan struct{} // closed when run has returned
	conn    *conn         // nil after an error that may have spoilt it
	shut    bool          // the pool for reading is closed, and could not be opened again
	refused bool          // the last COMMIT failed: one job at a time has the best chance
	disk    *disk
	waited  time.Time    // when the writer last had to wait for another process's lock
	ended   time.Time    // when the last transaction did
	stint   time.Time    // since when there was no pause between transactions
	timer   *time.Timer  // of more
	commits atomic.Int64 // for tests
	folder  *folder
}

func newWriter(l *Ledger, batch int) *writer {
	return &writer{ledger: l, batch: batch, queue: make(chan *job, queueSize), done: make(chan struct{}), disk: newDisk(l), folder: newFolder(l), timer: time.NewTimer(time.Hour)}
}

// connect opens the connection if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	return patiently(ctx, func() error { return w.open(ctx) })
}

func (w *writer) open(ctx context.Context) error {
	l := w.ledger
	err := l.presence.look() // else it would be another file
	if err == nil && l.anchor == nil {
		l.anchor, err = dropAnchor(ctx, l.file)
	}
	if err != nil {
		return err
	}
	conn, err := connectWrites(ctx, l.file)
	if err == nil {
		err = conn.prepare(ctx, writes)
	}
	if err == nil {
		w.disk.settle()
		err = w.disk.open(l.file)
	}
	if err != nil {
		return errors.Join(err, conn.close())
	}
	w.conn = conn
	return nil
}

// disconnect closes the connection, if there is one.
func (w *writer) disconnect() error {
	err := w.disk.close()
	if w.conn != nil {
		err = errors.Join(err, w.conn.close())
		w.conn = nil
	}
	return err
}

// run writes until the queue is closed and empty.
func (w *writer) run() {
	defer close(w.done)
	go w.disk.run()
	go w.folder.run()
	for first := range w.queue {
		if first.take() {
			w.transact(first)
		}
	}
	close(w.disk.wake)
	<-w.disk.done
	close(w.folder.full)
	<-w.folder.done
}

// transact runs a job, and everything that comes while it waits for the disk, in one transaction; a job that needs no disk does not wait
// long. When one spoils it, each is done again in a transaction of its own, so that none suffers from another.
func (w *writer) transact(first *job) {
	if err := w.begin(); err != nil {
		// Whoever waits has waited as long: they need not each find out.
		fail(append(w.waiting(), first), err)
		return
	}
	t := w.tx()
	var jobs []*job
	var lax time.Time // since when a job that needs no disk is among them
	for j := first; j != nil; j = w.more(len(jobs), lax) {
		jobs = append(jobs, j)
		if j.lax && lax.IsZero() {
			lax = time.Now()
		}
		if j.result = w.do(t, j); !t.spoilt(j.result) {
			continue
		}
		w.rollback()
		w.renew(j.result)
		if len(jobs) == 1 {
			j.done <- j.result
			return
		}
		for _, j := range jobs {
			w.alone(j)
		}
		return
	}
	w.commit(t, jobs)
}

// tx is what the jobs of the transaction that has begun work with.
func (w *writer) tx() *tx {
	return &tx{session: session{conn: w.conn, scopes: &w.ledger.scopes, within: true}, unforced: w.disk.unforced(), disk: w.disk, opened: w.ledger.opened}
}

// alone runs a job in a transaction of its own.
func (w *writer) alone(j *job) {
	if err := w.begin(); err != nil {
		j.done <- err
		return
	}
	t := w.tx()
	if j.result = w.do(t, j); t.spoilt(j.result) {
		w.rollback()
		w.renew(j.result)
		j.done <- j.result
		return
	}
	w.commit(t, []*job{j})
}

// renew gives up a connection that cannot write. Where a file could not be opened for writing, for want of descriptors say, SQLite has opened it for
// reading, and says so only now.
func (w *writer) renew(err error) {
	if w.conn == nil || !isReadOnly(err) {
		return
	}
	w.ledger.log.Error("the ledger was opened for reading only; opening it again", zap.String("file", w.ledger.file), zap.Error(err))
	_ = w.conn.close()
	w.conn = nil
}

// yields is how often the writer lets others run before it commits although nothing waits: whoever is about to bring a job, and has only to be
// given a core, is in the same transaction then. Of 32 callers 32 are in one then instead of 25, and 31 instead of 20 while events are delivered (BenchmarkAppend).
const yields = 2

// more returns the next job of the transaction; nil when it is to be committed.
func (w *writer) more(n int, lax time.Time) *job {
	for yielded := 0; n < w.batch && !w.refused; {
		select {
		case j, open := <-w.queue:
			if !open {
				return nil
			}
			if j.take() {
				return j
			}
			continue
		default:
		}
		if w.disk.outstanding.Load() == 0 || time.Since(w.waited) < contention {
			if yielded == yields {
				return nil
			}
			yielded++
			runtime.Gosched()
			continue
		}
		var enough <-chan time.Time
		if !lax.IsZero() {
			w.timer.Reset(laxWait - time.Since(lax))
			enough = w.timer.C
		}
		select {
		case j, open := <-w.queue:
			if !open {
				return nil
			}
			if j.take() {
				return j
			}
		case <-w.disk.idle:
		case <-enough:
			return nil
		}
	}
	return nil
}

// waiting takes all jobs that wait.
func (w *writer) waiting() (jobs []*job) {
	for {
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
}

func fail(jobs []*job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
}

// do runs one job. Afterwards t.dirty says whether it wrote something.
func (w *writer) do(t *tx, j *job) (err error) {
	t.dirty, t.force = false, false
	topics := len(t.topics)
	defer func() {
		if p := recover(); p != nil { // a caller's function; it must not take the process with it
			w.ledger.log.Error("panic while writing", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("panic while writing: %v", p)
		}
		j.lax = j.lax && !t.force
		if err != nil {
			t.topics = t.topics[:topics]
		} else if j.lax {
			t.loose = append(t.loose, t.topics[topics:]...)
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
	if err := w.mend(); err != nil {
		return err
	}
	if w.folder.behind.Swap(false) {
		if _, err := w.conn.checkpoint("PASSIVE"); w.disk.noteForce(err) { // else the folder comes again, and logs what is wrong
			return w.begin()
		}
	}
	return w.lock(context.Background())
}

func (w *writer) lock(ctx context.Context) error {
	start := time.Now()
	if start.Sub(w.ended) > lockGap {
		w.stint = start
	}
	if start.Sub(w.waited) < contention || start.Sub(w.stint) > lockStint {
		time.Sleep(lockGap)
		w.stint = start
	}
	for {
		err := w.conn.run(sqlBegin, nil)
		if err == nil {
			return nil
		}
		if !isBusy(err) || time.Since(start) > lockWait || ctx.Err() != nil {
			w.rollback()
			w.renew(err)
			return err
		}
		w.waited = time.Now()
		time.Sleep(lockPause)
	}
}

// commit ends the transaction, and leaves to the disk those of its jobs that need it.
func (w *writer) commit(t *tx, jobs []*job) {
	err := t.writeCounts()
	if err == nil {
		err = w.conn.run(sqlCommit, nil)
	}
	if w.refused = err != nil; w.refused {
		w.disk.noteForce(err) // a -wal file that begins anew is forced there at once
		w.rollback()
		fail(jobs, err)
		return
	}
	w.ended = time.Now()
	w.commits.Add(1)
	w.ledger.scopes.add(t.fresh)
	w.folder.add(len(jobs))
	b := batch{topics: t.topics, event: t.event, last: t.last}
	broken := w.disk.broken()
	w.ledger.Signal(t.loose...)
	for _, j := range jobs {
		switch {
		case !j.lax:
			b.jobs = append(b.jobs, j)
		case broken != nil:
			j.done <- broken
		default:
			j.done <- j.result
		}
	}
	if len(b.jobs) == 0 {
		w.disk.leave()
		return
	}
	w.disk.add(b)
}

// rollback ends the transaction. A connection that cannot even do that is replaced.
func (w *writer) rollback() error {
	w.ended = time.Now()
	err := w.conn.rollback()
	if err == nil {
		return nil
	}
	w.ledger.log.Error("the ledger's connection failed; opening another", zap.String("file", w.ledger.file), zap.Error(err))
	_ = w.conn.close()
	w.conn = nil
	return err
}

// close folds the -wal file into the ledger and closes its connections, the writer's last: whoever closes last folds the -wal file in and
// removes it. What the disk has not taken stays where it is.
func (w *writer) close() error {
	l := w.ledger
	err := w.connect(context.Background())
	if err == nil {
		err = w.mend()
	}
	if err == nil {
		_, err = w.checkpoint("TRUNCATE")
	}
	whole := err == nil
	err = errors.Join(err, l.reads.close())
	if whole {
		err = errors.Join(err, l.anchor.weigh())
	}
	err = errors.Join(err, w.disconnect())
	if !whole {
		err = errors.Join(err, l.anchor.weigh())
	}
	return err
}

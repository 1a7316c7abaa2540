package file

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
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

// writer owns the one connection that writes. It commits when nothing more waits and the disk is free, so that a transaction
// is put together while the one before is forced to the disk.
type writer struct {
	file    *File
	batch   int // maxBatch
	queue   chan *job
	done    chan struct{} // closed when run has returned
	conn    *Conn         // nil after an error that may have spoilt it
	shut    bool          // the pool for reading is closed, and could not be opened again
	refused bool          // the last COMMIT failed: one job at a time has the best chance
	disk    *disk
	waited  time.Time    // when the writer last had to wait for another process's lock
	ended   time.Time    // when the last transaction was committed
	stint   time.Time    // since when there was no pause between transactions
	timer   *time.Timer  // of more
	commits atomic.Int64 // for tests
	folder  *folder
}

func newWriter(f *File) *writer {
	return &writer{file: f, batch: maxBatch, queue: make(chan *job, queueSize), done: make(chan struct{}), disk: newDisk(f), folder: newFolder(f), timer: time.NewTimer(time.Hour)}
}

// connect opens the connection if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	return patiently(ctx, func() error { return w.open(ctx) })
}

func (w *writer) open(ctx context.Context) error {
	f := w.file
	err := f.presence.look() // else it would be another file
	if err == nil && f.anchor == nil {
		f.anchor, err = dropAnchor(ctx, f.path)
	}
	if err != nil {
		return err
	}
	conn, err := connectWrites(ctx, f.path)
	if err == nil {
		err = conn.prepare(ctx, append([]string{sqlBegin, sqlCommit, sqlRollback}, f.engine.Writes...))
	}
	if err == nil {
		w.disk.settle()
		err = w.disk.open(f.path)
	}
	if err != nil {
		return errors.Join(err, conn.close())
	}
	w.conn = conn
	return nil
}

// disconnect closes the connection, if there is one.
func (w *writer) disconnect() error {
	err := errors.Join(w.disk.close(), w.conn.close())
	w.conn = nil
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
	t := w.transaction()
	var jobs []*job
	var lax time.Time // since when a job that needs no disk is among them
	for j := first; j != nil; j = w.more(len(jobs), lax) {
		jobs = append(jobs, j)
		if j.lax && lax.IsZero() {
			lax = time.Now()
		}
		if w.do(t, j) {
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

// transaction is the one that has begun.
type transaction struct {
	Transaction
	topics []ledger.Topic // to signal when it is on disk
	loose  []ledger.Topic // to signal after the commit
}

func (w *writer) transaction() *transaction {
	return &transaction{Transaction: w.file.engine.Begin(w.conn)}
}

// alone runs a job in a transaction of its own.
func (w *writer) alone(j *job) {
	if err := w.begin(); err != nil {
		j.done <- err
		return
	}
	t := w.transaction()
	if !w.do(t, j) {
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
	if !isReadOnly(err) {
		return
	}
	w.file.log.Error("the ledger was opened for reading only; opening it again", zap.String("file", w.file.path), zap.Error(err))
	_ = w.conn.close()
	w.conn = nil
}

// yields is how often the writer lets others run before it commits although nothing waits: whoever is about to bring a job, and has only to be
// given a core, is in the same transaction then. Of 32 callers 32 are in one then instead of 25, and 31 instead of 20 while events are delivered (BenchmarkAppend).
const yields = 2

// more returns the next job of the transaction; nil, as a closed queue has it, when it is to be committed.
func (w *writer) more(n int, lax time.Time) *job {
	for yielded := 0; n < w.batch && !w.refused; {
		select {
		case j, open := <-w.queue:
			if !open || j.take() {
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
			if !open || j.take() {
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

// do runs one job, and says whether the transaction is fit for others.
func (w *writer) do(t *transaction, j *job) (fit bool) {
	did, err := w.call(t, j)
	j.lax = j.lax && !did.Force
	switch {
	case err != nil:
	case j.lax:
		t.loose = append(t.loose, did.Topics...)
	default:
		t.topics = append(t.topics, did.Topics...)
	}
	j.result = err
	return !spoilt(did.Wrote, err)
}

func (w *writer) call(t *transaction, j *job) (did Did, err error) {
	defer func() {
		if p := recover(); p != nil { // a caller's function; it must not take the process with it
			w.file.log.Error("panic while writing", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("panic while writing: %v", p)
		}
	}()
	return j.run(t.Transaction)
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

// gap says whether another program is to be left the lock for a moment before a transaction begins.
func (w *writer) gap(now time.Time) bool {
	if now.Sub(w.ended) > lockGap {
		w.stint = now
	}
	if now.Sub(w.waited) >= contention && now.Sub(w.stint) <= lockStint {
		return false
	}
	w.stint = now
	return true
}

func (w *writer) lock(ctx context.Context) error {
	start := time.Now()
	if w.gap(start) {
		time.Sleep(lockGap)
	}
	for {
		err := w.conn.Run(sqlBegin, nil)
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
func (w *writer) commit(t *transaction, jobs []*job) {
	recorded, err := t.Finish()
	if err == nil {
		err = w.conn.Run(sqlCommit, nil)
	}
	if w.refused = err != nil; w.refused {
		w.disk.noteForce(err) // a -wal file that begins anew is forced there at once
		w.rollback()
		fail(jobs, err)
		return
	}
	w.ended = time.Now()
	w.commits.Add(1)
	t.Committed()
	w.folder.add(len(jobs))
	b := batch{topics: t.topics, event: recorded.First, last: recorded.Last}
	broken := w.disk.broken()
	w.file.engine.Signal(t.loose...)
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
	err := w.conn.Rollback()
	if err == nil {
		return nil
	}
	w.file.log.Error("the ledger's connection failed; opening another", zap.String("file", w.file.path), zap.Error(err))
	_ = w.conn.close()
	w.conn = nil
	return err
}

// close folds the -wal file into the ledger and closes its connections, the writer's last: whoever closes last folds the -wal file in and
// removes it. What the disk has not taken stays where it is.
func (w *writer) close() error {
	f := w.file
	err := w.connect(context.Background())
	if err == nil {
		err = w.mend()
	}
	if err == nil {
		_, err = w.checkpoint("TRUNCATE")
	}
	whole := err == nil
	err = errors.Join(err, f.reads.close())
	if whole {
		err = errors.Join(err, f.anchor.weigh())
	}
	return errors.Join(err, w.disconnect(), f.anchor.weigh())
}

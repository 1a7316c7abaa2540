package file

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	laxDelay = 100 * time.Millisecond // how long a commit that nobody needs on disk is left to the system before it is forced there
	laxWait  = 20 * time.Millisecond  // how long a job that needs no disk may be held back by a busy one, together with others
)

// disk forces what the writer has committed to the disk, in a goroutine of its own: the writer puts the next transaction
// together meanwhile, and one call does for every transaction that was committed before it began.
//
// SQLite's own way (synchronous=FULL) is the same call at the same place, only that its COMMIT waits for it. With NORMAL it
// leaves the call out, and forces the -wal file only before that is copied into the ledger; what is added here is the call. It goes
// through a descriptor of ours: what counts is the file, not who has written to it. (SQLite has no locks on the -wal file, so
// closing ours drops none.)
type disk struct {
	presence    *presence
	using       sync.Mutex // held while log is used or replaced: what is left to the system may be forced at any moment
	log         *os.File   // the -wal file
	sync        func(*os.File) error
	mu          sync.Mutex
	waiting     []batch       // those whose callers have not been told yet
	loose       time.Time     // since when something committed is left to the system; zero: nothing is
	wake        chan struct{} // capacity 1: one of the two has changed; closed: there will be nothing more
	outstanding atomic.Int64  // how many are waiting
	idle        chan struct{} // capacity 1: outstanding has become 0
	signal      func(...ledger.Topic)
	failed      atomic.Bool   // a call has failed: what was committed since the one before may never get to the disk
	torn        atomic.Bool   // the call for the ledger's own file has: so may what was copied there
	forced      atomic.Int64  // the last event of which it is known that it is on disk, as all before are
	done        chan struct{} // closed when run has returned
}

// batch is what one transaction has done that has to be on disk before anybody hears of it.
type batch struct {
	jobs   []*job
	topics []ledger.Topic // to signal
	event  int64          // the first that it recorded; 0: none
	last   int64          // the last event that is on disk with it, as all before are
}

func newDisk(f *File) *disk {
	return &disk{presence: f.presence, signal: f.engine.Signal, sync: datasync, wake: make(chan struct{}, 1), idle: make(chan struct{}, 1), done: make(chan struct{})}
}

// open begins to use the -wal file of a ledger to which a connection is open. The descriptor of before is asked once more, when there is the
// next: what has gone wrong until then may be told to it alone, also if another program wrote it.
func (d *disk) open(file string) error {
	log, err := os.OpenFile(file+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = syncFolder(filepath.Dir(file)) // SQLite has made the -wal file
	if err == nil {
		err = d.presence.connected(log)
	}
	if err != nil {
		return errors.Join(err, log.Close())
	}
	if d.log != nil && d.use(d.sync) != nil {
		d.failed.Store(true)
	}
	err = d.close()
	d.using.Lock()
	defer d.using.Unlock()
	d.log = log
	return err
}

func (d *disk) close() error {
	d.using.Lock()
	defer d.using.Unlock()
	if d.log == nil {
		return nil
	}
	err := d.log.Close()
	d.log = nil
	return err
}

// use runs a function on the -wal file.
func (d *disk) use(f func(log *os.File) error) error {
	d.using.Lock()
	defer d.using.Unlock()
	return f(d.log)
}

// add takes over a batch that is committed, and tells its callers when it is on disk. It never blocks, however long the disk takes:
// there are no more batches than callers who wait.
func (d *disk) add(b batch) {
	d.outstanding.Add(1)
	d.mu.Lock()
	d.waiting = append(d.waiting, b)
	d.mu.Unlock()
	d.rouse()
}

// leave sees to it that what was committed gets to the disk some time.
func (d *disk) leave() {
	d.mu.Lock()
	if d.loose.IsZero() {
		d.loose = time.Now()
	}
	d.mu.Unlock()
	d.rouse()
}

func (d *disk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// unforced is the first recorded event that may not be on disk; none of ours before it is missing there.
func (d *disk) unforced() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.waiting {
		if b.event != 0 {
			return b.event
		}
	}
	return math.MaxInt64
}

// settle waits until everybody has been told.
func (d *disk) settle() {
	for d.outstanding.Load() != 0 {
		<-d.idle
	}
}

// run works until wake is closed and nothing waits.
func (d *disk) run() {
	defer close(d.done)
	timer := time.NewTimer(laxDelay)
	defer timer.Stop()
	for open := true; open; {
		select {
		case _, open = <-d.wake:
		case <-timer.C:
		}
		all, due, rest := d.take()
		if due {
			d.finish(all, d.force())
		}
		timer.Reset(rest)
	}
}

// take returns what waits, whether it is to be forced now, and when to come again for what is left to the system.
func (d *disk) take() (all []batch, due bool, rest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest = time.Hour
	if !d.loose.IsZero() {
		rest = laxDelay - time.Since(d.loose)
	}
	if due = len(d.waiting) > 0 || rest <= 0; due {
		d.loose, rest = time.Time{}, time.Hour
	}
	return slices.Clone(d.waiting), due, rest
}

var errForce = errors.New("the disk did not take what was written (full, failing or gone)")

// broken is an error while what is committed may have nothing on disk to follow.
func (d *disk) broken() error {
	if d.failed.Load() {
		return errForce
	}
	return nil
}

// noteForce notes an error of a checkpoint if that could not force something to the disk.
func (d *disk) noteForce(err error) (noted bool) {
	if !isForce(err) {
		return false
	}
	d.torn.Store(true)
	d.failed.Store(true)
	return true
}

func (d *disk) force() error {
	if err := d.broken(); err != nil {
		return err
	}
	if err := d.use(d.sync); err != nil {
		d.failed.Store(true)
		return fmt.Errorf("%w: %w", errForce, err)
	}
	return d.presence.look()
}

// finish tells everybody how it went.
func (d *disk) finish(all []batch, err error) {
	d.mu.Lock()
	d.waiting = d.waiting[len(all):]
	d.mu.Unlock()
	for _, b := range all {
		if err == nil {
			d.forced.Store(max(d.forced.Load(), b.last))
			d.signal(b.topics...)
		}
		for _, j := range b.jobs {
			if err != nil {
				j.result = err
			}
			j.done <- j.result
		}
	}
	if d.outstanding.Add(-int64(len(all))) == 0 {
		select {
		case d.idle <- struct{}{}:
		default:
		}
	}
}

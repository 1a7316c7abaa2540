package sqlite

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// laxDelay is how long a commit that nobody needs on disk is left to the system before it is forced there.
const laxDelay = 100 * time.Millisecond

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
	batches     chan batch
	outstanding atomic.Int64  // batches whose callers have not been told yet
	idle        chan struct{} // capacity 1: outstanding has become 0
	failed      atomic.Bool   // a call has failed: what was committed since the one before may never get to the disk
	done        chan struct{} // closed when run has returned
}

// batch is what one transaction has done.
type batch struct {
	jobs   []*job
	signal func() // tells those who watch
	lax    bool   // none of its jobs needs the disk
}

func newDisk(p *presence) *disk {
	return &disk{presence: p, sync: datasync, batches: make(chan batch, 64), idle: make(chan struct{}, 1), done: make(chan struct{})}
}

// open begins to use the -wal file of a ledger to which a connection is open.
func (d *disk) open(file string) (err error) {
	if err := d.close(); err != nil {
		return err
	}
	d.using.Lock()
	defer d.using.Unlock()
	if d.log, err = os.OpenFile(file+"-wal", os.O_RDWR, 0); err != nil {
		return err
	}
	return d.presence.connected(d.log)
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

// add takes over a batch that is committed, and tells its callers when it is on disk; if none of them needs that, when everything
// before it is.
func (d *disk) add(b batch) {
	d.outstanding.Add(1)
	d.batches <- b
}

// settle waits until everybody has been told.
func (d *disk) settle() {
	for d.outstanding.Load() != 0 {
		<-d.idle
	}
}

// run works until the channel is closed and empty.
func (d *disk) run() {
	defer close(d.done)
	var loose time.Time // since when something committed is left to the system; zero: nothing is
	timer := time.NewTimer(laxDelay)
	defer timer.Stop()
	for {
		var all []batch
		select {
		case first, open := <-d.batches:
			if !open {
				return
			}
			all = d.gather(first)
		case <-timer.C:
		}
		for len(all) > 0 && all[0].lax {
			d.finish(all[:1], d.broken())
			all = all[1:]
			if loose.IsZero() {
				loose = time.Now()
				timer.Reset(laxDelay)
			}
		}
		if len(all) > 0 || !loose.IsZero() && time.Since(loose) >= laxDelay {
			d.finish(all, d.force())
			loose = time.Time{}
		}
	}
}

// gather takes what was committed meanwhile.
func (d *disk) gather(first batch) []batch {
	all := []batch{first}
	for {
		select {
		case b, open := <-d.batches:
			if !open {
				return all
			}
			all = append(all, b)
		default:
			return all
		}
	}
}

var errForce = errors.New("the disk did not take what was written (full, failing or gone)")

// broken is an error while what is committed may have nothing on disk to follow.
func (d *disk) broken() error {
	if d.failed.Load() {
		return errForce
	}
	return nil
}

func (d *disk) force() error {
	if err := d.broken(); err != nil {
		return err
	}
	d.using.Lock()
	defer d.using.Unlock()
	if err := d.sync(d.log); err != nil {
		d.failed.Store(true)
		return fmt.Errorf("%w: %w", errForce, err)
	}
	return d.presence.look()
}

// finish tells everybody how it went.
func (d *disk) finish(all []batch, err error) {
	for _, b := range all {
		if err == nil {
			b.signal()
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

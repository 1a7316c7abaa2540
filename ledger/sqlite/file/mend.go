package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
)

// yieldWait is how long the -wal file may take to begin anew, while others still read what is in it.
const yieldWait = time.Second

// mend makes good what the disk has not taken. Some of the -wal file may never have got there, and whatever follows such a hole is lost in
// a power failure. So first the file is made whole, then all of it is copied into the ledger's own and forced to the disk there, and
// then it begins anew, empty. Until all that has succeeded nothing is written, and nobody is told that something is recorded:
// neither who brings what is new, nor who brings again what was refused.
//
// (Were it copied before it is whole, a power failure half-way would leave a ledger that is partly newer than what the -wal file
// holds, and the recovery would mix them.)
func (w *writer) mend() error {
	if !w.disk.failed.Load() {
		return nil
	}
	if err := w.file.presence.look(); err != nil {
		return err
	}
	w.disk.settle()
	w.folder.mu.Lock() // it is not at work meanwhile
	defer w.folder.mu.Unlock()
	err := w.makeWhole(context.Background())
	if err == nil && w.disk.torn.Load() {
		err = w.startOver()
	}
	if err == nil {
		err = w.beginAnew()
	}
	if err != nil {
		return fmt.Errorf("%w; copying it anew: %w", errForce, err)
	}
	w.disk.torn.Store(false)
	w.disk.failed.Store(false)
	w.file.log.Info("the disk works again", zap.String("file", w.file.path))
	return nil
}

// makeWhole writes the -wal file again.
func (w *writer) makeWhole(ctx context.Context) (err error) {
	if err := w.lock(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.rollback()) }()
	frames, err := countFrames(ctx, w.file.path)
	if err != nil {
		return err
	}
	return w.disk.use(func(log *os.File) error { return rewrite(log, frames, w.disk.sync) })
}

// startOver has all of the -wal file copied once more. SQLite remembers how much it has copied, but not whether all of that was forced to the
// disk when the ledger's own file could not be. It forgets when nobody has the ledger open.
func (w *writer) startOver() error {
	done, err := w.conn.checkpoint("NOOP")
	if err != nil || done.pages == 0 && !w.shut {
		return err
	}
	f := w.file
	defer f.pauses.pause()()
	w.shut = true
	err = errors.Join(f.reads.close(), w.folder.close(), w.conn.close(), f.anchor.weigh())
	w.conn, f.anchor = nil, nil
	if err != nil {
		return err
	}
	if err := w.connect(context.Background()); err != nil {
		return err
	}
	var reads *pool // until there are others, those that are closed say so
	err = patiently(context.Background(), func() (err error) { reads, err = openPool(context.Background(), f.path, f.engine.Reads); return err })
	if err != nil {
		return err
	}
	f.reads, w.shut = reads, false
	if done, err = w.conn.checkpoint("NOOP"); err == nil && done.pages > 0 {
		err = errors.New("another program has the ledger open; end it")
	}
	return err
}

// beginAnew empties the -wal file once all of it is in the ledger's own. Nobody of this process reads meanwhile; most of it is copied before.
func (w *writer) beginAnew() error {
	if _, err := w.checkpoint("PASSIVE"); err != nil {
		return err
	}
	defer w.file.pauses.pause()()
	for start := time.Now(); ; time.Sleep(lockPause) {
		done, err := w.checkpoint("TRUNCATE")
		if err != nil {
			return err
		}
		if !done.busy {
			return w.disk.use(w.disk.sync)
		}
		if time.Since(start) > yieldWait {
			return errors.New("another program reads or writes the ledger without a pause")
		}
	}
}

// checkpoint is one that does not give up at the first error.
func (w *writer) checkpoint(mode string) (copied, error) {
	return insist(func() (copied, error) { return w.conn.checkpoint(mode) }, w.disk.noteForce)
}

// insist copies again after an error, unless that was noted: what could not be forced to the disk would seem to be there the next time.
func insist(copy func() (copied, error), noted func(error) bool) (done copied, err error) {
	for range attempts {
		if done, err = copy(); err == nil || noted(err) {
			break
		}
	}
	return done, err
}

// countFrames returns how many frames the -wal file has, on a connection of its own: in a transaction that cannot be asked.
func countFrames(ctx context.Context, file string) (int, error) {
	c, err := connectReads(ctx, file)
	if err != nil {
		return 0, err
	}
	done, err := c.checkpoint("NOOP")
	return done.frames, errors.Join(err, c.close())
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
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
	w.disk.settle()
	err := w.makeWhole()
	if err == nil {
		err = w.beginAnew()
	}
	if err != nil {
		return fmt.Errorf("%w; copying it anew: %w", errForce, err)
	}
	w.disk.failed.Store(false)
	w.ledger.log.Info("the disk works again", zap.String("file", w.ledger.file))
	return nil
}

// makeWhole writes the -wal file again.
func (w *writer) makeWhole() error {
	if err := w.lock(); err != nil {
		return err
	}
	defer w.rollback()
	done, err := checkpoint(context.Background(), w.ledger.reads.db, "NOOP") // which counts only, and not in a transaction
	if err != nil {
		return err
	}
	return w.disk.use(func(log *os.File) error { return rewrite(log, done.frames, w.disk.sync) })
}

// beginAnew empties the -wal file once all of it is in the ledger's own. Those of this process who read wait meanwhile.
func (w *writer) beginAnew() error {
	w.ledger.reading.Lock()
	defer w.ledger.reading.Unlock()
	for start := time.Now(); ; time.Sleep(lockPause) {
		done, err := w.conn.checkpoint("TRUNCATE")
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

// makeLogWhole writes the -wal file of a ledger again that is being opened: who used it last may have been killed after the disk had failed.
func makeLogWhole(ctx context.Context, db *sql.DB, file string) error {
	info, err := os.Stat(file + "-wal")
	if err != nil || info.Size() == 0 {
		return nil // there is none: nothing to mend
	}
	lock, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer lock.Rollback()
	other := openReads(file)
	defer other.Close()
	done, err := checkpoint(ctx, other, "NOOP")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(file+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	return rewrite(log, done.frames, datasync)
}

// leaveLog runs a function that closes connections so that the last one does not copy the -wal file into the ledger.
func leaveLog(file string, closeAll func() error) error {
	// SQLite leaves it as long as another connection is open. One that may not write cannot do it either.
	db := openDB(file, 1, "ro", url.Values{})
	defer db.Close()
	var version int
	err := db.QueryRow("PRAGMA user_version").Scan(&version)
	return errors.Join(err, closeAll())
}

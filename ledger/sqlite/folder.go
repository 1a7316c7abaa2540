package sqlite

import (
	"context"
	"os"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

const (
	foldAfter = 1000 // writes after which the -wal file is folded into the ledger: some thousand pages
	pageSize  = 4096 // bytes of a page, as SQLite has it
	foldRest  = 8192 // pages in the -wal file at which it should begin anew
)

// folder copies what is in the -wal file into the ledger's own file from time to time, on a connection of its own, so that nobody
// who writes waits for it (SQLite's own way is that now and then a COMMIT does).
//
// The -wal file begins anew when all of it is copied at the moment that a transaction begins. While transactions follow each other the
// folder is always a few pages behind; the writer copies those itself, when the file has become long.
type folder struct {
	ledger  *Ledger
	after   int           // foldAfter
	rest    int           // foldRest
	written int           // writes since the last signal
	full    chan struct{} // capacity 1: there is something to fold
	mu      sync.Mutex    // held while it is at work
	conn    *conn         // nil: none is open
	behind  atomic.Bool   // the writer should copy the rest before its next transaction
	done    chan struct{} // closed when run has returned
}

func newFolder(l *Ledger) *folder {
	return &folder{ledger: l, after: foldAfter, rest: foldRest, full: make(chan struct{}, 1), done: make(chan struct{})}
}

// add counts writes. Only the writer calls it.
func (f *folder) add(n int) {
	if f.written += n; f.written < f.after {
		return
	}
	f.written = 0
	select {
	case f.full <- struct{}{}:
	default:
	}
}

// inherit counts what is in the -wal file already. Else processes that end before they have written enough would let it grow, each a little.
func (f *folder) inherit() {
	if info, err := os.Stat(f.ledger.file + "-wal"); err == nil {
		f.add(int(info.Size() / pageSize))
	}
}

// run works until the channel is closed.
func (f *folder) run() {
	defer close(f.done)
	defer f.close()
	for range f.full {
		f.fold()
	}
}

func (f *folder) fold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	disk := f.ledger.writer.disk
	if disk.failed.Load() {
		return // the writer copies what there is
	}
	done, err := f.copy()
	if err != nil {
		disk.noteForce(err)
		f.ledger.log.Error("the ledger's -wal file cannot be folded in; it grows", zap.String("file", f.ledger.file), zap.Error(err))
		_ = f.close() // what has been opened for reading only stays so
	}
	if done.frames >= f.rest {
		f.behind.Store(true)
	}
}

func (f *folder) copy() (done copied, err error) {
	if f.conn == nil {
		if f.conn, err = connectWrites(context.Background(), f.ledger.file); err != nil {
			return done, err
		}
	}
	return f.conn.checkpoint("PASSIVE")
}

// close closes the connection; fold opens another.
func (f *folder) close() error {
	err := f.conn.close()
	f.conn = nil
	return err
}

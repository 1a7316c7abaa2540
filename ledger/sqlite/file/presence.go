package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// errGone says that the ledger's files are not where they were opened: what is written would be in files that nobody finds again.
var errGone = errors.New("removed or replaced while it was in use, so nothing more is taken. Move the file back together with those that end in -wal and -shm, and it goes on by itself;" +
	" else copy what this process still has open (on Linux: /proc/<pid>/fd) before you stop it, then restore the ledger and start again")

// endings are those of the files that are one ledger.
var endings = [...]string{"", "-wal", "-shm"}

// presence notices that somebody removes, moves or replaces the ledger's files under the process: the system lets it write on into files
// without a name. It compares what was opened with what the names lead to, after each fsync, before anybody is told 200, and now and then
// when nothing is written.
type presence struct {
	file string
	log  *zap.Logger
	gone atomic.Pointer[error]

	mu     sync.Mutex
	opened [len(endings)]os.FileInfo // nil: not known yet
}

// begin takes the ledger's own file, before it is opened: later connections must meet the same.
func (p *presence) begin() error {
	info, err := os.Stat(p.file)
	p.opened = [len(endings)]os.FileInfo{info}
	return err
}

// connected takes the files that SQLite makes beside it; as long as one connection is open they stay the same.
func (p *presence) connected(log *os.File) error {
	wal, err := log.Stat()
	if err != nil {
		return err
	}
	shm, err := os.Stat(p.file + "-shm")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // SQLite does without it where only one process may use the file
		return err
	}
	p.mu.Lock()
	p.opened[1], p.opened[2] = wal, shm
	p.mu.Unlock()
	return p.look()
}

// look compares, and remembers what it saw.
func (p *presence) look() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.compare()
	before := p.gone.Load()
	switch {
	case err != nil:
		p.gone.Store(&err)
		if before == nil {
			p.log.Error("the ledger is not where it was", zap.String("file", p.file), zap.Error(err))
		}
	case before != nil:
		p.gone.Store(nil)
		p.log.Info("the ledger is back", zap.String("file", p.file))
	}
	return err
}

func (p *presence) compare() error {
	for i, ending := range endings {
		if p.opened[i] == nil {
			continue
		}
		there, err := os.Stat(p.file + ending)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(p.opened[i], there):
			return fmt.Errorf("%s: %w", p.file+ending, errGone)
		case err != nil:
			return fmt.Errorf("cannot see whether it is still there: %w", err)
		}
	}
	return nil
}

// err is what the last look saw.
func (p *presence) err() error {
	if err := p.gone.Load(); err != nil {
		return *err
	}
	return nil
}

package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"
)

const (
	copyPages = 256 // copied at a time: a MiB
	copyRest  = 12  // times as long as that took it rests then: webhooks need the processor more, and should be taken no more than 5 % slower on two
	copyForce = 64  // as often as that is copied it is forced to the disk: else all would be at the end, and whoever forces the ledger there waits for it
)

// Backup copies the ledger, as it stands when it begins, into a file that must not exist, while everything goes on. The file has its name once all of
// it is on the disk; until then it is called so with .part behind. Meanwhile the -wal file grows. It is ended when the disk fails and the -wal file
// has to begin anew. Progress is told in pages. One is made at a time.
func (f *File) Backup(ctx context.Context, to string, progress func(done, pages int)) error {
	if err := f.Read(ctx, func(*Conn) error { return nil }); err != nil { // closed, or gone
		return err
	}
	if err := notBeside(f.path, to); err != nil {
		return err
	}
	if !f.copying.TryLock() {
		return errCopying
	}
	defer f.copying.Unlock()
	return f.long(ctx, func(ctx context.Context) error {
		s, err := takeSnapshot(ctx, f.path)
		if err != nil {
			return f.wrap(err)
		}
		err = errors.Join(s.copy(ctx, to, progress), s.drop())
		if err == nil || ctx.Err() != nil || isCorrupt(err) {
			return f.wrap(err)
		}
		return fmt.Errorf("copying the ledger to %s: %w", to, err) // its disk, not the ledger's
	})
}

var errCopying = errors.New("a backup of this ledger is being made already; wait until it has ended")

// notBeside refuses the names in which SQLite would look for a part of the ledger.
func notBeside(file, to string) error {
	folder, err := filepath.EvalSymlinks(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("%s: %w; name a folder that exists", to, err)
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return err
	}
	for _, ending := range besides {
		if filepath.Join(folder, filepath.Base(to)) == file+ending {
			return fmt.Errorf("%s: belongs to the ledger itself; name another file", to)
		}
	}
	return nil
}

// besides are the endings of what SQLite takes for a part of a file.
var besides = [...]string{"-wal", "-shm", "-journal"}

// snapshot is a connection that sees the ledger as it stood at a moment, until it is closed.
type snapshot struct{ conn *Conn }

func takeSnapshot(ctx context.Context, file string) (*snapshot, error) {
	c, err := connectReads(ctx, file)
	if err == nil {
		err = c.Run("BEGIN", nil)
	}
	if err == nil {
		err = c.Run("SELECT count(*) FROM sqlite_schema", nil) // the transaction sees what is there when something is first read
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &snapshot{c}, nil
}

// drop ends it, if there is one.
func (s *snapshot) drop() error {
	if s == nil {
		return nil
	}
	return s.conn.close()
}

// copy writes what the snapshot sees into a new file.
func (s *snapshot) copy(ctx context.Context, to string, progress func(done, pages int)) (err error) {
	if exists(to) {
		return fmt.Errorf("%s: %w; name a file that does not", to, fs.ErrExist)
	}
	part := to + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; it is left of a copy that was broken off: delete it, or name another file", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if err := errors.Join(f.Chmod(0o600), s.fill(ctx, part, f.Sync, progress), f.Sync(), f.Close()); err != nil {
		return err
	}
	return giveName(part, to)
}

// giveName gives a copy that is whole its name.
func giveName(part, to string) error {
	if exists(to) { // somebody was faster
		return fmt.Errorf("%s: %w; name a file that does not", to, fs.ErrExist)
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

func (s *snapshot) fill(ctx context.Context, part string, force func() error, progress func(done, pages int)) error {
	into, err := connect(ctx, part, sqlite.OpenReadWrite, "journal_mode = OFF", "synchronous = OFF") // a half copy is none
	if err != nil {
		return errors.Join(err, into.close())
	}
	defer into.close()
	b, err := sqlite.NewBackup(into.raw, "main", s.conn.raw, "main")
	if err != nil {
		return err
	}
	defer b.Close()
	for n := 1; ; n++ {
		start := time.Now()
		more, err := b.Step(copyPages)
		if err != nil {
			return err
		}
		rest := copyRest * time.Since(start)
		if n%copyForce == 0 {
			if err := force(); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(b.PageCount()-b.Remaining(), b.PageCount())
		}
		if !more {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rest):
		}
	}
}

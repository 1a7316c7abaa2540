package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
)

// Restored is a ledger that was put in its place.
type Restored struct {
	Bytes  int64
	Schema int // its version
}

// Restore copies a backup to where a ledger is to be, and where none may be. It has its name there once it is on the disk and was found sound, so far as
// this program knows its version; an older one is brought up to date by whoever opens it. The backup is only read, and may not be in use. The function
// looks at what was copied, besides.
func Restore(ctx context.Context, backup, to string, e Engine, look func(*Conn) error) (r Restored, err error) {
	if to, err = filepath.Abs(to); err != nil {
		return r, err
	}
	if err := vacant(to); err != nil {
		return r, err
	}
	before, err := wholeFile(backup)
	if err != nil {
		return r, err
	}
	if r.Schema, err = identifyBackup(ctx, backup, &e.Schema); err != nil {
		return r, err
	}
	changed, err := createFolder(to)
	if err != nil {
		return r, err
	}
	part := to + ".part"
	if r.Bytes, err = copyFile(ctx, backup, part); err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if err := unchanged(before, backup); err != nil {
		return r, fmt.Errorf("a program writes to the backup, so that the copy is none; make one with caddy pay ledger backup: %w", err)
	}
	faults, err := inspect(ctx, part, e, look)
	if err != nil {
		return r, err
	}
	if len(faults) > 0 {
		return r, fmt.Errorf("%s: damaged, so it was not restored; restore another backup, or repair this one with sqlite3 %s .recover: %s (%d faults)", backup, backup, faults[0], len(faults))
	}
	if err := vacant(to); err != nil { // Caddy was started meanwhile
		return r, err
	}
	if err := os.Rename(part, to); err != nil {
		return r, err
	}
	return r, syncFolders(to, changed)
}

// vacant says that neither a ledger nor a part of one is where one is to be.
func vacant(file string) error {
	for _, ending := range append([]string{""}, besides[:]...) {
		if _, err := os.Lstat(file + ending); err == nil {
			return fmt.Errorf("%s: %w: nothing is overwritten. Stop Caddy, and move it away together with those that end in -wal and -shm", file+ending, fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// connectImmutable opens a file that nobody writes, with neither locks nor files beside it.
func connectImmutable(ctx context.Context, file string) (*Conn, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return connect(ctx, uri(file, "immutable=1"), sqlite.OpenReadOnly|sqlite.OpenURI, "query_only = 1")
}

// identifyBackup returns the version of a backup that this program can bring up to date.
func identifyBackup(ctx context.Context, file string, schema *Schema) (version int, err error) {
	c, err := connectImmutable(ctx, file)
	if err == nil {
		version, err = schema.identify(c)
	}
	err = errors.Join(err, c.close())
	switch {
	case isCorrupt(err):
		return 0, fmt.Errorf("%s: no SQLite file, or a damaged one; restore another backup: %w", file, err)
	case err != nil:
		return 0, fmt.Errorf("%s: %w", file, err)
	case version == 0:
		return 0, fmt.Errorf("%s: empty; restore another backup", file)
	}
	return version, nil
}

// inspect says what is damaged in a file that nobody writes, and what is counted wrong there.
func inspect(ctx context.Context, file string, e Engine, look func(*Conn) error) (faults []string, err error) {
	c, err := connectImmutable(ctx, file)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	defer c.close()
	defer c.until(ctx)()
	version, err := e.Schema.identify(c)
	if err == nil {
		faults, err = checkPages(c)
	}
	if err == nil && len(faults) == 0 && version == e.Schema.Version { // an older one counts otherwise
		faults, err = e.Sound(c, maxFaults)
	}
	if err == nil && len(faults) == 0 {
		err = look(c)
	}
	if isCorrupt(err) {
		return append(faults, err.Error()), nil
	}
	return faults, err
}

// wholeFile makes sure that a file has no part in others beside it.
func wholeFile(file string) (os.FileInfo, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file; name a backup", file)
	}
	for _, ending := range besides {
		if beside, err := os.Stat(file + ending); err == nil && beside.Size() > 0 && ending != "-shm" {
			return nil, fmt.Errorf("%s holds a part of what %s is; this takes only a file that is whole by itself, as caddy pay ledger backup makes it", file+ending, file)
		}
	}
	return info, nil
}

// Inspect reads every page of a backup, or of a ledger that no program has open and that was closed in order, and says what File.Verify would. It writes
// nothing, neither to the file nor beside it, and takes no lock.
func Inspect(ctx context.Context, file string, e Engine) (faults []string, err error) {
	before, err := wholeFile(file)
	if err != nil {
		return nil, err
	}
	if _, err := identifyBackup(ctx, file, &e.Schema); err != nil {
		return nil, err
	}
	faults, err = inspect(ctx, file, e, func(*Conn) error { return nil })
	if changed := unchanged(before, file); changed != nil {
		return nil, fmt.Errorf("a program writes to the file while it is checked, so that nobody can tell; ask the Caddy that has it open, without --ledger: %w", changed)
	}
	return faults, err
}

// unchanged makes sure that nobody has written to a file since it was looked at.
func unchanged(before os.FileInfo, file string) error {
	after, err := wholeFile(file)
	if err == nil && (!os.SameFile(before, after) || before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime())) {
		err = fmt.Errorf("%s has changed", file)
	}
	return err
}

// copyFile copies a file into a new one, which is on the disk then, but not yet its name.
func copyFile(ctx context.Context, from, to string) (bytes int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%w; it is left of a copy that was broken off: delete it", err)
	}
	if err != nil {
		return 0, err
	}
	bytes, err = io.Copy(out, whileReader{ctx, in})
	if err = errors.Join(err, out.Chmod(0o600), out.Sync(), out.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(to))
	}
	return bytes, nil
}

// whileReader reads until the context ends.
type whileReader struct {
	ctx context.Context
	io.Reader
}

func (r whileReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

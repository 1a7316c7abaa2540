package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// Reading is a ledger's file that is only read, whether other programs have it open or none does: nothing is written to it or beside it, no file
// comes or goes because of it, and no checkpoint is made.
type Reading struct {
	path   string
	engine Engine

	mu     sync.Mutex  // held for every read: there is one connection
	conn   *Conn       // nil: the next read opens it
	held   *os.File    // keeps the -wal file where it is; nil: there is none
	still  os.FileInfo // the file as it was opened, if nobody wrote it then; nil: somebody may
	closed bool
}

// errStirred ends what was read of a file that was taken for one that nobody writes.
var errStirred = errors.New("a program began to write to it while it was read; run the command again")

// OpenReading opens a file for reading alone, if it is a ledger of the version that this program knows. The context bounds the opening only.
func OpenReading(ctx context.Context, path string, e Engine) (*Reading, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if named, err := filepath.EvalSymlinks(path); err == nil { // what is beside it is beside the file, not beside the link
		path = named
	}
	r := &Reading{path: path, engine: e}
	if err := r.open(ctx); err != nil {
		return nil, r.explain(err)
	}
	return r, nil
}

// Path is the file's, from the root.
func (r *Reading) Path() string { return r.path }

// Read is File.Read. No transaction stays open behind it.
func (r *Reading) Read(ctx context.Context, read func(c *Conn) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ledger.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := r.read(ctx, read)
	if answered(err) {
		return err
	}
	return r.explain(err)
}

func (r *Reading) read(ctx context.Context, read func(c *Conn) error) error {
	if r.conn == nil || r.stirred() {
		if err := errors.Join(r.shut(), r.open(ctx)); err != nil {
			return err
		}
	}
	defer r.conn.until(ctx)()
	err := errors.Join(read(r.conn), r.conn.Rollback())
	if r.stirred() { // then what was read may be half of one moment and half of another
		return errStirred
	}
	return err
}

// stirred says whether somebody writes to a file that is read as one that nobody writes.
func (r *Reading) stirred() bool { return r.still != nil && unchanged(r.still, r.path) != nil }

// Close closes the file. Later reads return ledger.ErrClosed.
func (r *Reading) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.shut()
}

// shut closes what is open. To close a file drops all locks that this process has on it (POSIX), so the connection goes first.
func (r *Reading) shut() error {
	err := r.conn.close()
	if r.held != nil {
		err = errors.Join(err, r.held.Close())
	}
	r.conn, r.held, r.still = nil, nil, nil
	return err
}

// open opens the connection.
func (r *Reading) open(ctx context.Context) (err error) {
	info, err := os.Stat(r.path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("not a file; name the file of a ledger")
	case info.Size() == 0:
		return errors.New("empty: there is no ledger in it; name another file")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.shut())
		}
	}()
	// Whoever is the last to close a ledger removes its -wal file. Were that done between the look at it and the opening, SQLite would make another,
	// which would be ours.
	if err := patiently(ctx, func() (err error) { r.held, err = hold(r.path); return err }); err != nil {
		return err
	}
	if r.conn, err = r.connect(ctx); err != nil {
		return err
	}
	if r.still != nil { // SQLite looks for no -wal file, and whoever starts now may need the lock to make one
		err, r.held = r.held.Close(), nil
		if err != nil {
			return err
		}
	}
	defer r.conn.until(ctx)()
	version, err := r.engine.Schema.identify(r.conn)
	switch {
	case err != nil:
		return err
	case version == 0:
		return errors.New("there is no ledger in it; name another file")
	case version < r.engine.Schema.Version:
		return fmt.Errorf("written by an older caddypay (schema %d, this one reads %d); start Caddy with this version once, which brings it up to date (caddy pay ledger restore puts a backup where Caddy finds it), or read it with the version that wrote it",
			version, r.engine.Schema.Version)
	}
	return r.conn.prepare(ctx, r.engine.Reads)
}

// connect reads a file beside others who may write it, if there is a -wal file; else nobody has it open, and SQLite would make files beside it if it were
// not told so.
func (r *Reading) connect(ctx context.Context) (*Conn, error) {
	if journal, err := os.Stat(r.path + "-journal"); err == nil && journal.Size() > 0 {
		return nil, fmt.Errorf("%s-journal holds a part of it, from when it was made; start Caddy once, which puts it in order", r.path)
	}
	log, err := os.Stat(r.path + "-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	used := err == nil && log.Size() > 0
	switch _, err := os.Stat(r.path + "-shm"); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil && used:
		return nil, fmt.Errorf("%[1]s-wal holds what was recorded last, and cannot be read without %[1]s-shm, which is not there. Copy both, the ledger and its -wal file,"+
			" into a folder of your own, make an empty file with the ending -shm beside them (touch), and name that copy", r.path)
	case err == nil && log != nil:
		return connectLooks(ctx, r.path)
	}
	if r.still, err = wholeFile(r.path); err != nil {
		return nil, err
	}
	return connectImmutable(ctx, r.path)
}

// connectLooks opens a file beside others who may write it. SQLite neither makes a -shm file nor writes to one; where nobody has the ledger open, it reads
// the -wal file by itself.
func connectLooks(ctx context.Context, file string) (*Conn, error) {
	c, err := connect(ctx, uri(file, "mode=ro&readonly_shm=1"), sqlite.OpenReadOnly|sqlite.OpenURI, "query_only = 1", "cache_size = -4096")
	c.looks = true
	return c, err
}

// uri names a file from the root to SQLite, with how it is to be opened.
func uri(file, how string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(file), RawQuery: how}).String()
}

// explain says what whoever reads can do about an error.
func (r *Reading) explain(err error) error {
	code := sqlite.ErrCode(err).ToPrimary()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("ledger %s: there is no such file; the ledger is where ledger sqlite <file> says, else in pay/ledger.db of Caddy's data directory: %w", r.path, err)
	case errors.Is(err, fs.ErrPermission), code == sqlite.ResultCantOpen, code == sqlite.ResultPerm, code == sqlite.ResultReadOnly:
		return fmt.Errorf("ledger %s: cannot be read%s: %w", r.path, forbidden(r.path), err)
	case code == sqlite.ResultNotADB:
		return fmt.Errorf("ledger %s: not an SQLite file; name the file of a ledger: %w", r.path, err)
	}
	return explain(r.path, err)
}

// forbidden says whose files they are that this user may not read, and who that is; nothing when it is not that.
func forbidden(path string) string {
	for _, ending := range append([]string{""}, besides[:]...) {
		f, err := os.Open(path + ending)
		if err == nil {
			_ = f.Close()
		}
		if !errors.Is(err, fs.ErrPermission) {
			continue
		}
		at := path + ending
		info, err := os.Stat(at)
		for ; err != nil && filepath.Dir(at) != at; info, err = os.Stat(at) { // in a folder that is closed to this user
			at = filepath.Dir(at)
		}
		if err != nil || owner(info) == "" {
			return ""
		}
		return fmt.Sprintf(": %s belongs to the user %[2]s; run the command as that user (sudo -u %[2]s …) or as root", at, owner(info))
	}
	return ""
}

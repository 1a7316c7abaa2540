package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/caddypay/caddypay/ledger"
)

// preparing is held while a file is looked at and made. A descriptor of ours that is closed drops the locks that this process holds on the file
// (POSIX), and with them those of another opening that has met the new file already.
var preparing sync.Mutex

// prepareFile makes sure that there is a file, with the rights that a ledger should have, before SQLite would create it
// with others. It opens no file that exists.
func prepareFile(file string, known func() (bool, error), log *zap.Logger) error {
	preparing.Lock()
	defer preparing.Unlock()
	info, err := os.Stat(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("ledger: %w", err)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("ledger %s: not a file; name a file in ledger sqlite <file>", file)
	}
	if missing := err != nil; missing || info.Size() == 0 {
		if err := checkLost(file, known); err != nil || !missing {
			return err
		}
		return createFile(file)
	}
	if info.Mode().Perm()&0o077 != 0 {
		log.Warn("other users of this machine may read or write the ledger; run chmod 600 on it",
			zap.String("file", file), zap.String("mode", info.Mode().Perm().String()))
	}
	return nil
}

func createFile(file string) error {
	folder := filepath.Dir(file)
	changed := []string{folder} // in which something is new: up to the first that exists
	for !exists(folder) && filepath.Dir(folder) != folder {
		folder = filepath.Dir(folder)
		changed = append(changed, folder)
	}
	if err := os.MkdirAll(changed[0], 0o700); err != nil {
		return fmt.Errorf("ledger %s: cannot create its folder: %w", file, err)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		return fmt.Errorf("ledger: cannot create its file: %w", err)
	}
	// The names must survive a power loss as well as what is written under them.
	for _, folder := range changed {
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("ledger %s: its folder: %w", file, err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkLost refuses an empty or missing file where there was a ledger: one that is known, or one whose -wal file holds something. SQLite would
// delete that as stale, and with it what was acknowledged last.
func checkLost(file string, known func() (bool, error)) (lost error) {
	if known != nil {
		switch used, err := known(); {
		case err != nil:
			return fmt.Errorf("ledger %s: %w", file, err)
		case used:
			lost = fmt.Errorf("ledger %s: %w", file, ErrMissing)
		}
	}
	if log, err := os.Stat(file + "-wal"); lost == nil && err == nil && log.Size() > 0 {
		lost = fmt.Errorf("ledger %s: missing or empty, but %s-wal holds records of it; restore both from one backup, or move the -wal file away to begin anew", file, file)
	}
	if info, err := os.Stat(file); err == nil && info.Size() > 0 { // another process has made it one meanwhile
		return nil
	}
	return lost
}

// openDB opens a database that exists; the driver connects on first use.
func openDB(file string, connections int, mode string, pragmas url.Values) *sql.DB {
	path := filepath.ToSlash(file)
	if !strings.HasPrefix(path, "/") { // C:/…
		path = "/" + path
	}
	pragmas.Set("mode", mode)
	pragmas.Set("_busy_timeout", "5000") // another process writes: its transactions take milliseconds
	pragmas.Set("_dqs", "0")
	pragmas.Set("_error_rc", "1")
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: path, RawQuery: pragmas.Encode()}).String())
	if err != nil {
		panic(err) // only a malformed query, and this one is encoded
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

func openReads(file string) *sql.DB {
	return openDB(file, 4, "rw", url.Values{"_query_only": {"1"}, "_pragma": {"cache_size(-4096)"}})
}

// openWrites opens the writer's connection. Foreign keys stay unchecked: rows are only ever inserted together with what
// they refer to, and each check would cost a look-up.
func openWrites(file string) *sql.DB {
	return openDB(file, 1, "rw", url.Values{
		"_txlock":      {"immediate"},
		"_synchronous": {"NORMAL"},                                                                     // COMMIT does not wait for the disk: see disk
		"_pragma":      {"cache_size(-8192)", "wal_autocheckpoint(0)", "journal_size_limit(67108864)"}, // see folder
	})
}

// isBusy says whether an error means that another connection holds the lock.
func isBusy(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == lib.SQLITE_BUSY
}

// isReadOnly says whether an error means that what was opened cannot be written to.
func isReadOnly(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == lib.SQLITE_READONLY
}

// isForce says whether an error means that something could not be forced to the disk.
func isForce(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && (se.Code() == lib.SQLITE_IOERR_FSYNC || se.Code() == lib.SQLITE_IOERR_DIR_FSYNC)
}

// explain turns what SQLite says about a file into what an operator can do about it.
func explain(file string, err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return fmt.Errorf("ledger %s: %w", file, err)
	}
	switch se.Code() & 0xff {
	case lib.SQLITE_NOTADB:
		return fmt.Errorf("ledger %s: not an SQLite file; name another file in ledger sqlite <file>, or move this one away to begin anew: %w", file, err)
	case lib.SQLITE_CORRUPT:
		return fmt.Errorf("ledger %s: damaged; restore it together with its -wal file from a backup, or repair it with sqlite3 %s .recover: %w",
			file, file, errors.Join(err, ledger.ErrDamaged))
	case lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return fmt.Errorf("ledger %s: cannot be opened for writing; Caddy's user needs to own the file and its folder: %w", file, err)
	case lib.SQLITE_FULL:
		return fmt.Errorf("ledger %s: its disk is full; free some space, and it goes on by itself: %w", file, err)
	case lib.SQLITE_IOERR:
		return fmt.Errorf("ledger %s: the disk did not do its work (full, a limit on file sizes, failing or gone): %w", file, err)
	case lib.SQLITE_BUSY:
		return fmt.Errorf("ledger %s: another program holds it locked; end that program (not another Caddy: they share it): %w", file, err)
	}
	return fmt.Errorf("ledger %s: %w", file, err)
}

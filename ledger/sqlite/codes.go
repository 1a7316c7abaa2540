package sqlite

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// isBusy says whether an error means that another connection holds the lock.
func isBusy(err error) bool { return sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy }

// isReadOnly says whether an error means that what was opened cannot be written to.
func isReadOnly(err error) bool { return sqlite.ErrCode(err).ToPrimary() == sqlite.ResultReadOnly }

// isForce says whether an error means that something could not be forced to the disk.
func isForce(err error) bool {
	code := sqlite.ErrCode(err)
	return code == sqlite.ResultIOErrFsync || code == sqlite.ResultIOErrDirFsync
}

// isCorrupt says whether an error means that the file is damaged.
func isCorrupt(err error) bool {
	code := sqlite.ErrCode(err).ToPrimary()
	return code == sqlite.ResultCorrupt || code == sqlite.ResultNotADB
}

// explain turns what SQLite says about a file into what an operator can do about it.
func explain(file string, err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultNotADB:
		return fmt.Errorf("ledger %s: not an SQLite file; name another file in ledger sqlite <file>, or move this one away to begin anew: %w", file, err)
	case sqlite.ResultCorrupt:
		return fmt.Errorf("ledger %s: damaged; restore it together with its -wal file from a backup, or repair it with sqlite3 %s .recover: %w",
			file, file, errors.Join(err, ledger.ErrDamaged))
	case sqlite.ResultCantOpen, sqlite.ResultReadOnly, sqlite.ResultPerm:
		return fmt.Errorf("ledger %s: cannot be opened for writing; Caddy's user needs to own the file and its folder: %w", file, err)
	case sqlite.ResultFull:
		return fmt.Errorf("ledger %s: its disk is full; free some space, and it goes on by itself: %w", file, err)
	case sqlite.ResultIOErr:
		return fmt.Errorf("ledger %s: the disk did not do its work (full, a limit on file sizes, failing or gone): %w", file, err)
	case sqlite.ResultBusy:
		return fmt.Errorf("ledger %s: another program holds it locked; end that program (not another Caddy: they share it): %w", file, err)
	}
	return fmt.Errorf("ledger %s: %w", file, err)
}

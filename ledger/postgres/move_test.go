package postgres

import (
	"path/filepath"
	"testing"

	"github.com/caddypay/caddypay/ledger/ledgertest"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// A ledger moves from a file to a database, and back, with all that is in it.
func TestMove(t *testing.T) {
	of := func(t *testing.T, file string) ledgertest.Mover {
		l, err := sqlite.Open(t.Context(), sqlite.Options{File: file, Now: longAgo})
		must(t, err)
		t.Cleanup(func() { must(t, l.Close()) })
		return l
	}
	inFile := func(t *testing.T) ledgertest.Mover { return of(t, filepath.Join(t.TempDir(), "ledger.db")) }
	inDatabase := func(t *testing.T) ledgertest.Mover { return openLedger(t) }
	t.Run("to PostgreSQL", func(t *testing.T) { ledgertest.RunMove(t, inFile, inDatabase) })
	t.Run("to SQLite", func(t *testing.T) { ledgertest.RunMove(t, inDatabase, inFile) })
	t.Run("begun by an older version", func(t *testing.T) { ledgertest.RunMoveOld(t, of, inDatabase, inFile) })
}

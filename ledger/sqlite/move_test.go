package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger/ledgertest"
)

func TestMove(t *testing.T) {
	open := func(t *testing.T, file string) ledgertest.Mover {
		l, err := Open(t.Context(), Options{File: file, Now: func() time.Time { return time.Unix(0, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	empty := func(t *testing.T) ledgertest.Mover { return open(t, filepath.Join(t.TempDir(), "ledger.db")) }
	ledgertest.RunMove(t, empty, empty)
	t.Run("begun by an older version", func(t *testing.T) { ledgertest.RunMoveOld(t, open, empty, empty) })
}

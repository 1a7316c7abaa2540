package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger/ledgertest"
)

func TestMove(t *testing.T) {
	empty := func(t *testing.T) ledgertest.Mover {
		l, err := Open(t.Context(), Options{File: filepath.Join(t.TempDir(), "ledger.db"), Now: func() time.Time { return time.Unix(0, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	ledgertest.RunMove(t, empty, empty)
}

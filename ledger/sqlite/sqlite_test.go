package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest"
)

func TestMain(m *testing.M) {
	if child := os.Getenv("LEDGER_CHILD"); child != "" {
		os.Exit(children[child]())
	}
	goleak.VerifyTestMain(m)
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "pay", "ledger.db") }

// openFile opens a ledger long before anything was paid.
func openFile(t testing.TB, file string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Options{File: file, Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return openFile(t, newFile(t)) })
}

func TestLedgerShared(t *testing.T) {
	ledgertest.RunShared(t, func(t *testing.T) (a, b ledger.Ledger) {
		file := newFile(t)
		return openFile(t, file), openFile(t, file)
	})
}

package postgres

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// longAgo is before anything was paid.
func longAgo() time.Time { return time.Unix(0, 0) }

// newDatabase returns where a ledger is in which nothing is recorded.
func newDatabase(t *testing.T) string {
	t.Helper()
	return pgtest.Shared(t).Like(t, "ledger", func(dsn string) error {
		l, err := Open(t.Context(), Options{DSN: dsn, Now: longAgo})
		if err != nil {
			return err
		}
		return l.Close()
	})
}

func open(t *testing.T, o Options) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func openLedger(t *testing.T) *Ledger {
	t.Helper()
	return open(t, Options{DSN: newDatabase(t), Now: longAgo})
}

// The suite of all engines.
func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return openLedger(t) })
}

func TestLedgerShared(t *testing.T) {
	ledgertest.RunShared(t, func(t *testing.T) (a, b ledger.Ledger) {
		dsn := newDatabase(t)
		return open(t, Options{DSN: dsn, Now: longAgo}), open(t, Options{DSN: dsn, Now: longAgo})
	})
}

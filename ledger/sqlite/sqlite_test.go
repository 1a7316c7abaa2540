package sqlite

import (
	"context"
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

// ask returns what a statement finds first, on a connection for reading.
func ask[T any](t testing.TB, l *Ledger, text string, read func(*row) T, args ...any) (found T) {
	t.Helper()
	must(t, l.reads.with(t.Context(), func(c *conn) error {
		return c.run(text, func(r *row) { found, r.enough = read(r), true }, args...)
	}))
	return found
}

// hold reads what there is now until the returned function is called.
func hold(t *testing.T, l *Ledger) (release func()) {
	t.Helper()
	c, err := connectReads(t.Context(), l.file)
	must(t, err)
	must(t, c.run("BEGIN", nil))
	must(t, c.run("SELECT count(*) FROM events", nil))
	return func() {
		t.Helper()
		must(t, c.rollback())
		must(t, c.close())
	}
}

// copiedBy is a checkpoint by a connection for reading.
func copiedBy(l *Ledger, mode string) (done copied, err error) {
	err = l.reads.with(context.Background(), func(c *conn) error { done, err = c.checkpoint(mode); return err })
	return done, err
}

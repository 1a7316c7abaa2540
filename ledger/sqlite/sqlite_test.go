package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// read and write run a function in a transaction of the ledger's.
func (l *Ledger) read(ctx context.Context, f func(r *reader) error) error {
	return store{l}.Read(ctx, func(r core.Reader) error { return f(r.(*reader)) })
}

func (l *Ledger) write(ctx context.Context, f func(t *tx) error) error {
	return store{l}.Write(ctx, func(t core.Tx) error { return f(t.(*tx)) })
}

// ask returns what a statement finds first, on a connection for reading.
func ask[T any](t testing.TB, l *Ledger, text string, read func(*row) T, args ...any) (found T) {
	t.Helper()
	must(t, l.read(t.Context(), func(r *reader) error {
		return r.run(text, func(r *row) { found, r.enough = read(r), true }, args...)
	}))
	return found
}

var scope = ledger.Scope{App: "app_1", Mode: ledger.Test}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newEvent(id string) *ledger.Event {
	return &ledger.Event{Scope: scope, ID: id, Type: "charge.succeeded", ObjectID: "ch_" + id, State: ledger.Pending,
		Source: ledger.Webhook, Received: time.UnixMilli(1), Body: []byte("body of " + id)}
}

func appendEvents(t testing.TB, l *Ledger, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := l.Append(t.Context(), newEvent(id)); err != nil {
			t.Error(err)
		}
	}
}

package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
	return pgtest.Shared(t).Lend(t, "ledger", func(dsn string) error {
		l, err := Open(t.Context(), Options{DSN: dsn, Now: longAgo})
		if err != nil {
			return err
		}
		return l.Close()
	}, empty)
}

// empty deletes what is recorded in a ledger.
func empty(dsn string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var script string
	err = conn.QueryRow(ctx, `SELECT string_agg('DELETE FROM caddypay.' || relname, '; ') FROM pg_class
		WHERE relnamespace = 'caddypay'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'about'`).Scan(&script)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol)
	return err
}

func open(t *testing.T, o Options) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

// patient opens a ledger whose writes may take as long as they do on a machine that is busy with other tests.
func patient(t *testing.T, o Options) *Ledger {
	t.Helper()
	o.Now, o.Patience = longAgo, time.Minute
	return open(t, o)
}

func openLedger(t *testing.T) *Ledger {
	t.Helper()
	return patient(t, Options{DSN: newDatabase(t)})
}

// The suite of all engines.
func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return openLedger(t) })
}

func TestLedgerShared(t *testing.T) {
	ledgertest.RunShared(t, func(t *testing.T) (a, b ledger.Ledger) {
		dsn := newDatabase(t)
		return patient(t, Options{DSN: dsn}), patient(t, Options{DSN: dsn})
	})
}

// All of it works through PgBouncer in transaction mode, where no two transactions need be on one connection.
func TestLedgerThroughPgBouncer(t *testing.T) {
	b := pgtest.Shared(t).PgBouncer(t)
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger {
		return patient(t, Options{DSN: b.DSN(t, newDatabase(t)), NoListen: true})
	})
}

func TestLedgerSharedThroughPgBouncer(t *testing.T) {
	b := pgtest.Shared(t).PgBouncer(t)
	ledgertest.RunShared(t, func(t *testing.T) (l, other ledger.Ledger) {
		dsn := newDatabase(t)
		return patient(t, Options{DSN: b.DSN(t, dsn), NoListen: true}), patient(t, Options{DSN: dsn})
	})
}

package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// changes are what each version has changed in the schema: how it is, and how it was in the one before.
var changes = []struct{ is, was string }{
	{`CREATE INDEX queue_old ON caddypay.queue (scope, risk, received) WHERE event > 0;`, `CREATE INDEX queue_old ON caddypay.queue (scope, risk, received);`},
}

// A ledger of any version is brought up to this one when it is opened, with what is in it, and has the same tables and indexes then as a new one.
func TestUpgrade(t *testing.T) {
	fresh := openLedger(t)
	want := described(t, fresh.pool.Config().ConnString())
	old := schema
	for version := schemaVersion - 1; version > 0; version-- {
		change := changes[version-1]
		if !strings.Contains(old, change.is) {
			t.Fatalf("the schema lacks %s", change.is)
		}
		old = strings.ReplaceAll(old, change.is, change.was)
		dsn := pgtest.Shared(t).DSN(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		must(t, err)
		_, err = conn.Exec(t.Context(), `CREATE SCHEMA caddypay;`+old+`INSERT INTO caddypay.about VALUES (1);
			INSERT INTO caddypay.scopes (app, mode) VALUES ('app_1', 'live');
			INSERT INTO caddypay.events (created, received, money, settled, scope, rank, effect, by_charge, id, type, object_id, charge_id, number, order_no, lane, source, host,
				trace, state, reasons, late, due) VALUES (1, 7000, 0, 0, 1, 0, false, false, 'evt_1', 'order.succeeded', '', '', '', '', '', 'webhook', '', '', 'pending', '', '', 7000);
			INSERT INTO caddypay.queue (event, due, created, received, scope, rank, blocked, risk, lane) VALUES (1, 7000, 1, 7000, 1, 0, false, false, '');
			INSERT INTO caddypay.counts VALUES (1, -1, 'pending', 1)`, pgx.QueryExecModeSimpleProtocol)
		must(t, err)
		must(t, conn.Close(t.Context()))
		l := patient(t, Options{DSN: dsn})
		if got := described(t, dsn); !slices.Equal(got, want) {
			t.Errorf("from version %d:\n%s\nwant\n%s", version, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		f, err := l.Figures(t.Context(), live)
		must(t, err)
		if f.Events[ledger.Pending] != 1 || f.OldestPending.UnixMilli() != 7000 {
			t.Errorf("from version %d: %+v", version, f)
		}
	}
}

// described are the tables' columns and options, and the indexes, of a ledger.
func described(t *testing.T, dsn string) (lines []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), `SELECT indexdef FROM pg_indexes WHERE schemaname = 'caddypay' AND tablename !~ '\d{4}_\d\d_\d\d$'
		UNION ALL SELECT relname || ' ' || relkind::text || ' ' || coalesce(array_to_string(reloptions, ' '), '') FROM pg_class
			WHERE relnamespace = 'caddypay'::regnamespace AND NOT relispartition AND relname !~ '\d{4}_\d\d_\d\d'
		UNION ALL SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || coalesce(column_default, '') FROM information_schema.columns
			WHERE table_schema = 'caddypay' AND table_name !~ '\d{4}_\d\d_\d\d$'
		UNION ALL SELECT 'version ' || version FROM caddypay.about ORDER BY 1`)
	must(t, err)
	lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return lines
}

package postgres

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// BenchmarkHorizon claims events before, and while, a transaction of somebody else has kept the server from cleaning up for ten minutes at 500 events a
// second: what 300,000 events leave in the queue is made at once. It says how much longer the slow claims take.
func BenchmarkHorizon(b *testing.B) {
	const events, samples = 300_000, 400
	server := pgtest.Start(b, pgtest.Options{Durable: true, Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	dsn := server.DSN(b)
	l, err := Open(b.Context(), Options{DSN: dsn, Patience: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	n := 0
	p95 := func() time.Duration {
		var took []time.Duration
		for range samples {
			n++
			id := fmt.Sprint("evt_", n)
			if _, err := l.Append(b.Context(), event(id)); err != nil {
				b.Fatal(err)
			}
			now := time.Now()
			es, err := l.Claim(b.Context(), ledger.Claim{Scope: live, Owner: id, Now: now, Until: now.Add(time.Minute), Limit: 16})
			took = append(took, time.Since(now))
			if err != nil || len(es) != 1 {
				b.Fatalf("claimed %d, %v", len(es), err)
			}
			err = l.Settle(b.Context(), id, ledger.Delivery{Scope: live, EventID: id, Attempt: 1, At: now, Status: 200, State: ledger.Delivered})
			if err != nil {
				b.Fatal(err)
			}
		}
		slices.Sort(took)
		return took[samples*95/100]
	}
	p95() // whatever is done only once is done
	for range b.N {
		before := p95()
		held := hold(b, dsn)
		for _, text := range []string{
			fmt.Sprintf(`INSERT INTO caddypay.queue (event, due, created, received, scope, rank, blocked, risk, lane)
				SELECT 10000000 + i, t + 2 * i, t + 2 * i, t + 2 * i, (SELECT id FROM caddypay.scopes WHERE app = 'app_1'), 10, false, true, 'order' || i
				FROM generate_series(1, %[1]d) AS i, (SELECT floor(extract(epoch FROM now()) * 1000)::bigint - 2 * %[1]d AS t) AS began`, events),
			`UPDATE caddypay.queue SET owner = 'somebody', until = 1 WHERE event > 10000000`,
			`DELETE FROM caddypay.queue WHERE event > 10000000`,
			`SELECT pg_stat_force_next_flush()`,
		} {
			if _, err := l.pool.Exec(b.Context(), text); err != nil {
				b.Fatal(err)
			}
		}
		time.Sleep(2 * floorPause) // of ten minutes
		while := p95()
		held()
		b.ReportMetric(float64(before.Microseconds()), "p95-before-µs")
		b.ReportMetric(float64(while.Microseconds()), "p95-held-µs")
		b.ReportMetric(float64(while)/float64(before), "x")
	}
}

// hold opens a transaction that sees what is there now, until the returned function is called.
func hold(b *testing.B, dsn string) (end func()) {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	old, err := pgx.Connect(ctx, dsn)
	if err == nil {
		_, err = old.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM caddypay.queue`)
	}
	if err != nil {
		b.Fatal(err)
	}
	return func() { _ = old.Close(ctx) }
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
	"github.com/caddypay/caddypay/ledger/postgres"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// groupsAtOnce is how many of its connections a node uses at once to record events.
const groupsAtOnce = 2

var scope = ledger.Scope{App: "app_bench", Mode: ledger.Live}

// postgres measures the ledger in PostgreSQL, beside the same in a file, and beside what the same server takes when its own load generator writes the same
// rows. Without PostgreSQL on the machine the table says so.
func (b *bench) postgres() (err error) {
	t := &runner{}
	defer t.end()
	defer func() {
		if failed, ok := recover().(failure); ok {
			b.report.add(row{Figure: "PostgreSQL", Note: "NOT MEASURED: " + string(failed)}, false)
			fmt.Fprintf(b.progress, "NOT MEASURED: %s … ", failed)
		}
	}()
	server := pgtest.Start(t, pgtest.Options{Durable: true, Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "2GB"}})
	for _, step := range []func(*runner, *pgtest.Server) error{b.alone, b.acceptInto, b.nodes} {
		if err := step(t, server); err != nil {
			return err
		}
	}
	return nil
}

// runner is what starts servers for tests, and ends them with this run.
type runner struct {
	testing.TB
	ends []func()
}

// failure is why one could not be started.
type failure string

func (r *runner) Helper()                      {}
func (r *runner) Failed() bool                 { return false }
func (r *runner) Logf(string, ...any)          {}
func (r *runner) Cleanup(f func())             { r.ends = append(r.ends, f) }
func (r *runner) Fatal(args ...any)            { panic(failure(fmt.Sprint(args...))) }
func (r *runner) Fatalf(f string, args ...any) { panic(failure(fmt.Sprintf(f, args...))) }

func (r *runner) end() {
	for i := len(r.ends) - 1; i >= 0; i-- {
		r.ends[i]()
	}
}

// sameRows writes, in one transaction, the rows that the engine writes for n payments of charges that it never saw, as few statements as can be: what
// the engine has to look at before that, it does not.
const sameRows = `WITH a AS MATERIALIZED (
	SELECT seq, lpad(seq::text, 24, '0') AS id, substr(md5(seq::text), 1, 24) AS k, (extract(epoch FROM now()) * 1000)::bigint AS now,
		floor(extract(epoch FROM now()) / 86400)::integer AS day FROM (SELECT nextval('caddypay.events_seq_seq') AS seq FROM generate_series(1, %[1]d)) AS s
), e AS (
	INSERT INTO caddypay.events (seq, scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received,
		host, trace, state, reasons, late, due, settled, money, body_day) OVERRIDING SYSTEM VALUE
	SELECT seq, 1, 'pgbench_' || id, 'charge.succeeded', 'pgbench_' || id, false, true, 'pgbench_' || id, k, k, k, 0, 'webhook', now, now,
		'', '', 'pending', '', '', now, 0, 100, day FROM a
), q AS (
	INSERT INTO caddypay.queue (event, scope, due, created, received, rank, blocked, risk, lane, owner, until)
	SELECT seq, 1, now, now, now, 0, false, true, k, NULL, 0 FROM a
), b AS (
	INSERT INTO caddypay.bodies (event, day, signature, body) SELECT seq, day, '', decode(repeat('78', 1024), 'hex') FROM a
), c AS (
	INSERT INTO caddypay.charges (scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created, paid, time_paid,
		amount_paid, payment, hold, reversed, transaction_no, logged_in)
	SELECT 1, k, k, 'foreign', 0, 'pgbench_' || id, '', '', '', 100, 'cny', '', now, true, now, 100, seq, 0, false, '', 0 FROM a
)
INSERT INTO caddypay.deltas (scope, hour, what, n)
	SELECT 1, CASE WHEN what IN ('webhook', 'paid') THEN floor(extract(epoch FROM now()) / 3600)::bigint * 3600000 ELSE -1 END, what, n
	FROM (VALUES ('pending', %[1]d), ('at risk', %[1]d), ('fen at risk', 100 * %[1]d), ('webhook', %[1]d), ('paid', 100 * %[1]d)) AS v (what, n);
`

// event is a payment of a kilobyte, of a charge that nobody has seen.
func event(n int64) *ledger.Event {
	now := time.Now()
	id, order := now.UTC().Format("060102150405")+fmt.Sprintf("%012d", n), fmt.Sprintf("%016x%08x", rand.Uint64(), uint32(n))
	return &ledger.Event{Scope: scope, ID: "evt_" + id, Type: "charge.succeeded", ObjectID: "ch_" + id, ChargeID: "ch_" + id, Number: order, OrderNo: order, Lane: order,
		State: ledger.Pending, Source: ledger.Webhook, Created: now, Received: now, Due: now, Body: bytes.Repeat([]byte("x"), 1024),
		Change: &ledger.ChargeChange{Paid: true, TimePaid: now}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: now}}
}

// append has many callers record payments for a while.
func appendFor(ctx context.Context, l ledger.Ledger, next *atomic.Int64, d time.Duration) (perSecond float64, err error) {
	var all sync.WaitGroup
	var n atomic.Int64
	errs := make(chan error, connections)
	began := time.Now()
	for range connections {
		all.Go(func() {
			for time.Since(began) < d {
				if _, err := l.Append(ctx, event(next.Add(1))); err != nil {
					errs <- err
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	close(errs)
	return float64(n.Load()) / time.Since(began).Seconds(), <-errs
}

// alone measures the ledger by itself, in this process.
func (b *bench) alone(t *runner, server *pgtest.Server) error {
	dsn := server.DSN(t)
	l, err := postgres.Open(b.ctx, postgres.Options{DSN: dsn, Patience: time.Minute})
	if err != nil {
		return err
	}
	defer l.Close()
	file, err := sqlite.Open(b.ctx, sqlite.Options{File: b.file("alone.db")})
	if err != nil {
		return err
	}
	defer file.Close()
	var next atomic.Int64
	var rates, same, single, inFile, sizes, claims, fileClaims, spent, sameSpent []float64
	var until time.Duration
	since := func(n float64) float64 { // µs of the server's CPU for each of n events
		was := until
		until = server.CPU(t)
		return float64((until - was).Microseconds()) / max(1, n)
	}
	for range b.rounds {
		before, err := ask(b.ctx, dsn, `SELECT coalesce(max(seq), 0)::float8 FROM caddypay.events`)
		if err != nil {
			return err
		}
		since(0)
		rate, err := appendFor(b.ctx, l, &next, b.round())
		if err != nil {
			return err
		}
		spent = append(spent, since(rate*b.round().Seconds()))
		size, err := ask(b.ctx, dsn, `SELECT count(*)::float8 / count(DISTINCT xmin::text) FROM caddypay.events WHERE seq > $1`, int64(before))
		if err != nil {
			return err
		}
		n := max(1, int(size+0.5))
		each := max(1, int(rate*b.round().Seconds()/float64(n)/groupsAtOnce))
		rates, sizes = append(rates, rate), append(sizes, size)
		since(0)
		same = append(same, float64(n)*server.PgBench(t, dsn, fmt.Sprintf(sameRows, n), groupsAtOnce, each))
		sameSpent = append(sameSpent, since(float64(n*groupsAtOnce*each)))
		single = append(single, server.PgBench(t, dsn, fmt.Sprintf(sameRows, 1), 1, max(1, int(500*b.round().Seconds()))))
		if rate, err = appendFor(b.ctx, file, &next, b.round()); err != nil {
			return err
		}
		inFile = append(inFile, rate)
		p95, err := b.claimed(l)
		if err != nil {
			return err
		}
		claims = append(claims, p95)
		if p95, err = b.claimed(file); err != nil {
			return err
		}
		fileClaims = append(fileClaims, p95)
	}
	b.report.compare("PostgreSQL: append, in process", rates, "/s", "pgbench, same rows and batches", same, target{least: 0.8}, fmt.Sprintf("%.0f events a transaction", median(sizes)))
	b.report.compare("PostgreSQL: CPU of the server for an event appended", spent, "µs", "pgbench, same rows and batches", sameSpent, target{}, "")
	b.report.compare("PostgreSQL: append, of one a commit", rates, "/s", "pgbench, one after the other", single, target{least: 3}, "")
	b.report.compare("PostgreSQL: append, of SQLite", rates, "/s", "SQLite", inFile, target{}, "")
	b.report.compare("PostgreSQL: claim, p95", claims, "ms", "SQLite", fileClaims, target{}, "of 32")
	return nil
}

// claimed is how long it takes to claim some of what waits, while that is delivered.
func (b *bench) claimed(l ledger.Ledger) (p95 float64, err error) {
	var took []time.Duration
	for began := time.Now(); time.Since(began) < b.round(); {
		now := time.Now()
		es, err := l.Claim(b.ctx, ledger.Claim{Scope: scope, Owner: "bench", Now: now, Until: now.Add(time.Minute), Limit: connections})
		took = append(took, time.Since(now))
		if err != nil || len(es) == 0 {
			return quantile(took, 0.95), err
		}
		var all sync.WaitGroup
		errs := make(chan error, len(es))
		for _, e := range es {
			all.Go(func() {
				errs <- l.Settle(b.ctx, "bench", ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: 1, At: now, Took: time.Millisecond, Status: 200, State: ledger.Delivered})
			})
		}
		all.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				return 0, err
			}
		}
	}
	return quantile(took, 0.95), nil
}

// ask reads one number from a database.
func ask(ctx context.Context, dsn, text string, args ...any) (n float64, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	err = conn.QueryRow(ctx, text, args...).Scan(&n)
	return n, err
}

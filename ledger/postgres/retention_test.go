package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddypay/caddypay/ledger"
)

var liveScope = ledger.Scope{App: "app_1", Mode: ledger.Live}

// tables are those of days that are over.
func tables(t *testing.T, l *Ledger) (names []string) {
	t.Helper()
	must(t, l.pool.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
		days, err := oldDays(t.Context(), c.Conn())
		for _, d := range days {
			names = append(names, d.name)
		}
		return err
	}))
	return names
}

func exec(t *testing.T, l *Ledger, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := l.pool.Exec(context.WithoutCancel(t.Context()), text)
		must(t, err)
	}
}

// A day's tables go when nothing that is undelivered, held or dead, and nothing else that was not pruned, points into them; not before, and not with
// what is beside them. What somebody began to drop is dropped by the next.
func TestDaysAreDropped(t *testing.T) {
	l := openLedger(t)
	ctx := t.Context()
	var day int64
	must(t, l.pool.QueryRow(ctx, "SELECT "+today).Scan(&day))
	first, second := day-400, day-399
	must(t, l.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		for _, table := range partitioned {
			for _, d := range []int64{first, second} {
				if err := makeDay(ctx, c.Conn(), table, d); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	defer func() { // of the tables that a failure leaves
		for _, name := range tables(t, l) {
			exec(t, l, "DROP TABLE caddypay."+name)
		}
	}()
	then := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, state := range []ledger.State{ledger.Pending, ledger.Held, ledger.Pending} {
		e := &ledger.Event{Scope: liveScope, ID: fmt.Sprint("evt_", i+1), Type: "charge.reversed", ObjectID: fmt.Sprint("ch_", i+1), State: state, Source: ledger.Webhook,
			Received: then, Due: then, Body: []byte("{}")}
		if state == ledger.Held {
			e.Reasons = []string{ledger.ReasonUnreadable}
		}
		_, err := l.Append(ctx, e)
		must(t, err)
	}
	settle := func(id string, state ledger.State, attempt int) {
		t.Helper()
		_, err := l.Claim(ctx, ledger.Claim{Scope: liveScope, Owner: "a", Now: then.Add(time.Hour), Until: then.Add(time.Hour + time.Second), Limit: 9})
		must(t, err)
		must(t, l.Settle(ctx, "a", ledger.Delivery{Scope: liveScope, EventID: id, Attempt: attempt, At: then, State: state, Due: then}))
	}
	settle("evt_1", ledger.Pending, 1)
	settle("evt_1", ledger.Delivered, 2)
	settle("evt_3", ledger.Delivered, 1)
	exec(t, l, fmt.Sprintf("UPDATE caddypay.bodies SET day = CASE WHEN event = (SELECT max(seq) FROM caddypay.events) THEN %d ELSE %d END", second, first),
		fmt.Sprintf("UPDATE caddypay.deliveries SET day = %d", first),
		fmt.Sprintf("UPDATE caddypay.events SET sent_from = %[1]d, sent_to = %[1]d WHERE sent_from IS NOT NULL", first),
		"UPDATE caddypay.events AS e SET body_day = b.day FROM caddypay.bodies AS b WHERE b.event = e.seq")
	check := func(what string, pruned int, want ...string) {
		t.Helper()
		n, err := l.Prune(ctx, then.Add(24*time.Hour), 100)
		must(t, err)
		if n != pruned {
			t.Errorf("%s: %d pruned, want %d", what, n, pruned)
		}
		if got := tables(t, l); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: there are %q, want %q", what, got, want)
		}
		faults, err := l.Verify(ctx)
		must(t, err)
		if len(faults) > 0 {
			t.Errorf("%s: %q", what, faults)
		}
	}
	ds, err := l.Deliveries(ctx, liveScope, "evt_1")
	must(t, err)
	if len(ds) != 2 || ds[0].State != ledger.Pending || ds[1].State != ledger.Delivered {
		t.Fatalf("deliveries: %+v", ds)
	}
	held := dayName("bodies", first)
	check("one is held", 2, held)
	e, err := l.Event(ctx, liveScope, "evt_2")
	must(t, err)
	if string(e.Body) != "{}" {
		t.Fatalf("the held one lost its body")
	}
	if ds, err = l.Deliveries(ctx, liveScope, "evt_1"); err != nil || len(ds) != 0 {
		t.Errorf("attempts stay: %+v, %v", ds, err)
	}
	must(t, l.Decide(ctx, ledger.Decision{Scope: liveScope, EventID: "evt_2", Action: ledger.ActionDiscard, Now: then.Add(time.Minute)}))
	exec(t, l, "ALTER TABLE caddypay.bodies DETACH PARTITION caddypay."+held, fmt.Sprintf("ALTER TABLE caddypay.bodies ATTACH PARTITION caddypay.%s FOR VALUES FROM (%d) TO (%d)", held, first, first+1))
	check("none is held", 1)
	must(t, l.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return makeDay(ctx, c.Conn(), "bodies", first) }))
	exec(t, l, "ALTER TABLE caddypay.bodies DETACH PARTITION caddypay."+held)
	check("one was detached", 0)
}

// Verify says what is recorded in two places, and not as it is.
func TestVerify(t *testing.T) {
	l := openLedger(t)
	ctx := t.Context()
	now := time.UnixMilli(3_600_000)
	for i := range 4 {
		_, err := l.Append(ctx, &ledger.Event{Scope: liveScope, ID: fmt.Sprint("evt_", i), Type: "charge.reversed", ObjectID: fmt.Sprint("ch_", i), State: ledger.Pending,
			Source: ledger.Webhook, Received: now, Due: now, Body: []byte("{}")})
		must(t, err)
	}
	if faults, err := l.Verify(ctx); err != nil || len(faults) > 0 {
		t.Fatalf("of a sound one: %q, %v", faults, err)
	}
	exec(t, l, "INSERT INTO caddypay.deltas (scope, hour, what, n) SELECT id, -1, 'dead', 1 FROM caddypay.scopes UNION ALL SELECT id, 3600000, 'webhook', 2 FROM caddypay.scopes",
		"DELETE FROM caddypay.queue WHERE event = (SELECT seq FROM caddypay.events WHERE id = 'evt_0')",
		"UPDATE caddypay.queue SET rank = 7 WHERE event = (SELECT seq FROM caddypay.events WHERE id = 'evt_1')",
		"INSERT INTO caddypay.queue (event, due, created, received, scope, rank, blocked, risk, lane) VALUES (1000000000, 0, 0, 0, 1, 0, false, false, '')",
		"DELETE FROM caddypay.bodies WHERE event = (SELECT seq FROM caddypay.events WHERE id = 'evt_2')")
	faults, err := l.Verify(ctx)
	must(t, err)
	for _, want := range []string{"dead is counted as 1, and is 0", "webhook in the hour of 1970-01-01 01:00:00 is counted as 2, and is 0", "event evt_0 is pending, and nobody",
		"event evt_1 of scope", "event 1000000000 is unknown", "event evt_2 is pending"} {
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("nobody says %q: %q", want, faults)
		}
	}
	if len(faults) != 6 {
		t.Errorf("%d faults: %q", len(faults), faults)
	}
}

// TestVerifyLongTime: what is tallied for years is compared once, not once for each hour; hours before the first of which there are tallies are not compared.
func TestVerifyLongTime(t *testing.T) {
	l := openLedger(t)
	_, err := l.Append(t.Context(), &ledger.Event{Scope: liveScope, ID: "evt_1", Type: "charge.reversed", ObjectID: "ch_1", State: ledger.Filtered, Source: ledger.Webhook, Body: []byte("{}")})
	must(t, err)
	exec(t, l, `INSERT INTO caddypay.counts (scope, hour, what, n) SELECT id, n * 3600000::bigint, what, 0 FROM caddypay.scopes, generate_series(1, 40000) AS n,
			unnest(ARRAY['webhook', 'paid', 'charges']) AS what`,
		`INSERT INTO caddypay.counts (scope, hour, what, n) SELECT id, 7200000, 'since', 0 FROM caddypay.scopes`, `ANALYZE caddypay.counts`,
		`INSERT INTO caddypay.deltas (scope, hour, what, n) SELECT id, n * 3600000, 'paid', n FROM caddypay.scopes, generate_series(1, 2) AS n`)
	ctx, end := context.WithTimeout(t.Context(), 20*time.Second) // of which a fraction of one is enough
	defer end()
	faults, err := l.Verify(ctx)
	if must(t, err); len(faults) != 1 || !strings.Contains(faults[0], "paid in the hour of 1970-01-01 02:00:00 is counted as 2, and is 0") {
		t.Errorf("Verify: %q", faults)
	}
}

// goingDay makes a day that may go, and has somebody read it until the function that it returns is called.
func goingDay(t *testing.T, l *Ledger) (over func()) {
	t.Helper()
	ctx := t.Context()
	var day int64
	must(t, l.pool.QueryRow(ctx, "SELECT "+today).Scan(&day))
	must(t, l.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return makeDay(ctx, c.Conn(), "bodies", day-400) }))
	reading, err := l.pool.Begin(ctx)
	must(t, err)
	var n int
	must(t, reading.QueryRow(ctx, "SELECT count(*) FROM caddypay.bodies").Scan(&n))
	return func() { must(t, reading.Rollback(context.WithoutCancel(ctx))) }
}

// detaching are the processes of the server that drop a day, and wait for whoever reads it.
const detaching = ` FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'ALTER%DETACH%'`

func waiting(t *testing.T, l *Ledger) (n int) {
	t.Helper()
	must(t, l.pool.QueryRow(t.Context(), "SELECT count(*)"+detaching).Scan(&n))
	return n
}

func untilWaiting(t *testing.T, l *Ledger) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); waiting(t, l) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for whoever reads")
		}
	}
}

// What a node began to drop, and did not, another drops.
func TestDroppingIsFinished(t *testing.T) {
	l := openLedger(t)
	over := goingDay(t, l)
	dropped := make(chan error, 1)
	go func() { dropped <- l.dropDays(t.Context()) }()
	untilWaiting(t, l)
	exec(t, l, "SELECT pg_terminate_backend(pid)"+detaching)
	if err := <-dropped; err == nil {
		t.Error("it was dropped")
	}
	over()
	must(t, l.pool.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
		days, err := oldDays(t.Context(), c.Conn())
		if len(days) != 1 || !days[0].attached || !days[0].pending {
			t.Errorf("there are %+v", days)
		}
		return err
	}))
	must(t, l.dropDays(t.Context()))
	if names := tables(t, l); len(names) > 0 {
		t.Errorf("%q stay", names)
	}
}

// Whoever still reads a day that goes holds up nobody but those who drop it, however many nodes do; what is accepted meanwhile is accepted at once.
func TestDroppingHoldsUpNobody(t *testing.T) {
	dsn := newDatabase(t)
	l, other := patient(t, Options{DSN: dsn}), patient(t, Options{DSN: dsn})
	ctx := t.Context()
	over := goingDay(t, l)
	dropped := make(chan error, 2)
	for _, node := range []*Ledger{l, other} {
		go func() { dropped <- node.dropDays(ctx) }()
	}
	untilWaiting(t, l)
	now := time.Now()
	for i := range 20 {
		_, err := l.Append(ctx, &ledger.Event{Scope: liveScope, ID: fmt.Sprint("evt_", i), Type: "charge.reversed", ObjectID: fmt.Sprint("ch_", i), State: ledger.Pending,
			Source: ledger.Webhook, Received: now, Due: now, Body: []byte("{}")})
		must(t, err)
	}
	es, err := l.Claim(ctx, ledger.Claim{Scope: liveScope, Owner: "a", Now: now, Until: now.Add(time.Second), Limit: 99})
	must(t, err)
	if len(es) != 20 || string(es[19].Body) != "{}" {
		t.Errorf("claimed %d", len(es))
	}
	if waiting(t, l) == 0 {
		t.Error("what was accepted waited for whoever reads")
	}
	over()
	for range 2 {
		must(t, <-dropped)
	}
	must(t, other.dropDays(ctx)) // one that came while the other was at it left the rest to it
	if names := tables(t, l); len(names) > 0 {
		t.Errorf("%q stay", names)
	}
}

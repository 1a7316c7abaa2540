package sqlite

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"modernc.org/libc"
	"modernc.org/sqlite/lib"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	layoutRows = 6_000 // in every run, with the race detector too; set LEDGER_ROWS=300000 for as many as no page looks through
	layoutMost = 3     // pages of a list that fits many

	// mostSteps is what a page may take of SQLite's machine: some 25 ms of a slow processor. rowSteps is what a row takes.
	mostSteps = 1_500_000
	rowSteps  = 150
)

// layouts are ledgers that are hard to list: what is looked for is far below what is not. Rows come one a millisecond.
var layouts = []struct {
	name, state string
	many        bool // as many are counted as pending as are too many to be looked through
}{
	{"an outage: the newest are pending", `CASE WHEN i > ?1 / 5 THEN 'pending' ELSE 'delivered' END`, true},
	{"an old outage: the oldest are pending", `CASE WHEN i <= ?1 / 5 THEN 'pending' ELSE 'delivered' END`, true},
	{"a few are pending here and there", `CASE WHEN i % 8 = 0 THEN 'pending' ELSE 'delivered' END`, false},
	{"a year of dead ones", `CASE WHEN i > ?1 / 13 THEN 'dead' WHEN i > ?1 / 26 THEN 'pending' ELSE 'delivered' END`, false},
}

// However what a filter chooses is spread, and however it is combined, a page looks at so many rows only; and all pages together have all of it, in
// order. Steps are counted instead of time, which depends on who else uses the machine.
func TestPagesAreBounded(t *testing.T) {
	rows := layoutRows
	if given := os.Getenv(rowsVariable); given != "" {
		var err error
		rows, err = strconv.Atoi(given)
		must(t, err)
	}
	for _, layout := range layouts {
		t.Run(layout.name, func(t *testing.T) {
			l := openFile(t, newFile(t))
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			must(t, l.write(t.Context(), func(t *tx) error {
				id, err := t.addScope(scope)
				if err == nil {
					err = t.set(layoutEvents(layout.state), rows, id, millis(start))
				}
				if err == nil {
					err = t.set(yearsCounts)
				}
				if err == nil && layout.many {
					err = t.set(sqlCount, id, string(ledger.Pending), fewEvents)
				}
				return err
			}))
			var all []ledger.Event
			must(t, l.read(t.Context(), func(r *reader) (err error) {
				w, err := r.walk(ledger.Filter{Scope: scope})
				if err == nil {
					all, err = w.read(sqlNewest, "", 0, int64(rows)+1, rows, unfiltered[:]...)
				}
				return err
			}))
			for name, f := range layoutFilters(start, rows) {
				f.Scope, f.Limit = scope, 1000
				want := 0
				for i := range all {
					if fits(&all[i], f) {
						want++
					}
				}
				honest(t, l, name, f, want)
				got, pages, most, last := 0, 0, uint64(0), int64(0)
				for more := true; more && (want <= layoutMost*f.Limit || pages < layoutMost); pages++ {
					counted(t, l)
					p, err := l.ListEvents(t.Context(), f)
					must(t, err)
					most = max(most, counted(t, l))
					for _, e := range p.Rows {
						if last != 0 && e.Seq >= last {
							t.Fatalf("%s: %d comes after %d", name, e.Seq, last)
						}
						last = e.Seq
						if !fits(&e, f) {
							t.Fatalf("%s: it has %+v", name, e)
						}
					}
					got += len(p.Rows)
					f.Cursor, more = p.Next, p.Next != ""
				}
				t.Logf("%-40s %6d of %6d rows on %d pages, %8d steps at most", name, got, want, pages, most)
				if want <= layoutMost*f.Limit && got != want || got == 0 && want > layoutMost*f.Limit || most > mostSteps || pages > layoutMost+2+rows/12_500 {
					t.Errorf("%s: %d rows on %d pages, want %d; %d steps for one", name, got, pages, want, most)
				}
			}
		})
	}
}

// honest goes through the parts of a list with little patience: none looks at more rows than it says, nor at many more than it may.
func honest(t *testing.T, l *Ledger, name string, f ledger.Filter, want int) {
	t.Helper()
	const n, skip = 20, 200
	var parts []core.Part[ledger.Event]
	fit := 0
	must(t, l.read(t.Context(), func(r *reader) (err error) {
		if parts, err = r.EventParts(f); err != nil {
			return err
		}
		pending, err := r.number(sqlCounted, 1, string(ledger.Pending))
		for _, part := range parts {
			at := core.Mark{Seq: math.MaxInt64}
			for calls, over := 0, err != nil; !over && (want < 1000 || calls < 10); calls++ {
				_ = stepsOf(r)
				s, err := part(at, n, skip)
				if err != nil {
					return err
				}
				took := stepsOf(r)
				if s.Skipped > max(skip, int(pending)) || took > uint64(rowSteps*(s.Skipped+len(s.Rows)+n)) || !s.Over && s.To.Seq >= at.Seq {
					t.Errorf("%s: %d steps for %d rows, from %d to %d, with %d skipped", name, took, len(s.Rows), at.Seq, s.To.Seq, s.Skipped)
				}
				for i := range s.Rows {
					if fits(&s.Rows[i], f) {
						fit++
					}
				}
				at, over = s.To, s.Over
			}
		}
		return err
	}))
	if want < 1000 && fit != want {
		t.Errorf("%s: its parts have %d that fit, want %d", name, fit, want)
	}
}

// However often orders were tried, a page of them reads so many attempts only: here all of the first ones are far below the others.
func TestOrderPagesAreBounded(t *testing.T) {
	const orders, attempts = 100, 100
	l := openFile(t, newFile(t))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	must(t, l.write(t.Context(), func(t *tx) error {
		id, err := t.addScope(scope)
		if err != nil {
			return err
		}
		return t.set(`
			WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
			INSERT INTO charges (seq, scope, order_no, number, state, reserved_until, id, channel, amount, currency, created)
			SELECT i + 1, ?2, 'O' || (i % ?4), 'O' || i, 'created', 0, 'ch_' || i, CASE i WHEN 7 THEN 'wx_pub' ELSE 'wx_lite' END, 100, 'cny', ?3 + i FROM n`,
			orders*attempts, id, millis(start), orders)
	}))
	list := func(what string, want int, page func(cursor string) (rows int, next string, err error)) {
		t.Helper()
		got, pages, most, cursor := 0, 0, uint64(0), ""
		for more := true; more; pages++ {
			counted(t, l)
			n, next, err := page(cursor)
			must(t, err)
			most = max(most, counted(t, l))
			got, cursor, more = got+n, next, next != ""
		}
		t.Logf("%-40s %6d rows on %d pages, %8d steps at most", what, got, pages, most)
		if got != want || most > mostSteps || pages > orders*attempts/600+orders*attempts/3000+2 {
			t.Errorf("%s: %d rows on %d pages, want %d; %d steps for one", what, got, pages, want, most)
		}
	}
	now := start.Add(time.Hour)
	for channel, want := range map[string]int{"": orders, "wx_pub": 1, "alipay_qr": 0} {
		list("orders "+channel, want, func(cursor string) (int, string, error) {
			p, err := l.ListOrders(t.Context(), ledger.OrderFilter{Scope: scope, Channel: channel, Now: now, Limit: 1000, Cursor: cursor})
			return len(p.Rows), p.Next, err
		})
	}
	for channel, want := range map[string]int{"wx_pub": 1, "alipay_qr": 0} {
		list("charges "+channel, want, func(cursor string) (int, string, error) {
			p, err := l.ListCharges(t.Context(), ledger.ChargeFilter{Scope: scope, Channel: channel, Now: now, Limit: 1000, Cursor: cursor})
			return len(p.Rows), p.Next, err
		})
	}
}

func layoutEvents(state string) string {
	return `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
	INSERT INTO events (seq, scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
		state, reasons, late, due, settled, money, acks)
	SELECT i, ?2, 'evt_' || i, CASE WHEN i % 10 = 0 THEN 'refund.succeeded' ELSE 'charge.succeeded' END, 'ch_' || i, 0, 1, 'ch_' || i, 'O' || i, 'O' || i, 'O' || i, 0,
		CASE WHEN i % 5000 = 7 THEN 'query' ELSE 'webhook' END, ?3 + i, ?3 + i, 'shop.example.com', '', state,
		CASE WHEN i % 50000 = 3 THEN '["type"]' ELSE '' END, '', ?3 + i, 0, 100, state = 'delivered'
	FROM (SELECT i, ` + state + ` AS state FROM n)`
}

// layoutFilters are all states, alone and in pairs, with everything else that a filter has.
func layoutFilters(start time.Time, rows int) map[string]ledger.Filter {
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Millisecond) }
	filters := make(map[string]ledger.Filter)
	for _, states := range [][]ledger.State{nil, {ledger.Delivered}, {ledger.Pending}, {ledger.Dead}, {ledger.Held}, {ledger.Pending, ledger.Dead}, {ledger.Dead, ledger.Delivered}} {
		all := map[string]ledger.Filter{
			"":            {},
			"refunds":     {Type: "refund.succeeded"},
			"for reasons": {Reason: ledger.ReasonType},
			"all at once": {Type: "refund.succeeded", Source: ledger.Query, Reason: ledger.ReasonType, Since: at(10), Until: at(rows - 10)},
		}
		if len(states) < 2 {
			all["payments"] = ledger.Filter{Type: "charge.succeeded"}
			all["of no type"] = ledger.Filter{Type: "order.succeeded"}
			all["asked for"] = ledger.Filter{Source: ledger.Query}
			all["at risk"] = ledger.Filter{AtRisk: true}
			all["old ones"] = ledger.Filter{Until: at(rows / 100)}
			all["of a moment"] = ledger.Filter{Since: at(rows / 2), Until: at(rows/2 + 10)}
		}
		for what, f := range all {
			f.States = states
			filters[fmt.Sprint(states, " ", what)] = f
		}
	}
	return filters
}

func fits(e *ledger.Event, f ledger.Filter) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, e.State)) && (f.Type == "" || e.Type == f.Type) && (f.Source == "" || e.Source == f.Source) &&
		(f.Reason == "" || slices.Contains(e.Reasons, f.Reason)) && (!f.AtRisk || e.AtRisk()) && !e.Received.Before(f.Since) &&
		(f.Until.IsZero() || e.Received.Before(f.Until))
}

// counted returns how many steps SQLite's machine has made since it was last asked, for statements of the connection that reads.
func counted(t *testing.T, l *Ledger) (n uint64) {
	t.Helper()
	must(t, l.read(t.Context(), func(r *reader) error { n = stepsOf(r); return nil }))
	return n
}

// stepsOf is counted for one reader. Neither driver shows that: it is read where SQLite keeps it.
func stepsOf(r *reader) (n uint64) {
	tls := libc.NewTLS()
	defer tls.Close()
	for prepared := reflect.ValueOf(r.conn).Elem().FieldByName("prepared").MapRange(); prepared.Next(); {
		stmt := uintptr(prepared.Value().Elem().FieldByName("stmt").Uint())
		n += uint64(sqlite3.Xsqlite3_stmt_status(tls, stmt, sqlite3.SQLITE_STMTSTATUS_VM_STEP, 1))
	}
	return n
}

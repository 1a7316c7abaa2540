package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// An event is in every list of all states, also while its state changes.
func TestListMissesNothing(t *testing.T) {
	l := openLedger(t)
	ctx := t.Context()
	const many = 60
	now := time.Now()
	for i := range many {
		_, err := l.Append(ctx, &ledger.Event{Scope: liveScope, ID: fmt.Sprint("evt_", i), Type: "charge.reversed", ObjectID: fmt.Sprint("ch_", i), State: ledger.Pending,
			Source: ledger.Webhook, Received: now, Due: now, Body: []byte("{}")})
		must(t, err)
	}
	settled := make(chan error, 1)
	go func() {
		for i := range many {
			owner, state := fmt.Sprint("owner", i), []ledger.State{ledger.Delivered, ledger.Dead}[i%2]
			es, err := l.Claim(ctx, ledger.Claim{Scope: liveScope, Owner: owner, Now: now, Until: now.Add(time.Second), Limit: 1})
			if err == nil && len(es) != 1 {
				err = fmt.Errorf("claimed %d", len(es))
			}
			if err == nil {
				err = l.Settle(ctx, owner, ledger.Delivery{Scope: liveScope, EventID: es[0].ID, Attempt: 1, At: now, State: state})
			}
			if err != nil {
				settled <- err
				return
			}
		}
		settled <- nil
	}()
	states := []ledger.State{ledger.Pending, ledger.Dead, ledger.Delivered}
	for over := false; !over; {
		select {
		case err := <-settled:
			must(t, err)
			over = true
		default:
		}
		for _, f := range []ledger.Filter{{}, {States: states}} {
			f.Scope, f.Limit = liveScope, 1000
			es, err := l.Events(ctx, f)
			must(t, err)
			if len(es) != many {
				t.Fatalf("%d of %d events are in the list", len(es), many)
			}
		}
		f, err := l.Figures(ctx, liveScope)
		must(t, err)
		if n := f.Events[ledger.Pending] + f.Events[ledger.Dead] + f.Events[ledger.Delivered]; n != many {
			t.Fatalf("%d of %d events are counted", n, many)
		}
	}
}

// However what a filter chooses is spread, and however it is combined, all pages together have all of it, in order; and each looks at so many rows only.
func TestPages(t *testing.T) {
	l := openLedger(t)
	ctx := t.Context()
	const rows = 3000
	exec(t, l, `INSERT INTO caddypay.scopes (app, mode) VALUES ('app_1', 'live')`,
		fmt.Sprintf(`INSERT INTO caddypay.events (created, received, money, settled, scope, rank, acks, effect, by_charge, id, type, object_id, charge_id, number, order_no, lane,
				source, host, trace, state, reasons, late)
			SELECT i, i, 100, 0, (SELECT max(id) FROM caddypay.scopes), 0, CASE WHEN i %% 8 < 4 THEN 1 ELSE 0 END, false, true, 'evt_' || i,
				CASE WHEN i %% 10 = 0 THEN 'refund.succeeded' ELSE 'charge.succeeded' END, 'ch_' || i, 'ch_' || i, 'O' || i, 'O' || i, 'O' || i,
				CASE WHEN i %% 500 = 7 THEN 'query' ELSE 'webhook' END, '', '', CASE WHEN i %% 8 < 3 THEN 'delivered' WHEN i %% 8 = 5 THEN 'pending' WHEN i %% 40 = 6 THEN 'held' ELSE 'dead' END,
				CASE WHEN i %% 1000 = 6 THEN '["type"]' ELSE '' END, '' FROM generate_series(1, %d) AS i`, rows),
		`INSERT INTO caddypay.queue (event, due, created, received, scope, rank, blocked, risk, lane)
			SELECT seq, received, created, received, scope, 0, seq % 2 = 0, `+atRisk+`, lane FROM caddypay.events WHERE state = 'pending'`,
		`INSERT INTO caddypay.counts (scope, hour, what, n) SELECT scope, -1, state, count(*) FROM caddypay.events GROUP BY 1, 3`)
	all, err := l.Events(ctx, ledger.Filter{Scope: liveScope, Limit: 1000})
	must(t, err)
	for len(all) < rows {
		more, err := l.Events(ctx, ledger.Filter{Scope: liveScope, Limit: 1000, Before: all[len(all)-1].Seq})
		must(t, err)
		if len(more) == 0 {
			t.Fatalf("%d of %d are there", len(all), rows)
		}
		all = append(all, more...)
	}
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	for _, states := range [][]ledger.State{nil, {ledger.Delivered}, {ledger.Pending}, {ledger.Dead}, {ledger.Held}, {ledger.Pending, ledger.Dead}, {ledger.Dead, ledger.Delivered}} {
		for name, f := range map[string]ledger.Filter{
			"": {}, "refunds": {Type: "refund.succeeded"}, "payments": {Type: "charge.succeeded"}, "of no type": {Type: "order.succeeded"}, "for a reason": {Reason: ledger.ReasonType},
			"asked for": {Source: ledger.Query}, "at risk": {AtRisk: true}, "old ones": {Until: at(30)}, "of a moment": {Since: at(rows / 2), Until: at(rows/2 + 100)},
		} {
			f.Scope, f.States, f.Limit = liveScope, states, 200
			want := 0
			for i := range all {
				if fits(&all[i], f) {
					want++
				}
			}
			got, last := 0, int64(0)
			for more := true; more; {
				p, err := l.ListEvents(ctx, f)
				must(t, err)
				for i := range p.Rows {
					e := &p.Rows[i]
					if last != 0 && e.Seq >= last || !fits(e, f) {
						t.Fatalf("%v %s: after %d comes %+v", states, name, last, e)
					}
					last = e.Seq
				}
				got += len(p.Rows)
				f.Cursor, more = p.Next, p.Next != ""
			}
			if got != want {
				t.Errorf("%v %s: %d, want %d", states, name, got, want)
			}
			must(t, (store{l}).Read(ctx, func(r core.Reader) error { return honest(t, fmt.Sprint(states, name), r, f) }))
		}
	}
}

// honest goes through the parts of a list with little patience: none leaves out more rows than it may, and each goes on.
func honest(t *testing.T, name string, r core.Reader, f ledger.Filter) error {
	t.Helper()
	const n, skip = 20, 200
	parts, err := r.EventParts(f)
	if err != nil {
		return err
	}
	for _, part := range parts {
		at := core.Mark{Seq: 1 << 60}
		for calls, over := 0, false; !over && calls < 3; calls++ {
			s, err := part(at, n, skip)
			if err != nil {
				return err
			}
			if s.Skipped > max(skip, 1000) || !s.Over && s.To.Seq >= at.Seq {
				t.Errorf("%s: from %d to %d, with %d skipped", name, at.Seq, s.To.Seq, s.Skipped)
			}
			at, over = s.To, s.Over
		}
	}
	return nil
}

func fits(e *ledger.Event, f ledger.Filter) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, e.State)) && (f.Type == "" || e.Type == f.Type) && (f.Source == "" || e.Source == f.Source) &&
		(f.Reason == "" || slices.Contains(e.Reasons, f.Reason)) && (!f.AtRisk || e.AtRisk()) && !e.Received.Before(f.Since) &&
		(f.Until.IsZero() || e.Received.Before(f.Until))
}

package sqlite

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

// replayed is a ledger of an older version with payments that are over: one that the backend has, and whose charge turned out to be another order's; and
// one that a person discarded, so that the backend has not heard of it.
func replayed(t *testing.T) *Ledger {
	file := filepath.Join(t.TempDir(), "ledger.db")
	event := `INSERT INTO events (scope, effect, by_charge, host, trace, late, source, reasons, number, type, rank, due, attempts, tries, blocked,
		seq, id, object_id, charge_id, order_no, lane, created, received, state, settled) VALUES (1, 0, 1, '', '', '', 'webhook', '', '', 'charge.succeeded', 0, 0, 1, 1, 0, `
	charge := `INSERT INTO charges (scope, state, reserved_until, currency, created, paid, amount, amount_paid, seq, id, order_no, number, payment)
		VALUES (1, 'created', 0, 'cny', 1000, 1, 100, 100, `
	must(t, old.Write1(file, `INSERT INTO scopes (id, app, mode) VALUES (1, '`+scope.App+`', '`+string(scope.Mode)+`');`+
		charge+`1, 'ch_1', 'o1', 'o1', 1);`+
		event+`1, 'evt_moved', 'ch_1', 'ch_1', 'o9', 'o9', 3000, 3000, 'delivered', 3000);`+
		charge+`2, 'ch_2', 'o2', 'o2', 2);`+
		event+`2, 'evt_discarded', 'ch_2', 'ch_2', 'o2', 'o2', 3000, 3000, 'discarded', 3000);
		INSERT INTO deliveries VALUES (1, 1, 1, 3000, 0, 200, '', '', 'delivered', 0, 0);
		INSERT INTO bodies SELECT seq, '', 'body' FROM events;
		INSERT INTO counts SELECT scope, state, count(*) FROM events GROUP BY scope, state`))
	return openFile(t, file)
}

func replay(t *testing.T, l *Ledger, id string) {
	t.Helper()
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: id, Action: ledger.ActionReplay, Now: time.UnixMilli(5000)}))
}

// claimed claims what is due as the next owner, and delivers it.
func claimed(t *testing.T, l *Ledger) (ids []string) {
	t.Helper()
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9000), Until: time.UnixMilli(9999), Limit: 9})
	must(t, err)
	for _, e := range es {
		ids = append(ids, e.ID)
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: e.Attempts + 1, At: time.UnixMilli(9500), State: ledger.Delivered}))
	}
	return ids
}

// A payment that an older version delivered, and that nothing leads to in its lane, is delivered again all the same: it waits for its turn no longer than that.
func TestReplayOfWhatNoChargeLeadsTo(t *testing.T) {
	l := replayed(t)
	e := &ledger.Event{Scope: scope, ID: "evt_first", Type: "order.x", ObjectID: "x", OrderNo: "o9", Lane: "o9", Created: time.UnixMilli(1000), Received: time.UnixMilli(4000),
		State: ledger.Pending, Body: []byte("{}")}
	_, err := l.Append(t.Context(), e)
	must(t, err)
	replay(t, l, "evt_moved")
	for _, want := range []string{"evt_first", "evt_moved"} {
		if got := claimed(t, l); !slices.Equal(got, []string{want}) {
			t.Fatalf("claimed %q, want %s", got, want)
		}
	}
}

// A payment that an older version recorded, without its money, is at risk from when a person wants it to be delivered until the backend has it; one that the
// backend has is not.
func TestReplayOfWhatHadNoMoney(t *testing.T) {
	l := replayed(t)
	replay(t, l, "evt_moved")
	replay(t, l, "evt_discarded")
	f, err := l.Figures(t.Context(), scope)
	must(t, err)
	if f.AtRisk != 100 || f.AtRiskEvents != 1 {
		t.Errorf("at risk: %d fen of %d events, want 100 of 1", f.AtRisk, f.AtRiskEvents)
	}
	claimed(t, l)
	if f, err = l.Figures(t.Context(), scope); err != nil || f.AtRisk != 0 || f.AtRiskEvents != 0 {
		t.Errorf("after the delivery: %+v, %v", f, err)
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("Verify: %q, %v", faults, err)
	}
}

package sqlite

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

func claimAll(t *testing.T, l *Ledger) []ledger.Event {
	t.Helper()
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9), Until: time.UnixMilli(99), Limit: 9})
	must(t, err)
	return es
}

// What an older version has recorded is found and delivered as if this one had: attempts, lists, and the order of a lane in which a payment waits.
func TestUpgradeKeepsRows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	event := `INSERT INTO events (scope, effect, host, trace, late, source, reasons, object_id, number, created, received, seq, id, type, by_charge, charge_id, order_no, lane,
		rank, state, attempts, tries, due, settled, blocked) VALUES (1, 0, '', '', '', 'webhook', '', '', '', 1, 1, `
	must(t, old.Write1(file, `
		INSERT INTO scopes (id, app, mode) VALUES (1, '`+scope.App+`', '`+string(scope.Mode)+`');
		INSERT INTO charges (seq, scope, order_no, number, state, reserved_until, id, amount, currency, created, paid, payment)
			VALUES (2, 1, 'o2', 'o2', 'created', 0, 'ch_2', 100, 'cny', 1, 1, 2);
		`+event+`1, 'evt_done', 'charge.succeeded', 1, 'ch_1', 'o1', 'o1', 0, 'delivered', 2, 2, 0, 9, 0);
		`+event+`2, 'evt_paid', 'charge.succeeded', 1, 'ch_2', 'o2', 'o2', 0, 'pending', 0, 0, 1, 0, 0);
		`+event+`3, 'evt_back', 'refund.succeeded', 0, 'ch_2', 'o2', 'o2', 1, 'pending', 0, 0, 1, 0, 1);
		`+event+`4, 'evt_dead', 'charge.other', 0, '', '', '', 0, 'dead', 12, 12, 0, 9, 0);
		INSERT INTO bodies SELECT seq, '', 'body' FROM events;
		INSERT INTO deliveries VALUES (1, 1, 1, 5, 1500, 500, 'no', '', 'pending', 6, 0), (1, 2, 2, 6, 2500, 200, '', 'success', 'delivered', 0, 0);
		INSERT INTO counts SELECT scope, state, count(*) FROM events GROUP BY scope, state`))
	l := openFile(t, file)

	ids := func(es []ledger.Event, err error) (ids []string) {
		t.Helper()
		must(t, err)
		for _, e := range es {
			ids = append(ids, e.ID)
		}
		return ids
	}
	for _, list := range []struct {
		filter ledger.Filter
		want   []string
	}{
		{ledger.Filter{}, []string{"evt_dead", "evt_back", "evt_paid", "evt_done"}},
		{ledger.Filter{States: []ledger.State{ledger.Delivered}}, []string{"evt_done"}},
		{ledger.Filter{States: []ledger.State{ledger.Pending}}, []string{"evt_back", "evt_paid"}},
		{ledger.Filter{States: []ledger.State{ledger.Pending, ledger.Dead}}, []string{"evt_dead", "evt_back", "evt_paid"}},
		{ledger.Filter{OrderNo: "o2"}, []string{"evt_back", "evt_paid"}},
	} {
		list.filter.Scope = scope
		if got := ids(l.Events(t.Context(), list.filter)); !slices.Equal(got, list.want) {
			t.Errorf("%v, order %q: %q, want %q", list.filter.States, list.filter.OrderNo, got, list.want)
		}
	}

	ds, err := l.Deliveries(t.Context(), scope, "evt_done")
	must(t, err)
	if len(ds) != 2 || ds[0].Error != "no" || ds[1].Snippet != "success" || ds[1].Took != 2500*time.Microsecond {
		t.Errorf("attempts: %+v", ds)
	}
	for _, id := range []string{"evt_paid", "evt_back"} {
		if got := ids(claimAll(t, l), nil); !slices.Equal(got, []string{id}) {
			t.Fatalf("claimed %q, want %s", got, id)
		}
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: id, Attempt: 1, At: time.UnixMilli(20_000), State: ledger.Delivered}))
		if ds, err := l.Deliveries(t.Context(), scope, id); err != nil || len(ds) != 1 || ds[0].At != time.UnixMilli(20_000).UTC() {
			t.Errorf("attempts at %s: %+v, %v", id, ds, err)
		}
	}
	if rows := ask(t, l, `SELECT count(*) FROM deliveries`, (*row).number); rows != 2 {
		t.Errorf("%d rows of deliveries", rows)
	}
}

// Many pending events are found by going down from the newest, few by looking at all of them: the list is the same.
func TestListOfManyPending(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	appendEvents(t, l, "evt_old", "evt_first", "evt_done", "evt_dead")
	for _, e := range claimAll(t, l) {
		state := map[string]ledger.State{"evt_done": ledger.Delivered, "evt_dead": ledger.Dead}[e.ID]
		if state != "" {
			must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: 1, At: time.UnixMilli(20_000), State: state}))
		}
	}
	list := func(limit int, states ...ledger.State) (ids []string) {
		t.Helper()
		es, err := l.Events(t.Context(), ledger.Filter{Scope: scope, States: states, Limit: limit})
		must(t, err)
		for _, e := range es {
			ids = append(ids, e.ID)
		}
		return ids
	}
	few := []string{"evt_dead", "evt_first", "evt_old"}
	if got := list(9, ledger.Pending, ledger.Dead); !slices.Equal(got, few) {
		t.Errorf("a few: %q", got)
	}
	must(t, l.write(t.Context(), func(tx *tx) error { // as many as count
		return tx.set(sqlCount, 1, string(ledger.Pending), fewEvents)
	}))
	if got := list(9, ledger.Pending, ledger.Dead); !slices.Equal(got, few) {
		t.Errorf("many: %q", got)
	}
	if got := list(1, ledger.Pending); !slices.Equal(got, []string{"evt_first"}) {
		t.Errorf("the newest of many: %q", got)
	}
}

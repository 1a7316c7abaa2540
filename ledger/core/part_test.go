package core_test

import (
	"path/filepath"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// TestPart: the payment of a foreign charge that turns out to be an attempt of another order is still found by its own, and goes first in its lane, also
// where an engine finds payments by their charges.
func TestPart(t *testing.T) {
	ctx := t.Context()
	l, err := sqlite.Open(ctx, sqlite.Options{File: filepath.Join(t.TempDir(), "ledger.db")})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	pay := &ledger.Event{Scope: live, ID: "evt_1", Type: "charge.succeeded", ObjectID: "ch_1", ChargeID: "ch_1", Number: "x", OrderNo: "p", Lane: "p",
		State: ledger.Pending, Created: noon, Received: noon, Due: noon,
		Change: &ledger.ChargeChange{Paid: true, TimePaid: noon}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: noon}}
	_, err = l.Append(ctx, pay)
	must(t, err)
	_, err = l.Reserve(ctx, ledger.Reservation{Scope: live, OrderNo: "o", Now: noon, Until: at(9), Number: func(int, int) string { return "o" }})
	must(t, err)
	must(t, l.Created(ctx, &ledger.Charge{Scope: live, OrderNo: "o", Number: "o", ID: "ch_1", Amount: 100, Currency: "cny", Created: noon, TimeExpire: at(60)}))
	_, err = l.Append(ctx, &ledger.Event{Scope: live, ID: "evt_2", Type: "order.refunded", ObjectID: "1", OrderNo: "p", Lane: "p", Rank: 1,
		State: ledger.Pending, Created: noon, Received: noon, Due: noon})
	must(t, err)
	es, err := l.Events(ctx, ledger.Filter{Scope: live, OrderNo: "p"})
	must(t, err)
	if len(es) != 2 {
		t.Errorf("its order has %d events", len(es))
	}
	if es, err = l.Claim(ctx, ledger.Claim{Scope: live, Owner: "a", Now: at(1), Until: at(9), Limit: 9}); err != nil || len(es) != 1 || es[0].ID != "evt_1" {
		t.Errorf("due are %d events, %v", len(es), err)
	}
}

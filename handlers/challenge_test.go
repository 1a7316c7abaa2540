package handlers

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// Money that is held, or was given back, is no payment to show something for.
func TestPaid(t *testing.T) {
	w := newWorld(t)
	login := w.session(payer)
	me, err := w.config.Sessions.Open(t.Context(), session.ForSession, login)
	if err != nil {
		t.Fatal(err)
	}
	event := func(id, number, change string, amount int64, c ledger.ChargeChange) {
		t.Helper()
		e := &ledger.Event{Scope: w.config.Scope, ID: "evt_" + id + change, Type: change, OrderNo: number, Number: number, ChargeID: id, ObjectID: id + change,
			State: ledger.Pending, Received: w.clock.Now(), Change: &c, Body: []byte("{}"), Source: ledger.Webhook, Lane: number}
		if c.Paid {
			e.Payment = &ledger.Payment{Amount: amount, Currency: "cny"}
		}
		if _, err := w.ledger.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	paid := ledger.ChargeChange{Paid: true, TimePaid: w.clock.Now()}
	for _, c := range []struct {
		order  string
		amount int64 // 0: not paid
		refund int64
		want   bool
	}{{"P1", 0, 0, false}, {"P2", 1999, 0, true}, {"P3", 1, 0, false}, {"P4", 1999, 999, true}, {"P5", 1999, 1999, false}} {
		id, number := w.created(login, c.order)
		if c.amount > 0 {
			event(id, number, "charge.succeeded", c.amount, paid)
		}
		if c.refund > 0 {
			event(id, number, "refund.succeeded", c.refund, ledger.ChargeChange{Refund: c.refund})
		}
		if got := w.site.Payments.Paid(t.Context(), me, c.order); got != c.want {
			t.Errorf("%s: %v", c.order, got)
		}
		other := me
		other.OpenID = stranger
		if w.site.Payments.Paid(t.Context(), other, c.order) || w.site.Payments.Paid(t.Context(), session.Identity{}, c.order) {
			t.Errorf("%s is paid for somebody else", c.order)
		}
	}
	w.ledger.Close()
	if w.site.Payments.Paid(t.Context(), me, "P2") {
		t.Error("a closed ledger says paid")
	}
}

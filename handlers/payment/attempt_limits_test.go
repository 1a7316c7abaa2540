package payment

import (
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/ledger"
)

// What is charged at Ping++ takes from the site's budget, and nothing else does; where it is spent the order is free again.
func TestChargesTakeFromTheBudget(t *testing.T) {
	s := newTill(t)
	l := limits.Default
	l.App = limits.Rate{N: 1, Per: time.Hour}
	s.pay.Budgets = limits.NewBudgets(l)
	first, created, p := s.buys("order1", payerA)
	if p != nil || !created {
		t.Fatal(p)
	}
	for range 2 {
		if c, created, p := s.buys("order1", payerA); p != nil || created || c.ID != first.ID {
			t.Errorf("handed out again: %v", p)
		}
	}
	s.says = `"amount":2000`
	for range 2 {
		if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "rate_limited" {
			t.Errorf("%v", p)
		}
	}
	if n := s.State(0).Calls["create_charge"]; n != 1 || len(s.Attempts(s.l, "order1")) != 1 || s.Known(s.l, first.ID).Superseded {
		t.Errorf("%d charges, %+v", n, s.Attempts(s.l, "order1"))
	}
	// The price that was told last is the one that a payment is compared with.
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, first.ID)
	es, err := s.l.Events(t.Context(), ledger.Filter{Scope: s.Scope, OrderNo: "order1"})
	if err != nil || len(es) != 1 {
		t.Errorf("%+v, %v", es, err)
	}
}

// While the backend is asked the order is held, and who holds it is on record, in case that is all that remains.
func TestOrderIsHeld(t *testing.T) {
	s := newTill(t)
	tried := false
	s.answers = func() {
		if s.asked != 2 {
			return
		}
		tried = true
		now := s.Clock.Now()
		_, err := s.l.Reserve(t.Context(), ledger.Reservation{Scope: s.Scope, OrderNo: "order1", Now: now, Until: now.Add(time.Second), Number: func(int, int) string { return "other" }})
		if !errors.Is(err, ledger.ErrReserved) {
			t.Errorf("another may pay it: %v", err)
		}
	}
	s.Fault("create_charge", "drop", 1)
	if _, _, p := s.buys("order1", payerA); p == nil || !tried {
		t.Fatal(p)
	}
	c := s.Attempts(s.l, "order1")[0]
	if c.State != ledger.Unknown || c.Channel != "wx_lite" || c.Host != "shop.example.com" || c.Payer != payerA || c.PayerAppID != "wx1" || c.NextQuery.IsZero() {
		t.Errorf("%+v", c)
	}
}

package payment

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Of a charge that takes the money by itself there is never a second one while the first may still take it.
func TestOneAtOnce(t *testing.T) {
	s := newTill(t)
	first, created, p := s.scans("order1")
	if p != nil || !created {
		t.Fatal(p)
	}
	s.says = `"amount":2000`
	s.After(10 * time.Second)
	for range 2 {
		if _, _, p := s.scans("order1"); p == nil || p.Code != "charge_in_progress" || p.RetryAfter != 50*time.Second {
			t.Fatalf("%v", p)
		}
	}
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "charge_in_progress" { // through another channel too
		t.Errorf("%v", p)
	}
	if n := s.State(0).Calls["create_charge"]; n != 1 {
		t.Errorf("%d charges", n)
	}
	s.After(50 * time.Second)
	second, created, p := s.scans("order1")
	if p != nil || !created || second.ID == first.ID || !s.Known(s.l, first.ID).Reversed {
		t.Fatalf("%+v %v", second, p)
	}
	// It was paid while nobody told us.
	s.Pay(second.ID)
	s.After(time.Minute)
	s.says = `"amount":2001`
	if _, _, p := s.scans("order1"); p == nil || p.Code != "order_already_paid" || !s.Known(s.l, second.ID).Paid {
		t.Errorf("%v", p)
	}
}

// One whose answer was lost is looked for first, and where Ping++ cannot say nothing is charged.
func TestAtOnceThatWasLost(t *testing.T) {
	s := newTill(t)
	s.Fault("create_charge", "drop", 1)
	if _, _, p := s.scans("order1"); p == nil {
		t.Fatal("it was not lost")
	}
	s.Fault("list_charges", "500", 30)
	s.After(time.Second)
	if _, _, p := s.scans("order1"); p == nil || p.Code != "charge_in_progress" || p.RetryAfter != 59*time.Second {
		t.Errorf("%v", p)
	}
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "charge_in_progress" {
		t.Errorf("%v", p)
	}
	if all := s.Attempts(s.l, "order1"); len(all) != 1 || all[0].State != ledger.Unknown || s.State(0).Calls["create_charge"] != 1 {
		t.Errorf("%+v", all)
	}
}

// An unknown attempt that takes nothing by itself holds up nobody, although Ping++ cannot say.
func TestUnknownHoldsUpNobody(t *testing.T) {
	s := newTill(t)
	s.Fault("create_charge", "drop", 1)
	if _, _, p := s.buys("order1", payerA); p == nil {
		t.Fatal("it was not lost")
	}
	s.Fault("list_charges", "500", 30)
	c, created, p := s.buys("order1", payerA)
	if p != nil || !created || len(s.Attempts(s.l, "order1")) != 2 || c.Number == "order1" {
		t.Errorf("%+v %v", c, p)
	}
}

// The channel says that the order is paid: whose payment that is, is looked for, and nobody is charged for it before that is known.
func TestNumberThatIsPaid(t *testing.T) {
	s := newTill(t)
	ch := s.Elsewhere("order1", 1999)
	s.Pay(ch.ID)
	_, _, p := s.buys("order1", payerA)
	if p == nil || p.Code != "order_already_paid" || !s.Known(s.l, ch.ID).Paid {
		t.Errorf("%v", p)
	}
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_already_paid" || s.State(0).Calls["create_charge"] > 3 {
		t.Errorf("%v", p)
	}
}

// Who may see an order as paid: whoever paid it, while the money is there.
func TestPaidRules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ledger.Charge)
		who    string
		order  string
		want   bool
	}{
		"paid": {func(*ledger.Charge) {}, payerA, "order1", true}, "by another": {func(*ledger.Charge) {}, payerB, "order1", false}, "no order": {func(*ledger.Charge) {}, payerA, "a b", false},
		"not paid": {func(c *ledger.Charge) { c.Paid = false }, payerA, "order1", false}, "held": {func(c *ledger.Charge) { c.Held = true }, payerA, "order1", false}, "reversed": {func(c *ledger.Charge) { c.Reversed = true }, payerA, "order1", false},
		"refunded": {func(c *ledger.Charge) { c.AmountRefunded = 5 }, payerA, "order1", false}, "refunded in part": {func(c *ledger.Charge) { c.AmountRefunded = 4 }, payerA, "order1", true},
	} {
		s := newTill(t)
		paid := ledger.Charge{ID: "ch_1", State: ledger.Open, Paid: true, Amount: 5, Payer: payerA, PayerAppID: "wx1"}
		c.change(&paid)
		s.l = attemptsOf{s.l, []ledger.Charge{{ID: "ch_0", State: ledger.Open}, paid}}
		if got := s.pay.Paid(t.Context(), sessionOf(c.who), c.order); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

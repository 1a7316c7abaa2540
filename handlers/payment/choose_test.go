package payment

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
)

// Which attempt is handed out again, and that none is where the order is paid, or said to be.
func TestChooseRules(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	a := &attempt{pay: &Payments{Now: func() time.Time { return now }}, channel: channel.Of("wx_lite"), req: &chargeRequest{OrderNo: "o1", Channel: "wx_lite"}, id: sessionOf(payerA)}
	q := &quote{OrderNo: "o1", Amount: 5, Currency: "cny", Subject: "s", Body: "b"}
	p, err := a.purchase(q)
	if err != nil {
		t.Fatal(err)
	}
	fits := func(id string) ledger.Charge {
		return ledger.Charge{ID: id, State: ledger.Open, Raw: []byte("{}"), Payer: payerA, PayerAppID: "wx1", Created: now, TimeExpire: now.Add(time.Hour), Fingerprint: p.Fingerprint()}
	}
	other := fits("ch_0")
	other.Fingerprint = "another"
	paid := fits("ch_9")
	paid.Paid, paid.Amount, paid.Payer = true, 5, payerB
	for name, c := range map[string]struct {
		attempts []ledger.Charge
		want     string // its id
		code     string
	}{
		"none":                        {nil, "", ""},
		"one that fits":               {[]ledger.Charge{other, fits("ch_1"), other}, "ch_1", ""},
		"the latest that fits":        {[]ledger.Charge{fits("ch_1"), fits("ch_2"), other}, "ch_2", ""},
		"none that fits":              {[]ledger.Charge{other}, "", ""},
		"paid by another":             {[]ledger.Charge{fits("ch_1"), paid}, "", "order_already_paid"},
		"said to be paid":             {[]ledger.Charge{fits("ch_1"), {State: ledger.Taken}}, "", "order_already_paid"},
		"said to be, and it is known": {[]ledger.Charge{fits("ch_1"), {State: ledger.Taken, ID: "ch_8"}}, "ch_1", ""},
	} {
		got, err := a.choose(c.attempts, q)
		if codeOf(err) != c.code || (got != nil) != (c.want != "") || got != nil && got.ID != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What takes the money by itself is handed out again as long as it fits, and is not made where the order is paid while the backend thinks.
func TestAtOnceIsHandedOutAgain(t *testing.T) {
	s := newTill(t)
	first, _, p := s.scans("order1")
	if p != nil {
		t.Fatal(p)
	}
	if c, created, p := s.scans("order1"); p != nil || created || c.ID != first.ID {
		t.Errorf("%+v %t %v", c, created, p)
	}
	c, _, p := s.buys("order2", payerA)
	if p != nil {
		t.Fatal(p)
	}
	asked, made := s.asked, s.State(0).Calls["create_charge"]
	s.answers = func() {
		if s.asked == asked+2 {
			s.PaidEverywhere(s.pay.Reconciler, s.l, c.ID)
		}
	}
	if _, _, p := s.scans("order2"); p == nil || p.Code != "order_already_paid" || s.State(0).Calls["create_charge"] != made {
		t.Errorf("%v", p)
	}
}

// An order that was closed and is open again is paid in time: the backend's last word counts, also where an attempt is handed out again.
func TestOpenAgain(t *testing.T) {
	s := newTill(t)
	c, _, p := s.buys("order1", payerA)
	if p != nil {
		t.Fatal(p)
	}
	open := s.says
	s.says += `,"status":"closed"`
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_closed" {
		t.Errorf("%v", p)
	}
	s.After(time.Second)
	s.says = open
	if again, created, p := s.buys("order1", payerA); p != nil || created || again.ID != c.ID {
		t.Errorf("%+v %v", again, p)
	}
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, c.ID)
	es, err := s.l.Events(t.Context(), ledger.Filter{Scope: s.Scope, OrderNo: "order1"})
	if err != nil || len(es) != 1 || es[0].Late != "" || es[0].State != ledger.Pending {
		t.Errorf("%+v, %v", es, err)
	}
}

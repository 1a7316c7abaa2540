package handlers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/ledger"
)

func (w *world) orderOf(orderNo string) (v merchant.OrderView) {
	w.t.Helper()
	a := w.merchant("GET", "/pay/orders/"+orderNo, "")
	if err := json.Unmarshal(a.body, &v); err != nil || a.status != 200 {
		w.t.Fatalf("%d %s, %v", a.status, a.body, err)
	}
	return v
}

func TestOrderShowsEverything(t *testing.T) {
	w := newWorld(t)
	wantProblem(t, w.merchant("GET", "/pay/orders/1001", ""), 404, "order_not_found")
	session := w.session(payer)
	first, _ := w.created(session, "1001")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	second, number := w.created(session, "1001")
	v := w.orderOf("1001")
	if v.Status != "created" || v.Mode != "test" || v.Amount != 2500 || v.Currency != "cny" || len(v.Charges) != 2 || v.Delivery.State != "none" || len(v.Refunds) != 0 {
		t.Errorf("%+v", v)
	}
	if c := v.Charges; *c[0].Charge != first || !c[0].Superseded || *c[1].Charge != second || c[1].Number != number || c[1].Superseded || c[1].TimePaid != nil {
		t.Errorf("%+v", v.Charges)
	}
	w.webhook(w.payEvent(second))
	v = w.orderOf("1001")
	if v.Status != "paid" || !v.Charges[1].Paid || *v.Charges[1].TimePaid != w.clock.Now().Unix() || v.Delivery.State != "pending" || v.Delivery.Events[0].NextTry == nil {
		t.Errorf("%+v", v)
	}
	// The shop's backend refuses it, and then takes it.
	event := v.Delivery.Events[0].ID
	claim := func() {
		t.Helper()
		now := w.clock.Now()
		if es, err := w.ledger.Claim(t.Context(), ledger.Claim{Scope: w.config.Scope, Owner: "a", Now: now, Until: now.Add(time.Minute), Limit: 1}); err != nil || len(es) != 1 {
			t.Fatal(es, err)
		}
	}
	claim()
	if err := w.ledger.Settle(t.Context(), "a", ledger.Delivery{Scope: w.config.Scope, EventID: event, Attempt: 1, At: w.clock.Now(), Status: 302, Error: "your backend answered 302 to /login", State: ledger.Pending, Due: w.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if e := w.orderOf("1001").Delivery.Events[0]; e.LastError == nil || *e.LastError != "your backend answered 302 to /login" || e.Attempts != 1 {
		t.Errorf("%+v", e)
	}
	claim()
	if err := w.ledger.Settle(t.Context(), "a", ledger.Delivery{Scope: w.config.Scope, EventID: event, Attempt: 2, At: w.clock.Now(), Status: 200, State: ledger.Delivered}); err != nil {
		t.Fatal(err)
	}
	if d := w.orderOf("1001").Delivery; d.State != "delivered" || d.Events[0].LastError != nil || d.Events[0].Settled == nil {
		t.Errorf("%+v", d)
	}
	// The cheaper attempt is paid as well: a person has to look.
	w.webhook(w.payEvent(first))
	v = w.orderOf("1001")
	if v.Status != "held" || v.Delivery.State != "held" || len(v.Delivery.Events[1].Reasons) == 0 {
		t.Errorf("%+v", v)
	}
	a := w.refunding("1001", "R1", 0)
	if wantProblem(t, a, 400, "refund_invalid"); len(a.field("charges").([]any)) != 2 {
		t.Errorf("%s", a.body)
	}
	w.fault("refund", "stuck", 1)
	// It goes back whole, and nobody has to look any more.
	a = w.merchant("POST", "/pay/refunds", `{"charge":"`+first+`","refund_no":"R1","description":"paid twice"}`)
	seen := len(w.sandbox.State(100).Events)
	w.settle(a.text("refund"), "succeed")
	w.events(seen)
	v = w.orderOf("1001")
	if v.Status != "paid" || v.Amount != 2500 || v.Charges[0].Status != "refunded" || v.Refunds[0].Status != "succeeded" || v.Delivery.State != "delivered" {
		t.Errorf("%+v", v)
	}
}

// One attempt was refused, or got no answer, before or after another one: the order is what Ping++ has of it.
func TestOrderWithAttemptsThatCameToNothing(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	status := func(when, status string, amount int64, attempts ...string) {
		t.Helper()
		v := w.orderOf("1001")
		if v.Status != status || v.Amount != amount || (v.Currency == "cny") != (amount > 0) || len(v.Charges) != len(attempts) {
			t.Errorf("%s: %+v", when, v)
			return
		}
		for i, want := range attempts {
			if got := v.Charges[i].Status; got != want {
				t.Errorf("%s: attempt %d is %s, want %s", when, i, got, want)
			}
		}
	}
	try := func(want int) answer {
		t.Helper()
		a := w.pay(session, "1001")
		if a.status != want {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a
	}
	w.fault("create_charge", "402", 1)
	try(402)
	status("refused", "created", 0, "refused")
	id := try(201).text("id")
	status("refused, created", "created", 1999, "refused", "created")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	w.fault("create_charge", "402", 1)
	try(402)
	status("refused, created, refused", "created", 1999, "refused", "created", "refused")
	w.fault("create_charge", "500", 1)
	try(503)
	status("and one without an answer", "created", 1999, "refused", "created", "refused", "unknown")
	w.webhook(w.payEvent(id))
	status("the first that Ping++ has is paid", "paid", 1999, "refused", "paid", "refused", "unknown")
	if a := w.refunding("1001", "R1", 0); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// A payment that is heard of before Ping++'s answer is recorded has an amount, and is not refunded since 0 is not below 0.
func TestOrderPaidBeforeItsAnswer(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1002")
	now := w.clock.Now()
	held, err := w.ledger.Reserve(t.Context(), ledger.Reservation{Scope: w.config.Scope, OrderNo: "1001", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "1001" }})
	if err == nil {
		_, err = w.ledger.Append(t.Context(), &ledger.Event{Scope: w.config.Scope, ID: "evt_1", Type: "charge.succeeded", ObjectID: "ch_1", ChargeID: "ch_1", OrderNo: "1001",
			Number: held.Number, Lane: "1001", Source: ledger.Webhook, Created: now, Received: now, Due: now, Body: []byte("{}"), State: ledger.Pending,
			Change: &ledger.ChargeChange{Paid: true, TimePaid: now}, Payment: &ledger.Payment{Amount: 700, Currency: "cny", Time: now}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if v := w.orderOf("1001"); v.Status != "paid" || v.Amount != 700 || v.Currency != "cny" || v.Charges[0].Amount != 700 {
		t.Errorf("%+v", v)
	}
	if v := w.orderOf("1002"); v.Status != "created" || *v.Charges[0].Charge != id {
		t.Errorf("%+v", v)
	}
}

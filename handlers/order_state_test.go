package handlers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/payment"
)

func (w *world) orderState(session, orderNo string) (v payment.OrderState) {
	w.t.Helper()
	a := w.do("GET", "/pay/orders/"+orderNo+"/state", "", "X-Pay-Session", session)
	if err := json.Unmarshal(a.body, &v); err != nil || a.status != 200 || v.OrderNo != orderNo || a.header.Get("X-Pay-Order-No") != orderNo {
		w.t.Fatalf("the state of %s: %d %s", orderNo, a.status, a.body)
	}
	return v
}

// An order's state, through its life, for its payer and for others.
func TestOrderState(t *testing.T) {
	w := newWorld(t)
	mine, theirs := w.session(payer), w.session(stranger)
	want := func(when, session, orderNo, status, charge string) {
		t.Helper()
		if got := w.orderState(session, orderNo); got.Status != status || got.Charge != charge {
			t.Errorf("%s: %+v, want %s with %q", when, got, status, charge)
		}
	}
	want("before a payment is begun", mine, "1001", "unknown", "")
	if n := len(w.attempts("1001")); n != 0 {
		t.Fatalf("asking has begun %d payments", n)
	}
	id, _ := w.created(mine, "1001")
	want("begun", mine, "1001", "unpaid", id)
	want("of a stranger", theirs, "1001", "unknown", "")
	asked := w.calls("retrieve_charge")
	w.clock.Add(2 * time.Second)
	want("a moment later", mine, "1001", "unpaid", id)
	if n := w.calls("retrieve_charge"); n != asked {
		t.Errorf("Ping++ was asked %d times about a charge of two seconds", n-asked)
	}
	w.clock.Add(time.Minute)
	w.paid(id)
	want("paid", mine, "1001", "paid", id)
	want("paid, of a stranger", theirs, "1001", "unknown", "")
	w.refunding("1001", "R1", 0)
	for _, re := range w.refundsAt(id) {
		w.settle(re.ID, "succeed")
	}
	w.events(0)
	want("refunded", mine, "1001", "refunded", id)

	// The webhook is late, and the payer asks.
	late, _ := w.created(mine, "1002")
	if err := w.sandbox.Pay(late); err != nil {
		t.Fatal(err)
	}
	want("paid a moment ago", mine, "1002", "unpaid", late)
	w.clock.Add(6 * time.Second)
	want("its webhook late", mine, "1002", "paid", late)

	// Nobody can pay it any more.
	closed, _ := w.created(mine, "1003")
	w.setQuote(w.answerQuote(map[string]any{"status": "closed"}))
	wantProblem(t, w.pay(mine, "1003"), 409, "order_closed")
	want("closed", mine, "1003", "closed", closed)
	w.clock.Add(3 * time.Hour)
	want("closed and lapsed", w.session(payer), "1003", "closed", closed)
}

// Two begin to pay one order: whoever did not pay it sees that it is paid, and nobody's charge.
func TestOrderStateOfTwoPayers(t *testing.T) {
	w := newWorld(t)
	first, second := w.session(payer), w.session(stranger)
	w.created(first, "1001")
	w.clock.Add(2 * time.Minute)
	id, _ := w.created(second, "1001")
	w.paid(id)
	if v := w.orderState(first, "1001"); v.Status != "paid" || v.Charge != "" {
		t.Errorf("for whoever did not pay it: %+v", v)
	}
	if v := w.orderState(second, "1001"); v.Status != "paid" || v.Charge != id {
		t.Errorf("for whoever did: %+v", v)
	}
}

func TestOrderStateRefusals(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	wantProblem(t, w.do("GET", "/pay/orders/1001/state", ""), 401, "session_missing")
	wantProblem(t, w.do("POST", "/pay/orders/1001/state", "{}", "X-Pay-Session", session), 405, "method_not_allowed")
	wantProblem(t, w.do("GET", "/pay/orders/10%2001/state", "", "X-Pay-Session", session), 400, "order_invalid")
	for _, path := range []string{"/pay/orders//state", "/pay/orders/1001/state/", "/pay/orders/1001/x/state"} {
		wantProblem(t, w.do("GET", path, "", "X-Pay-Session", session), 404, "not_found")
	}
}

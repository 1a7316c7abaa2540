package handlers

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

func (w *world) reversing(id string) answer {
	w.t.Helper()
	return w.merchant("POST", "/pay/charges/"+id+"/reverse", "")
}

func TestReverse(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	a := w.reversing(id)
	if wantProblem(t, a, 409, "charge_in_progress"); a.header.Get("Retry-After") != "60" || !strings.Contains(a.text("detail"), "WeChat") {
		t.Errorf("%s %s", a.header.Get("Retry-After"), a.body)
	}
	w.clock.Add(pingpp.ReverseWait)
	for range 2 {
		if a := w.reversing(id); a.status != 200 || a.text("status") != "reversed" || a.text("order_no") != "1001" || a.text("id") != id {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := w.calls("reverse_charge"); n != 1 {
		t.Errorf("reversed %d times", n)
	}
	if got := w.charge(w.session(payer), id, ""); got.text("status") != "reversed" {
		t.Errorf("%s", got.body)
	}
	wantProblem(t, w.reversing("ch_x"), 404, "charge_not_found")
	wantProblem(t, w.reversing(w.paidOrder("1002")), 409, "order_already_paid")
}

// The answer is lost: the charge is read again.
func TestReverseWhoseOutcomeIsUnknown(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	w.clock.Add(pingpp.ReverseWait)
	w.fault("reverse_charge", "502", 1)
	wantProblem(t, w.reversing(id), 503, "provider_unavailable")
	w.fault("reverse_charge", "drop", 1)
	if a := w.reversing(id); a.status != 200 || a.text("status") != "reversed" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// What a till has scanned can be reversed after it was paid. The backend is not told of a payment that it has not heard of and whose money went back.
func TestReversePaid(t *testing.T) {
	for _, heard := range []bool{false, true} {
		w := newWorld(t)
		id := w.scan(w.session(payer), "134567890123456781").text("id")
		body, sig := w.payEvent(id)
		if heard {
			if a := w.webhook(body, sig); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		wantProblem(t, w.reversing(id), 409, "charge_in_progress")
		w.clock.Add(pingpp.ReverseWait)
		for range 2 {
			if a := w.reversing(id); a.status != 200 || a.text("status") != "reversed" || a.field("paid") != true {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		event := queryID(id)
		if heard {
			event = w.sandbox.State(1).Events[0].ID
		}
		e, err := w.ledger.Event(t.Context(), w.config.Scope, event)
		if err != nil || e.State != ledger.Discarded || !slices.Equal(e.Reasons, []string{ledger.ReasonReversed}) {
			t.Errorf("heard %t: %+v, %v", heard, e, err)
		}
		if a := w.scan(w.session(payer), "134567890123456782"); a.status != 201 { // the order can be paid again
			t.Errorf("heard %t: %d %s", heard, a.status, a.body)
		}
	}
}

package handlers

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// beforeCall does something when Ping++ gets its next call of a kind, before it answers.
func (w *world) beforeCall(method, path string, do func()) {
	inner := w.outside.serving()
	var once sync.Once
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == method && r.URL.Path == path {
			once.Do(do)
		}
		inner.ServeHTTP(rw, r)
	}))
}

// Two browsers show a code of the same order. The one is paid: the other learns it, at once if it waits, and shows its code no more.
func TestOrderPaidInAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	one, two := &visitor{w: w}, &visitor{w: w}
	first, _ := one.pay("Q20001", "wx_pub_qr")
	second, _ := two.pay("Q20001", "wx_pub_qr")
	read := func(query string) answer { return one.do("GET", "/pay/charges/"+first+query, "") }
	if a := read(""); a.text("status") != "created" || a.field("order_paid") != false {
		t.Errorf("%s", a.body)
	}
	wantProblem(t, one.do("GET", "/pay/charges/"+first+"/qr.svg", ""), 409, "charge_superseded")
	if a := two.do("GET", "/pay/charges/"+second+"/qr.svg", ""); a.status != 200 {
		t.Errorf("the current code: %d %s", a.status, a.body)
	}

	answered := make(chan answer)
	go func() { answered <- read("?wait=60s") }()
	until(t, "the request to wait", func() bool { return w.config.Budgets.Waiting.Load() == 1 })
	begin := time.Now()
	w.paid(second)
	if a := <-answered; a.text("status") != "created" || a.field("order_paid") != true || a.field("paid") != false {
		t.Errorf("%s", a.body)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("after %s", took)
	}
	for _, picture := range []string{"qr.svg", "qr.png"} {
		a := one.do("GET", "/pay/charges/"+first+"/"+picture, "")
		if wantProblem(t, a, 409, "order_already_paid"); a.field("charge_id") != nil {
			t.Errorf("it names somebody else's charge: %s", a.body)
		}
	}
	if a := two.do("GET", "/pay/charges/"+second, ""); a.field("order_paid") != true || a.text("status") != "paid" {
		t.Errorf("%s", a.body)
	}
	if a := read("?wait=60s"); a.field("order_paid") != true { // at once
		t.Errorf("%s", a.body)
	}
}

// A payment that is held, or of a charge that we never saw, counts: nobody is to pay again while a person decides.
func TestOrderPaidByAHeldPayment(t *testing.T) {
	w := newWorld(t)
	v := &visitor{w: w}
	old, _ := v.pay("Q20001", "wx_pub_qr")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	current, _ := v.pay("Q20001", "wx_pub_qr")
	body, sig := w.payEvent(old)
	w.webhook(body, sig)
	a := v.do("GET", "/pay/charges/"+current, "")
	if a.field("order_paid") != true || a.text("status") != "created" {
		t.Errorf("%s", a.body)
	}
	if a := v.do("GET", "/pay/charges/"+current+"/qr.svg", ""); a.text("code") != "order_already_paid" || a.text("charge_id") != old {
		t.Errorf("%s", a.body)
	}
	if c := w.attempts("Q20001")[1]; !c.Superseded {
		t.Errorf("the other attempt stays open: %+v", c)
	}
}

// Paid while Ping++ makes another charge of the order: that one is handed to nobody, and is due for its reversal.
func TestChargeMadeWhileTheOrderIsPaid(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	first, _ := w.created(session, "1001")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	w.beforeCall("POST", "/v1/charges", func() {
		body, sig := w.payEvent(first)
		if a := w.webhook(body, sig); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	a := w.pay(session, "1001")
	if wantProblem(t, a, 409, "order_already_paid"); a.text("charge_id") != first {
		t.Errorf("%s", a.body)
	}
	all := w.attempts("1001")
	if len(all) != 2 || !all[1].Superseded || all[1].NextQuery.After(all[1].Created.Add(pingpp.ReverseWait)) {
		t.Errorf("%+v", all)
	}
}

// A webhook whose charge says that it is reversed is money at risk; for its payer it is held.
func TestWebhookOfAReversedCharge(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id := w.scan(session, "134567890123456781").text("id")
	w.clock.Add(pingpp.ReverseWait)
	if err := w.sandbox.Pay(id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.config.Pingpp.ReverseCharge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(w.outsideURL+"/sandbox/events", "application/json", strings.NewReader(`{"type":"charge.succeeded","charge":"`+id+`"}`))
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	ev := w.sandbox.State(1).Events[0]
	w.webhook(ev.Body, ev.Signature)
	e, err := w.ledger.Event(t.Context(), w.config.Scope, ev.ID)
	if err != nil || e.State != ledger.Held || !slices.Equal(e.Reasons, []string{ledger.ReasonReversed}) {
		t.Errorf("%+v, %v", e, err)
	}
	if a := w.charge(session, id, ""); a.text("status") != "held" || a.field("order_paid") != true {
		t.Errorf("%s", a.body)
	}
	wantProblem(t, w.scan(session, "134567890123456782"), 409, "order_already_paid")
	if err := w.ledger.Decide(t.Context(), ledger.Decision{Scope: w.config.Scope, EventID: ev.ID, Action: ledger.ActionDiscard, Now: w.clock.Now(), By: "test"}); err != nil {
		t.Fatal(err)
	}
	if a := w.charge(session, id, ""); a.text("status") != "reversed" || a.field("order_paid") != false {
		t.Errorf("discarded: %s", a.body)
	}
	if a := w.scan(session, "134567890123456783"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

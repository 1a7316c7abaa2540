package handlers

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
)

func (w *world) charge(session, id, query string) answer {
	w.t.Helper()
	return w.do("GET", "/pay/charges/"+id+query, "", "X-Pay-Session", session)
}

func TestGetCharge(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	a := w.charge(session, id, "")
	var got map[string]any
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != 200 || a.header.Get("X-Pay-Order-No") != "1001" {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	want := map[string]any{"id": id, "order_no": "1001", "channel": "wx_lite", "amount": 1999.0, "currency": "cny", "status": "created", "order_paid": false, "paid": false,
		"amount_refunded": 0.0, "time_paid": nil, "time_expire": float64(w.clock.Now().Add(2 * time.Hour).Unix())}
	for name, v := range want {
		if have, ok := got[name]; !ok || have != v {
			t.Errorf("%s is %v, want %v", name, have, v)
		}
		delete(got, name)
	}
	if len(got) != 0 {
		t.Errorf("other members: %v", got)
	}
	if a := w.do("HEAD", "/pay/charges/"+id, "", "X-Pay-Session", session); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD answered %d", a.status)
	}
	w.paid(id)
	if a := w.charge(session, id, ""); a.text("status") != "paid" || a.field("paid") != true || a.field("time_paid") != float64(w.clock.Now().Unix()) {
		t.Errorf("paid: %s", a.body)
	}
	w.clock.Add(time.Hour + 59*time.Minute)
	unpaid, _ := w.created(w.session(payer), "1002")
	w.clock.Add(2 * time.Hour)
	if a := w.charge(w.session(payer), unpaid, "?wait=60s"); a.text("status") != "expired" { // at once
		t.Errorf("expired: %s", a.body)
	}

	w2 := w.session(stranger)
	for name, a := range map[string]answer{
		"someone else's": w.charge(w2, id, ""), "unknown": w.charge(w2, "ch_unknown", ""), "not an id": w.charge(w2, "%27%20or%201=1", ""), "long": w.charge(w2, strings.Repeat("x", 5000), ""),
		"someone else's, waiting": w.charge(w2, id, "?wait=10s"), "someone else's note": w.charge(w2, id, "?client=success"),
	} {
		t.Run(name, func(t *testing.T) { wantProblem(t, a, 404, "charge_not_found") })
	}
	if c := w.attempts("1001")[0]; c.Client.Result != "" {
		t.Errorf("a stranger's note was taken: %+v", c.Client)
	}
	wantProblem(t, w.do("GET", "/pay/charges/"+id, ""), 401, "session_missing")
	wantProblem(t, w.do("POST", "/pay/charges/"+id, "{}", "X-Pay-Session", w2), 405, "method_not_allowed")
}

// Of a charge that we learned of by its webhook alone we know neither price nor expiry.
func TestChargeKnownByItsEventAlone(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.fault("create_charge", "drop", 1)
	w.pay(session, "1001")
	made := w.lastCharge()
	w.paid(made)
	wantProblem(t, w.charge(session, made, ""), 404, "charge_not_found")
	a := w.pay(session, "1001") // but it is paid
	wantProblem(t, a, 409, "order_already_paid")
}

func TestWaitValuesThatAreNone(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	for _, bad := range []string{"61", "61s", "-1", "-1s", "1h", "x", "NaN", "1e1", "25%20s", "99999999999999999999", "2562048h"} {
		a := w.charge(session, id, "?wait="+bad)
		wantProblem(t, a, 400, "field_forbidden")
		if a.text("field") != "wait" {
			t.Errorf("wait=%s: field %q", bad, a.text("field"))
		}
	}
}

func TestClientNote(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	for _, note := range []string{"success", "cancel", "fail", "fail"} {
		a := w.charge(session, id, "?client="+note)
		if a.status != 200 || a.text("status") != "created" {
			t.Errorf("client=%s was believed or refused: %d %s", note, a.status, a.body)
		}
		if got := w.attempts("1001")[0].Client; got.Result != note || !got.At.Equal(w.clock.Now()) {
			t.Errorf("recorded %+v, want %s", got, note)
		}
	}
	for _, bad := range []string{"paid", "SUCCESS", "%00"} {
		a := w.charge(session, id, "?client="+bad)
		wantProblem(t, a, 400, "field_forbidden")
		if a.text("field") != "client" {
			t.Errorf("client=%s: field %q", bad, a.text("field"))
		}
	}
}

// waiting starts a request that waits, and returns once it does.
func (w *world) waiting(ctx context.Context, session, id string) <-chan answer {
	w.t.Helper()
	before := w.config.Budgets.Waiting.Load()
	done := make(chan answer, 1)
	go func() {
		a, err := w.try(ctx, w.server, "GET", "/pay/charges/"+id+"?wait=60", "", "X-Pay-Session", session)
		if err != nil && ctx.Err() == nil {
			w.t.Error(err)
		}
		done <- a
	}()
	until(w.t, "the request waits", func() bool { return w.config.Budgets.Waiting.Load() > before })
	return done
}

func TestWaitEndsWhenItIsPaidHere(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	done := w.waiting(t.Context(), session, id)
	start := time.Now()
	w.paid(id)
	if a := <-done; a.text("status") != "paid" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if took := time.Since(start); took > 30*time.Second { // of the minute that it would have waited; TestWhenWaitingEnds has the exact time
		t.Errorf("it took %s", took)
	}
	if a := w.charge(session, id, "?wait=60"); a.text("status") != "paid" {
		t.Errorf("a wait for what is paid: %d %s", a.status, a.body)
	}
}

func TestWaitEndsWhenItIsPaidElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	second := httptest.NewTLSServer(w.handler(w.newSite(w.openLedger(), zap.NewNop())))
	defer second.Close()
	done := w.waiting(t.Context(), session, id)
	body, signature := w.payEvent(id)
	if a := w.doAt(second, "POST", "/pay/webhooks", body, "X-Pingplusplus-Signature", signature); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	if a := <-done; a.text("status") != "paid" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

func TestWaitEndsWithTheTimeAndTheConfiguration(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	if a := w.charge(session, id, "?wait=10ms"); a.status != 200 || a.text("status") != "created" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	done := []<-chan answer{w.waiting(t.Context(), session, id), w.waiting(t.Context(), session, id)}
	close(w.closing)
	for _, d := range done {
		if a := <-d; a.status != 200 || a.text("status") != "created" {
			t.Errorf("after a reload: %d %s", a.status, a.body)
		}
	}
	until(t, "nobody waits", func() bool { return w.config.Budgets.Waiting.Load() == 0 })
}

func TestWaitEndsWithTheClient(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	ctx, cancel := context.WithCancel(context.Background())
	done := w.waiting(ctx, session, id)
	cancel()
	<-done
	until(t, "the handler has returned", func() bool { return w.config.Budgets.Waiting.Load() == 0 })
	if n := w.logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 0 {
		t.Errorf("a client that went away is logged as an error: %v", w.logs.All())
	}
}

// What a client that went away leaves behind is no fault of ours, and nobody is to be woken for it.
func TestClientThatIsGoneIsNoError(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), sessionCtx{}, session))
	cancel()
	r := httptest.NewRequest("GET", "https://shop.example.com/pay/charges/"+id, nil).WithContext(ctx)
	rec := httptest.NewRecorder()
	w.site.ServeHTTP(rec, r)
	lines := w.logs.FilterMessage("refused").All()
	if rec.Code != 503 || len(lines) != 1 || lines[0].Level != zap.InfoLevel {
		t.Errorf("answered %d, logged %v", rec.Code, lines)
	}
}

func TestWaitersAreCapped(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	full := int64(limits.Default.Waiters)
	w.config.Budgets.Waiting.Store(full)
	a := w.charge(session, id, "?wait=60")
	wantProblem(t, a, 429, "rate_limited")
	if a.header.Get("Retry-After") == "" || w.config.Budgets.Waiting.Load() != full {
		t.Errorf("Retry-After %q, %d wait", a.header.Get("Retry-After"), w.config.Budgets.Waiting.Load())
	}
	if a := w.charge(session, id, ""); a.status != 200 {
		t.Errorf("without wait: %d", a.status)
	}
	w.config.Budgets.Waiting.Add(-1)
	if a := w.charge(session, id, "?wait=1ms"); a.status != 200 {
		t.Errorf("the last place: %d", a.status)
	}
}

// The ledger closes after a reload, when the last request is over; one that waits must not hang on it.
func TestWaitEndsWithTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	done := w.waiting(t.Context(), session, id)
	w.ledger.Close()
	if a := <-done; a.text("code") != "ledger_unavailable" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// The whole way: intake, ledger, relay, and a payer who waits.
func TestRelayDeliversWhatTheSiteTook(t *testing.T) {
	w := newWorld(t)
	r, err := relay.New(relay.Config{Scope: w.config.Scope, Ledger: w.ledger, Backend: w, Path: "/internal/pay/events", Token: redact.New(backendToken), Owner: t.Name(), Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	session := w.session(payer)
	w.created(session, "1001")
	w.setQuote(w.answerQuote(map[string]any{"amount": 5}))
	id, number := w.created(session, "1001")
	body, signature := w.payEvent(id)
	if a := w.webhook(body, signature); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	until(t, "the event is delivered", func() bool { return len(w.backend.exchanges("/internal/pay/events")) == 1 })
	e := w.backend.exchanges("/internal/pay/events")[0]
	if string(e.sent) != body || e.header.Get("X-Pingplusplus-Signature") != signature || e.header.Get("X-Pay-Order-No") != "1001" || number == "1001" || e.header.Get("X-Pay-Token") != backendToken ||
		"https://"+e.host != w.server.URL {
		t.Errorf("delivered: %+v", e)
	}
}

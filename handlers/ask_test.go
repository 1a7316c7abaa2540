package handlers

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func queryID(charge string) string { return "evt_q_" + charge + "_charge_succeeded" }

// No webhook comes: a payer who asks for an unpaid charge makes us ask Ping++, every five seconds at most.
func TestPayerAsks(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	ask := func(status string, calls int) {
		t.Helper()
		if a := w.charge(session, id, ""); a.status != 200 || a.text("status") != status {
			t.Errorf("answered %d %s, want %s", a.status, a.body, status)
		}
		if n := w.calls("get_charge"); n != calls {
			t.Errorf("%d calls to Ping++, want %d", n, calls)
		}
	}
	ask("created", 0) // too young: its webhook is on its way
	w.clock.Add(askAfter)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { w.charge(session, id, "") })
	}
	all.Wait()
	ask("created", 1)
	if err := w.sandbox.Pay(id); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(askAfter - time.Millisecond)
	ask("created", 1)
	w.clock.Add(time.Millisecond)
	ask("paid", 2)
	w.clock.Add(askAfter)
	ask("paid", 2)
	e, err := w.ledger.Event(t.Context(), w.config.Scope, queryID(id))
	if err != nil || e.Source != ledger.Query || e.State != ledger.Pending || e.OrderNo != "1001" || e.Host != w.server.Listener.Addr().String() {
		t.Errorf("%+v, %v", e, err)
	}
	if body, sig := w.sandbox.State(1).Events[0].Body, w.sandbox.State(1).Events[0].Signature; w.webhook(body, sig).text("result") != "same_effect" {
		t.Error("the webhook that comes at last has the effect again")
	}
	if a := w.charge(w.session(stranger), id, ""); a.status != 404 {
		t.Errorf("a stranger gets %d", a.status)
	}
}

// A stranger's questions, and those about charges that are not there, never reach Ping++.
func TestStrangersDoNotAsk(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	other := w.session(stranger)
	w.clock.Add(time.Minute)
	for _, path := range []string{id, "ch_nothing"} {
		wantProblem(t, w.charge(other, path, "?wait=1s&client=success"), 404, "charge_not_found")
	}
	if n := w.calls("get_charge"); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// While a request waits, Ping++ is asked too.
func TestWaitAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	w.clock.Add(askAfter)
	answered := make(chan answer)
	go func() { answered <- w.charge(session, id, "?wait=30s&client=success") }()
	until(t, "the first question", func() bool { return w.calls("get_charge") == 1 && w.config.Budgets.Waiting.Load() == 1 })
	if err := w.sandbox.Pay(id); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(askAfter)
	begin := time.Now()
	if a := <-answered; a.text("status") != "paid" {
		t.Errorf("answered %s", a.body)
	}
	if took := time.Since(begin); took > 20*time.Second { // of the 30 that it would have waited
		t.Errorf("after %s", took)
	}
	if c := w.attempts("1001")[0]; c.Client.Result != "success" {
		t.Errorf("%+v", c.Client)
	}
}

// Ping++ does not answer: nobody waits long for it, a webhook that comes meanwhile is seen at once, and a reload too.
func TestPingppHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	w.fault("get_charge", "slow", 100)
	w.clock.Add(askAfter)
	begin := time.Now()
	if a := w.charge(session, id, ""); a.status != 200 || a.text("status") != "created" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if took := time.Since(begin); took > 20*time.Second { // three seconds, and whatever this machine adds
		t.Errorf("after %s", took)
	}

	w.clock.Add(askAfter)
	answered := make(chan answer)
	go func() { answered <- w.charge(session, id, "?wait=30s") }()
	until(t, "the request to wait", func() bool { return w.config.Budgets.Waiting.Load() == 1 })
	w.clock.Add(askAfter)
	time.Sleep(waitPoll + 100*time.Millisecond) // by now it has asked
	body, sig := w.payEvent(id)
	begin = time.Now()
	if a := w.webhook(body, sig); a.status != 200 {
		t.Fatalf("webhook: %d %s", a.status, a.body)
	}
	if a := <-answered; a.text("status") != "paid" {
		t.Errorf("answered %s", a.body)
	}
	if took := time.Since(begin); took > 20*time.Second { // of the 30 that it would have waited; TestWhenWaitingEnds has the exact time
		t.Errorf("%s after the webhook", took)
	}

	id, _ = w.created(session, "1002")
	w.clock.Add(askAfter)
	go func() { answered <- w.charge(session, id, "?wait=30s") }()
	until(t, "the request to wait", func() bool { return w.config.Budgets.Waiting.Load() == 1 })
	begin = time.Now()
	close(w.closing)
	if a := <-answered; a.text("status") != "created" {
		t.Errorf("answered %s", a.body)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("%s after the reload", took)
	}
}

// Ping++ is down: the charge stays as it is, and the log says why.
func TestAskFails(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	w.clock.Add(askAfter)
	w.fault("get_charge", "401", 1)
	if a := w.charge(session, id, ""); a.status != 200 || a.text("status") != "created" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if n := w.logs.FilterMessageSnippet("could not be looked up").Len(); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// A payment that is held is the payer's all the same: they see it, and do not pay again.
func TestHeldCharge(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	old, _ := w.created(session, "1001")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	w.created(session, "1001") // takes the first one's place
	body, sig := w.payEvent(old)
	if a := w.webhook(body, sig); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := w.charge(session, old, ""); a.text("status") != "held" || a.field("paid") != true {
		t.Errorf("answered %s", a.body)
	}
	if a := w.pay(session, "1001"); a.text("charge_id") != old {
		wantProblem(t, a, 409, "order_already_paid")
		t.Errorf("it names %s", a.text("charge_id"))
	}
	decide := func(action ledger.Action) {
		t.Helper()
		event := w.sandbox.State(1).Events[0].ID
		if err := w.ledger.Decide(t.Context(), ledger.Decision{Scope: w.config.Scope, EventID: event, Action: action, Now: w.clock.Now(), By: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	decide(ledger.ActionRelease)
	if a := w.charge(session, old, ""); a.text("status") != "paid" {
		t.Errorf("released: %s", a.body)
	}
}

// Ping++'s clock is not ours: a payment after "closed" is late whichever of the two is ahead.
func TestLateByOurClock(t *testing.T) {
	for _, ahead := range []time.Duration{-30 * time.Second, 30 * time.Second} {
		w := newWorld(t)
		w.set(func(c *Config) { c.Now = func() time.Time { return w.clock.Now().Add(-ahead) } })
		w.config.Intake.Now = w.config.Now
		session := w.session(payer)
		id, _ := w.created(session, "1001")
		w.clock.Add(2 * time.Second)
		w.setQuote(w.answerQuote(map[string]any{"status": "closed"}))
		wantProblem(t, w.pay(session, "1001"), 409, "order_closed")
		w.clock.Add(2 * time.Second)
		body, sig := w.payEvent(id)
		if a := w.webhook(body, sig); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		e, err := w.ledger.Event(t.Context(), w.config.Scope, w.sandbox.State(1).Events[0].ID)
		if err != nil || e.Late != "closed" {
			t.Errorf("Ping++'s clock is %s ahead: %+v, %v", ahead, e, err)
		}
	}
}

// What the backend says about an order is recorded even when no charge comes of it: a payment after "closed" is late, and an
// attempt at the price of the last quote is not held.
func TestQuotesAreKept(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	w.clock.Add(time.Second)
	w.setQuote(w.answerQuote(map[string]any{"status": "closed"}))
	wantProblem(t, w.pay(session, "1001"), 409, "order_closed")
	w.clock.Add(time.Second)
	body, sig := w.payEvent(id)
	w.webhook(body, sig)
	e, err := w.ledger.Event(t.Context(), w.config.Scope, w.sandbox.State(1).Events[0].ID)
	if err != nil || e.Late != "closed" || e.State != ledger.Pending {
		t.Errorf("%+v, %v", e, err)
	}

	w.setQuote(w.answerQuote(nil))
	old, _ := w.created(session, "1002")
	w.clock.Add(time.Second)
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	w.created(session, "1002")
	w.clock.Add(time.Second)
	w.setQuote(w.answerQuote(nil)) // the old price again, but Ping++ refuses
	w.fault("create_charge", "401", 1)
	wantProblem(t, w.pay(session, "1002"), 502, "provider_rejected")
	body, sig = w.payEvent(old)
	w.webhook(body, sig)
	e, err = w.ledger.Event(t.Context(), w.config.Scope, w.sandbox.State(1).Events[0].ID)
	if err != nil || e.State != ledger.Pending || len(e.Reasons) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestNextQuery(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.QueryAfter = 90 * time.Second })
	w.created(w.session(payer), "1001")
	if c := w.attempts("1001")[0]; !c.NextQuery.Equal(w.clock.Now().Add(90 * time.Second)) {
		t.Errorf("%s, at %s", c.NextQuery, w.clock.Now())
	}
}

func TestCounters(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var got []string
	keep := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, s)
	}
	w.set(func(c *Config) {
		c.Count = Counters{Charge: func(channel, result string) { keep(channel + " " + result) }, Webhook: keep}
	})
	w.config.Intake.Observe = func(source ledger.Source, result string) { keep(string(source) + " " + result) }
	session := w.session(payer)
	check := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("counted %q, want %q", got, want)
		}
		got = nil
	}
	id, _ := w.created(session, "1001")
	w.pay(session, "1001")
	w.do("POST", "/pay/charges", `{"order_no":"1001","channel":"x"}`, "X-Pay-Session", session) // a client's word is no label
	w.setQuote(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) })
	w.pay(session, "1002")
	check("wx_lite created", "wx_lite reused", "wx_lite order_not_found")
	body, sig := w.payEvent(id)
	for _, s := range []string{sig, sig, "", "x", " "} {
		w.webhook(body, s)
	}
	w.send("{}")
	w.ledger.Close()
	w.webhook(body, sig)
	check("webhook recorded", "webhook duplicate", "missing", "not_base64", "webhook duplicate", "malformed", "unavailable")
}

// A refund whose payment Ping++ cannot tell us of is not refused for the ledger's sake.
func TestRefundWhilePingppIsDown(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	if err := w.sandbox.Pay(id); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(w.outsideURL+"/sandbox/refunds", "application/json", strings.NewReader(`{"charge":"`+id+`","amount":100,"status":"succeeded"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	e := w.sandbox.State(1).Events[0]
	w.fault("get_charge", "500", 3)
	wantProblem(t, w.webhook(e.Body, e.Signature), 503, "provider_unavailable")
	if w.recorded(e.ID) {
		t.Error("recorded without its payment")
	}
	if a := w.webhook(e.Body, e.Signature); a.status != 200 || !w.recorded(queryID(id)) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// An unsigned test event that Ping++ does not know is refused; and Ping++ is not asked without limit.
func TestUnsignedEventsAreBounded(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	body, _ := w.payEvent(id)
	const sig = "X-Pingplusplus-Signature"
	forged := strings.ReplaceAll(body, w.sandbox.State(1).Events[0].ID, "evt_forged000000000000000")
	wantProblem(t, w.do("POST", "/pay/webhooks", forged, sig, " "), 401, "signature_missing")
	wantProblem(t, w.do("POST", "/pay/webhooks", strings.ReplaceAll(forged, `"livemode":false`, `"livemode":true`), sig, " "), 401, "signature_missing")
	last := 0
	for range 40 {
		if last = w.do("POST", "/pay/webhooks", forged, sig, " ").status; last == http.StatusServiceUnavailable {
			break
		}
	}
	if last != http.StatusServiceUnavailable || w.calls("get_event") > 30 {
		t.Errorf("%d calls, the last answered %d", w.calls("get_event"), last)
	}
	if !w.recorded("evt_forged000000000000000") {
		return
	}
	t.Error("a forged event was recorded")
}

package handlers

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
)

func sign(t testing.TB, body string) string {
	t.Helper()
	signature, err := pingpp.Sign(pingppKey(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// payEvent lets the user pay, and returns the webhook that says so.
func (w *world) payEvent(chargeID string) (body, signature string) {
	w.t.Helper()
	if err := w.sandbox.Pay(chargeID); err != nil {
		w.t.Fatal(err)
	}
	e := w.sandbox.State(1).Events[0]
	return e.Body, e.Signature
}

func (w *world) lastCharge() string {
	raw, _ := json.Marshal(w.sandbox.State(1).Charges[0])
	var c struct{ ID string }
	_ = json.Unmarshal(raw, &c)
	return c.ID
}

func (w *world) webhook(body, signature string) answer {
	w.t.Helper()
	return w.do("POST", "/pay/webhooks", body, "X-Pingplusplus-Signature", signature)
}

// send signs a body as Ping++ does.
func (w *world) send(body string) answer {
	w.t.Helper()
	return w.webhook(body, sign(w.t, body))
}

// recorded reports whether an event is in the ledger, for another process too.
func (w *world) recorded(id string) bool {
	w.t.Helper()
	l, err := w.openLedger().Event(context.Background(), w.config.Scope, id)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		w.t.Error(err)
	}
	return err == nil && l.ID == id
}

func refund(id, charge string) string {
	return fmt.Sprintf(`{"id":"evt_%s","object":"event","type":"refund.succeeded","created":1790000000,"livemode":false,"data":{"object":{`+
		`"id":"re_%s","object":"refund","charge":%q,"amount":100,"succeed":true,"status":"succeeded","created":1790000000}}}`, id, id, charge)
}

func TestWebhookIsOnDiskBefore200(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	body, signature := w.payEvent(id)
	event := w.sandbox.State(1).Events[0].ID
	if w.recorded(event) {
		t.Fatal("recorded before it came")
	}
	a := w.webhook(body, signature)
	if a.status != 200 || a.text("result") != "recorded" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	if !w.recorded(event) {
		t.Error("200, but another process does not see the event")
	}
	e, err := w.ledger.Event(context.Background(), w.config.Scope, event)
	if err != nil || string(e.Body) != body || e.Signature != signature || e.OrderNo != "1001" || e.ChargeID != id || e.Source != ledger.Webhook || e.State != ledger.Pending {
		t.Errorf("recorded: %+v, %v", e, err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := w.webhook(body, signature); a.status != 200 || a.text("result") != "duplicate" {
				t.Errorf("a duplicate: %d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	again := strings.Replace(body, event, "evt_another", 1) // the same payment in another event
	if a := w.send(again); a.status != 200 || a.text("result") != "same_effect" {
		t.Errorf("the same effect: %d %s", a.status, a.body)
	}
	line := w.logs.FilterMessage("event accepted").All()[0].ContextMap()
	if line["order_no"] != "1001" || line["event"] != event || line["result"] != "recorded" {
		t.Errorf("the log line: %v", line)
	}
}

func TestWebhookRefusals(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	body, signature := w.payEvent(id)
	other, err := pingpp.Sign(newKey(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(body), "", "  "); err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(w.handler(w.site))
	defer plain.Close()
	post := func(body string, header ...string) answer { return w.do("POST", "/pay/webhooks", body, header...) }
	const sig = "X-Pingplusplus-Signature"
	blank := func(body string) answer { return post(body, sig, "   ") }
	foreign := strings.ReplaceAll(body, w.sandbox.App(), "app_another")
	live := strings.ReplaceAll(body, `"livemode":false`, `"livemode":true`)
	mixed := strings.Replace(body, `"livemode":false`, `"livemode":true`, 1)
	for _, c := range []struct {
		name   string
		answer answer
		status int
		code   string
		reason string // in the log
	}{
		{"missing", post(body), 401, "signature_missing", "missing"},
		{"blank, of an event that Ping++ does not know", blank(strings.ReplaceAll(body, w.sandbox.State(1).Events[0].ID, "evt_400000000000000000000000")), 401, "signature_missing", "empty"},
		{"blank, live", blank(live), 401, "signature_missing", "empty"},
		{"blank, not JSON", blank("hello"), 400, "event_malformed", "malformed"},
		{"not base64", post(body, sig, "***"), 401, "signature_invalid", "not_base64"},
		{"base64 of something", post(body, sig, "aGVsbG8="), 401, "signature_invalid", "not_base64"},
		{"a good and a bad one", post(body, sig, "***", sig, signature), 401, "signature_invalid", "several"},
		{"two that differ, joined", post(body, sig, other+","+signature), 401, "signature_invalid", "several"},
		{"url alphabet", post(body, sig, strings.NewReplacer("+", "-", "/", "_").Replace(signature)+"-"), 401, "signature_invalid", "not_base64"},
		{"wrong key", post(body, sig, other), 401, "signature_invalid", "wrong_key"},
		{"altered body", post(strings.Replace(body, `"amount":1999`, `"amount":1`, 1), sig, signature), 401, "signature_invalid", "wrong_key"},
		{"a space more", post(body+" ", sig, signature), 401, "signature_invalid", "wrong_key"},
		{"indented", post(indented.String(), sig, signature), 401, "signature_invalid", "wrong_key"},
		{"empty body", post("", sig, signature), 401, "signature_invalid", "wrong_key"},
		{"too large", post(strings.Repeat(" ", 256<<10+1), sig, signature), 413, "too_large", ""},

		{"signed, not JSON", w.send("hello"), 400, "event_malformed", "malformed"},
		{"signed, empty", w.send(" "), 400, "event_malformed", "malformed"},
		{"signed, null", w.send("null"), 400, "event_malformed", "malformed"},
		{"signed, an answer of the API", w.send(`{"object":"list","data":[]}`), 400, "event_malformed", "malformed"},
		{"live event", w.send(live), 403, "mode_mismatch", "mode"},
		{"live event of a test charge", w.send(mixed), 403, "mode_mismatch", "mode"},
		{"other app", w.send(foreign), 403, "app_mismatch", "app"},
		{"other app's scope", w.send(`{"id":"evt_1","type":"transfer.succeeded","livemode":false,"scope":"app_another","data":{"object":{"id":"tr_1","object":"transfer"}}}`), 403, "app_mismatch", "app"},
		{"refund of nobody's charge", w.send(refund("1", "ch_unknown")), 403, "app_mismatch", "app"},

		{"GET", w.do("GET", "/pay/webhooks", ""), 405, "method_not_allowed", ""},
		{"PUT", w.do("PUT", "/pay/webhooks", body, sig, signature), 405, "method_not_allowed", ""},
		{"plain HTTP", w.doAt(plain, "POST", "/pay/webhooks", body, sig, signature), 403, "https_required", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantProblem(t, c.answer, c.status, c.code)
			if c.status == 405 && c.answer.header.Get("Allow") != "POST" {
				t.Errorf("Allow %q", c.answer.header.Get("Allow"))
			}
			if c.reason == "" {
				return
			}
			lines := w.logs.FilterMessage("webhook refused").FilterField(zap.String("reason", c.reason)).All()
			if len(lines) == 0 || lines[0].ContextMap()["advice"] == "" {
				t.Errorf("no log line names the reason %s", c.reason)
			}
		})
	}
	for _, e := range []string{"evt_1", w.sandbox.State(1).Events[0].ID} {
		if w.recorded(e) {
			t.Errorf("the refused event %s was stored", e)
		}
	}
	if c := w.attempts("1001")[0]; c.Paid {
		t.Error("a refused webhook paid the order")
	}
	if a := w.webhook(body, signature); a.status != 200 {
		t.Errorf("the good one: %d %s", a.status, a.body)
	}
}

func TestWebhookOfTheLargestSize(t *testing.T) {
	w := newWorld(t)
	body := `{"id":"evt_1","type":"summary.daily.available","livemode":false,"data":{"object":{"object":"app_daily_summary","app_id":"` + w.sandbox.App() + `"}}}`
	body += strings.Repeat(" ", 256<<10-len(body))
	if a := w.send(body); a.status != 200 || a.text("result") != "recorded" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

func TestSecondWebhookKey(t *testing.T) {
	w := newWorld(t)
	verifier, err := pingpp.NewVerifier(&merchantKey().PublicKey, &pingppKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(c *Config) { c.Verifier = verifier })
	id, _ := w.created(w.session(payer), "1001")
	w.paid(id)
}

func TestRefundIsBoundThroughItsCharge(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	w.paid(id)
	asked := w.calls("get_charge")
	if a := w.send(refund("A", id)); a.status != 200 || a.text("result") != "recorded" || w.calls("get_charge") != asked {
		t.Errorf("through the ledger: %d %s", a.status, a.body)
	}
	if a := w.charge(session, id, ""); a.field("amount_refunded") != 100.0 || a.text("status") != "paid" {
		t.Errorf("partly refunded: %s", a.body)
	}

	// Made with our key, but not by us.
	unseen, err := w.config.Pingpp.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: "9001suffix", Channel: "wx_lite", Amount: 100, Currency: "cny", ClientIP: "192.0.2.1", Subject: "x", Body: "x",
		Extra: map[string]any{"open_id": payer}, Metadata: map[string]any{"pay_order_no": "9001"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.fault("get_charge", "500", 3)
	a := w.send(refund("B", unseen.ID))
	wantProblem(t, a, 503, "provider_unavailable")
	if a.header.Get("Retry-After") == "" || w.recorded("evt_B") {
		t.Error("Ping++ was down: no Retry-After, or the event was stored")
	}
	w.fault("get_charge", "401", 1) // our key is wrong: that says nothing about the charge
	wantProblem(t, w.send(refund("B", unseen.ID)), 503, "provider_unavailable")
	w.fault("get_charge", "200_error", 1)
	wantProblem(t, w.send(refund("B", unseen.ID)), 503, "provider_unavailable")
	w.fault("get_charge", "wrong_charge", 1)
	wantProblem(t, w.send(refund("B", unseen.ID)), 503, "provider_unavailable")
	if a := w.send(refund("B", unseen.ID)); a.status != 200 {
		t.Errorf("through Ping++: %d %s", a.status, a.body)
	}
	if e, err := w.ledger.Event(context.Background(), w.config.Scope, "evt_B"); err != nil || e.OrderNo != "9001" || e.ChargeID != unseen.ID {
		t.Errorf("recorded: %+v, %v", e, err)
	}
}

// Ping++ knows the charge, but it is another app's.
func TestRefundOfAnotherAppsCharge(t *testing.T) {
	w := newWorld(t)
	other, err := sandbox.New(sandbox.Config{Now: w.clock.Now, TestKey: w.sandbox.TestKey(), SigningKey: pingppKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w.outside.put(other)
	theirs, err := pingpp.New(pingpp.Config{App: other.App(), Key: redact.New(other.TestKey()), Endpoint: w.outsideURL, Transport: w.transport, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	c, err := theirs.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: "1001", Channel: "wx_lite", Amount: 100, Currency: "cny", ClientIP: "192.0.2.1", Subject: "x", Body: "x", Extra: map[string]any{"open_id": payer},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, w.send(refund("C", c.ID)), 403, "app_mismatch")
	if w.recorded("evt_C") {
		t.Error("another app's refund was stored")
	}
}

func TestWebhookAndTheLedgerIsClosed(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	body, signature := w.payEvent(id)
	w.ledger.Close()
	for name, a := range map[string]answer{"charge": w.webhook(body, signature), "refund": w.send(refund("1", "ch_1"))} {
		wantProblem(t, a, 503, "ledger_unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
	w.set(func(c *Config) {
		c.Ledger = func(context.Context) (ledger.Ledger, error) { return nil, errors.New("the disk is full") }
	})
	wantProblem(t, w.webhook(body, signature), 503, "ledger_unavailable")
}

// While another process holds the file's lock nothing is durable, so nothing may be a 200.
func TestWebhookCanceledWhileTheLedgerIsBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	body, signature := w.payEvent(id)
	event := w.sandbox.State(1).Events[0].ID

	db, err := sql.Open("sqlite", w.file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}

	// The handler itself, so that its answer is seen although the client is gone.
	rec := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequest("POST", "https://shop.example.com/pay/webhooks", strings.NewReader(body)).WithContext(ctx)
	r.Header.Set("X-Pingplusplus-Signature", signature)
	reading := make(chan struct{})
	open := w.config.Intake.Ledger
	w.config.Intake.Ledger = func(ctx context.Context) (ledger.Ledger, error) {
		close(reading)
		return open(ctx)
	}
	done := make(chan struct{})
	go func() { defer close(done); w.site.ServeHTTP(rec, r) }()
	<-reading
	select {
	case <-done:
		t.Fatalf("answered %d while the ledger is blocked", rec.Code)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	<-done          // its client is gone: it may end before the lock does
	var stored bool // as its own connection sees it: to open the ledger takes the lock
	if err := conn.QueryRowContext(context.Background(), "SELECT EXISTS (SELECT 1 FROM events WHERE id = ?)", event).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if rec.Code == 200 && !stored {
		t.Error("200, and not stored")
	}
	if rec.Code != 503 {
		t.Errorf("answered %d", rec.Code)
	}
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	w.config.Intake.Ledger = open
	if a := w.webhook(body, signature); a.status != 200 || !w.recorded(event) {
		t.Errorf("Ping++ comes again: %d %s", a.status, a.body)
	}
}

func TestRefusalLogIsLimited(t *testing.T) {
	w := newWorld(t)
	for range 30 {
		w.webhook("{}", "***")
	}
	w.do("POST", "/pay/webhooks", "{}") // another reason has lines of its own
	lines := func(reason string) int {
		return w.logs.FilterMessage("webhook refused").FilterField(zap.String("reason", reason)).Len()
	}
	if lines("not_base64") != 5 || lines("missing") != 1 || w.logs.FilterMessage("refused").Len() != 0 {
		t.Errorf("%d and %d lines: %v", lines("not_base64"), lines("missing"), w.logs.All())
	}
	w.clock.Add(10 * time.Second)
	w.webhook("{}", "***")
	all := w.logs.FilterMessage("webhook refused").FilterField(zap.String("reason", "not_base64")).All()
	if len(all) != 6 || all[5].ContextMap()["not_logged_before"] != int64(25) {
		t.Errorf("the next line: %v", all[len(all)-1].ContextMap())
	}
}

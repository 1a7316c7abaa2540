package test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// The failures of payment systems that are on record, each by name, against the real thing: what is answered, what the ledger
// holds, and what the backend gets. The site adds one more: its error pages answer 200 with the very word that other
// gateways take for a receipt.
func TestInTheWild(t *testing.T) {
	t.Parallel()
	const site = `
https://localhost:<port> {
	<pay>
	reverse_proxy <backend>
	handle_errors {
		respond "success" 200
	}
}
`
	test := newStage(t, false).start(site)
	live := newStage(t, true).start(site)
	asking := newStage(t, false).start(strings.Replace(site, "<pay>", "pay {"+accounts+events+"\treconcile {\n\t\tafter 1s\n\t}\n}\n", 1))
	for _, tt := range []struct {
		name string
		s    *stage
		run  func(t *testing.T, s *stage)
	}{
		{"amount", live, wildAmount},
		{"currency", live, wildCurrency},
		{"wrong recipient", live, wildRecipient},
		{"test taken as live", live, wildTestAsLive},
		{"live at a test site", test, wildLiveAtTest},
		{"empty signature", live, wildEmptySignature},
		{"unsigned test event", test, wildUnsignedTest},
		{"failure answered with 200", test, wildFalse200},
		{"replay", live, wildReplay},
		{"double fulfilment", test, wildDouble},
		{"late payment", live, wildLate},
		{"missed callback", asking, wildMissed},
		{"unbounded body", test, wildUnbounded},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, tt.s) })
	}
}

// payment makes the event with which Ping++ would tell of a charge's payment, changed and then signed with Ping++'s own key: it
// is genuine, whatever it says.
func (s *stage) payment(chargeID string, change func(charge map[string]any)) webhook {
	s.t.Helper()
	raw, err := json.Marshal(s.box.State(1000).Charges)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all {
		if c["id"] != chargeID {
			continue
		}
		c["paid"], c["time_paid"], c["credential"] = true, time.Now().Unix(), map[string]any{}
		change(c)
		w := s.event("", func(e map[string]any) { e["data"] = map[string]any{"object": c} })
		w.Charge = chargeID
		return w
	}
	s.t.Fatalf("the sandbox has no charge %s", chargeID)
	return webhook{}
}

// unheard checks that the backend got none of these events, once it has got one that was sent after them.
func (s *stage) unheard(t *testing.T, ids ...string) {
	t.Helper()
	s.heardOnce(t)
	for _, id := range ids {
		if n := len(s.backend.events(id)); n != 0 {
			t.Errorf("the backend heard %s %d times", id, n)
		}
	}
}

// heardOnce checks the same of events that it should have got once.
func (s *stage) heardOnce(t *testing.T, ids ...string) {
	t.Helper()
	after := s.succeeded("AFTER" + rand.Text()[:12])
	s.accept(after)
	s.backend.await(t, after.ID, 1)
	for _, id := range ids {
		if n := len(s.backend.events(id)); n != 1 {
			t.Errorf("the backend heard %s %d times, want once", id, n)
		}
	}
}

// refused checks that a webhook is refused with a code, and leaves no trace in the ledger and at the backend.
func (s *stage) refused(t *testing.T, w webhook, status int, code string) {
	t.Helper()
	checkProblem(t, s.send("/pay/webhooks", w), status, code)
	s.untouched(t, w.ID)
	s.unheard(t, w.ID)
}

// untouched checks that an event is in the ledger in neither mode.
func (s *stage) untouched(t *testing.T, id string) {
	t.Helper()
	l := s.ledger()
	for _, scope := range []ledger.Scope{{App: s.box.App(), Mode: ledger.Test}, {App: s.box.App(), Mode: ledger.Live}} {
		if e, err := l.Event(t.Context(), scope, id); err != ledger.ErrNotFound {
			t.Errorf("the ledger holds %s as %+v, %v", id, e, err)
		}
	}
}

// held checks that a genuine event of a wrong payment waits for a person, that its order counts as paid, and that the backend has
// heard nothing.
func (s *stage) held(t *testing.T, w webhook, session, orderNo, reason string) {
	t.Helper()
	s.accept(w)
	e := s.awaitState(t, s.ledger(), w.ID, ledger.Held)
	if !slices.Equal(e.Reasons, []string{reason}) {
		t.Errorf("it is held for %q, want %s", e.Reasons, reason)
	}
	checkProblem(t, s.charge(session, orderNo), http.StatusConflict, "order_already_paid")
	s.unheard(t, w.ID)
}

// status is what the payer sees of a charge.
func (s *stage) status(session, chargeID string) string {
	s.t.Helper()
	var view struct{ Status string }
	s.call("GET", "/pay/charges/"+chargeID, nil, "X-Pay-Session", session).into(s.t, &view)
	return view.Status
}

// A client names its own price; Ping++ reports a payment of another amount than was charged.
func wildAmount(t *testing.T, s *stage) {
	_, session := s.login()
	a := s.call("POST", "/pay/charges", map[string]any{"order_no": "AMOUNT1", "channel": "wx_lite", "amount": 1}, "X-Pay-Session", session)
	checkProblem(t, a, http.StatusBadRequest, "field_forbidden")
	id := s.newCharge(session, "AMOUNT1")
	w := s.payment(id, func(c map[string]any) { c["amount"], c["amount_settle"] = 1, 1 })
	s.held(t, w, session, "AMOUNT1", ledger.ReasonAmount)
	if got := s.status(session, id); got != "held" {
		t.Errorf("the payer sees %q, want held", got)
	}
	// A person lets it through: then the backend is told what is wrong with it.
	release := []string{"pay", "events", "release", w.ID, "--address", fmt.Sprintf("localhost:%d", s.admin)}
	if _, stderr, code := command(t, s.dir, s.env(), release...); code != 1 || !strings.Contains(stderr, "a reason is missing") {
		t.Errorf("caddy pay events release without a reason: exit code %d\n%s", code, stderr)
	}
	if _, stderr, code := command(t, s.dir, s.env(), append(release, "--reason", "paid the rest in cash")...); code != 0 {
		t.Fatalf("caddy pay events release: exit code %d\n%s", code, stderr)
	}
	if got := s.backend.await(t, w.ID, 1)[0].Header.Get("X-Pay-Mismatch"); got != "amount" {
		t.Errorf("X-Pay-Mismatch is %q, want amount", got)
	}
}

func wildCurrency(t *testing.T, s *stage) {
	_, session := s.login()
	id := s.newCharge(session, "CURRENCY1")
	s.held(t, s.payment(id, func(c map[string]any) { c["currency"] = "usd" }), session, "CURRENCY1", ledger.ReasonCurrency)
}

// Another shop's payment with Ping++'s genuine signature: a charge that names another app, and a refund, which names none.
func wildRecipient(t *testing.T, s *stage) {
	_, session := s.login()
	id := s.newCharge(session, "RECIPIENT1")
	s.refused(t, s.payment(id, func(c map[string]any) { c["app"] = "app_somebodyelses0" }), http.StatusForbidden, "app_mismatch")
	refund := s.event("", func(e map[string]any) {
		e["type"] = "refund.succeeded"
		e["data"] = map[string]any{"object": map[string]any{
			"id": "re_" + rand.Text()[:24], "object": "refund", "order_no": "R1", "amount": 100, "created": time.Now().Unix(), "succeed": true,
			"status": "succeeded", "time_succeed": time.Now().Unix(), "description": "x", "metadata": map[string]any{}, "charge": "ch_somebodyelses00000000000",
		}}
	})
	s.refused(t, refund, http.StatusForbidden, "app_mismatch")
	if got := s.status(session, id); got != "created" {
		t.Errorf("the payer sees %q, want created", got)
	}
	_, stranger := s.login()
	checkProblem(t, s.call("GET", "/pay/charges/"+id, nil, "X-Pay-Session", stranger), http.StatusNotFound, "charge_not_found")
}

// A payment without money. Its bytes are genuine; only half of it may say live.
func wildTestAsLive(t *testing.T, s *stage) {
	object := func(e map[string]any) map[string]any { return e["data"].(map[string]any)["object"].(map[string]any) }
	s.refused(t, s.event("MODE1", func(e map[string]any) { e["livemode"], object(e)["livemode"] = false, false }), http.StatusForbidden, "mode_mismatch")
	s.refused(t, s.event("MODE3", func(e map[string]any) { e["livemode"] = false }), http.StatusForbidden, "mode_mismatch")
	half := s.event("MODE2", func(e map[string]any) { object(e)["livemode"] = false }) // a person decides: Ping++ signed it
	s.accept(half)
	if e := s.awaitState(t, s.ledger(), half.ID, ledger.Held); !slices.Equal(e.Reasons, []string{ledger.ReasonUnreadable}) {
		t.Errorf("it is held for %q", e.Reasons)
	}
	s.unheard(t, half.ID)
	real := s.succeeded("MODE4")
	s.accept(real)
	if got := s.backend.await(t, real.ID, 1)[0].Header.Get("X-Pay-Mode"); got != "live" {
		t.Errorf("X-Pay-Mode is %q, want live", got)
	}
}

func wildLiveAtTest(t *testing.T, s *stage) {
	s.refused(t, s.event("MODE1", func(e map[string]any) {
		e["livemode"], e["data"].(map[string]any)["object"].(map[string]any)["livemode"] = true, true
	}), http.StatusForbidden, "mode_mismatch")
	test := s.succeeded("MODE2")
	s.accept(test)
	if got := s.backend.await(t, test.ID, 1)[0].Header.Get("X-Pay-Mode"); got != "test" {
		t.Errorf("X-Pay-Mode is %q, want test: the backend must be able to tell", got)
	}
}

// In live mode no signature is no event, however it is missing.
func wildEmptySignature(t *testing.T, s *stage) {
	w := s.succeeded("SIGNATURE1")
	checkProblem(t, s.call("POST", "/pay/webhooks", w.Body), http.StatusUnauthorized, "signature_missing")
	for signature, code := range map[string]string{
		"": "signature_missing", " ": "signature_missing", "\t\t": "signature_missing",
		"null": "signature_invalid", "AAAA": "signature_invalid", "WECHATPAY/SIGNTEST/" + w.Signature: "signature_invalid",
		w.Signature[:len(w.Signature)-4]: "signature_invalid", w.Signature + ", AAAA": "signature_invalid",
		sign(t, strangerKey, w.Body): "signature_invalid", sign(t, pingppKey, append(w.Body, ' ')): "signature_invalid",
	} {
		a := s.send("/pay/webhooks", webhook{Body: w.Body, Signature: signature})
		if a.StatusCode != http.StatusUnauthorized || a.code() != code {
			t.Errorf("signature %q: %s\nwant 401 %s", signature, a, code)
		}
	}
	s.untouched(t, w.ID)
	s.unheard(t, w.ID)
	if n := s.box.State(0).Calls["get_event"]; n != 0 {
		t.Errorf("Ping++ was asked for %d events: in live mode nothing can stand in for a signature", n)
	}
}

// Older accounts send test events unsigned. What counts is what Ping++ says when it is asked, not what the webhook says.
func wildUnsignedTest(t *testing.T, s *stage) {
	made := s.succeeded("UNSIGNED1")
	made.Signature = ""
	s.refused(t, made, http.StatusUnauthorized, "signature_missing")

	_, session := s.login()
	id := s.newCharge(session, "UNSIGNED2")
	if err := s.box.SetFault("webhook", "missing", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	real := s.box.State(1).Events[0]
	altered := strings.Replace(real.Body, `"amount":100,`, `"amount":1,`, 1)
	if altered == real.Body {
		t.Fatal("there is no amount to alter")
	}
	s.accept(webhook{ID: real.ID, Body: []byte(altered)})
	if h := s.backend.await(t, real.ID, 1)[0]; string(h.Body) != real.Body {
		t.Errorf("the backend got\n%s\nand Ping++ says\n%s", h.Body, real.Body)
	}
}

// A failure is no 2xx: a wrong signature above, and here a ledger that another program has locked. Ping++ comes again.
func wildFalse200(t *testing.T, s *stage) {
	_, session := s.login()
	id := s.newCharge(session, "FALSE1")
	unlock := s.lockLedger(t)
	if err := s.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	event := s.box.State(1).Events[0]
	eventually(t, time.Minute, func() error {
		tried := s.box.State(1).Events[0].Deliveries[0].Attempts
		if len(tried) == 0 {
			return errorf("the webhook has no answer yet")
		}
		if tried[0].Status != http.StatusServiceUnavailable {
			return &fatalError{errorf("with the ledger locked it was answered %d %s %s, want 503", tried[0].Status, tried[0].Snippet, tried[0].Error)}
		}
		return nil
	})
	if n := len(s.backend.events(event.ID)); n != 0 {
		t.Errorf("the backend heard an event that is in no ledger, %d times", n)
	}
	unlock()
	s.backend.await(t, event.ID, 1)
	s.awaitState(t, s.ledger(), event.ID, ledger.Delivered)
	s.heardOnce(t, event.ID)
	d := s.box.State(1).Events[0].Deliveries[0]
	if last := d.Attempts[len(d.Attempts)-1]; d.Status != "delivered" || last.Status != http.StatusOK || len(d.Attempts) < 2 {
		t.Errorf("for Ping++ it is %s after %d tries", d.Status, len(d.Attempts))
	}
}

// lockLedger takes the ledger's lock, as another program may, until unlock.
func (s *stage) lockLedger(t *testing.T) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", s.file("ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	eventually(t, shortly, func() error { // between two of its writes
		_, err := db.Exec("BEGIN IMMEDIATE")
		return err
	})
	unlock = sync.OnceFunc(func() {
		if _, err := db.Exec("ROLLBACK"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	t.Cleanup(unlock)
	return unlock
}

// A captured webhook comes again: at once, after kill -9 and a new start, and as another event about the same payment.
func wildReplay(t *testing.T, s *stage) {
	w := s.succeeded("REPLAY1")
	result := func(w webhook) string {
		a := s.send("/pay/webhooks", w)
		var got struct{ Result string }
		a.into(t, &got)
		if a.StatusCode != http.StatusOK {
			t.Errorf("answered %s", a)
		}
		return got.Result
	}
	if got := result(w); got != "recorded" {
		t.Errorf("first: %s", got)
	}
	s.backend.await(t, w.ID, 1)
	s.awaitState(t, s.ledger(), w.ID, ledger.Delivered)
	if got := result(w); got != "duplicate" {
		t.Errorf("again: %s", got)
	}
	s.caddy.kill()
	s.restart()
	if got := result(w); got != "duplicate" {
		t.Errorf("after a new start: %s", got)
	}
	forged := webhook{ID: w.ID + "x", Body: bytes.Replace(w.Body, []byte(w.ID), []byte(w.ID+"x"), 1), Signature: w.Signature}
	s.refused(t, forged, http.StatusUnauthorized, "signature_invalid")
	twin := s.event("REPLAY1", func(e map[string]any) { e["data"].(map[string]any)["object"].(map[string]any)["id"] = w.Charge })
	if got := result(twin); got != "same_effect" {
		t.Errorf("the same payment under another id: %s", got)
	}
	s.awaitState(t, s.ledger(), twin.ID, ledger.Filtered)
	s.heardOnce(t, w.ID)
	s.unheard(t, twin.ID)
}

// One payment is fulfilled once: Ping++ sends it twice, the backend's first answer is lost, and then the order is paid again.
func wildDouble(t *testing.T, s *stage) {
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, r *http.Request, h heard) {
			if h.Nth == 1 && h.Header.Get("X-Pay-Order-No") == "DOUBLE1" {
				panic(http.ErrAbortHandler) // it has done its work, and nobody learns of it
			}
			fmt.Fprint(w, "success")
		}
	})
	_, session := s.login()
	id := s.newCharge(session, "DOUBLE1")
	if err := s.box.SetFault("webhook", "duplicate", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	event := s.box.State(1).Events[0]
	s.backend.await(t, event.ID, 2)
	eventually(t, shortly, func() error {
		if n := len(s.box.State(1).Events[0].Deliveries[0].Attempts); n < 2 {
			return errorf("Ping++ has sent it %d times", n)
		}
		return nil
	})
	s.awaitState(t, s.ledger(), event.ID, ledger.Delivered)
	again := s.event("DOUBLE1", func(map[string]any) {}) // another charge pays the same order
	s.held(t, again, session, "DOUBLE1", ledger.ReasonPaidTwice)
	for _, h := range s.backend.events("") {
		if h.Header.Get("X-Pay-Order-No") == "DOUBLE1" && h.ID != event.ID {
			t.Errorf("the order was fulfilled again, by %s", h.ID)
		}
	}
	if n := len(s.backend.events(event.ID)); n != 2 {
		t.Errorf("the backend heard it %d times, want 2 under one webhook-id: one answer was lost", n)
	}
}

// A payment after the charge expired, and one after the backend had closed the order, are delivered and marked.
func wildLate(t *testing.T, s *stage) {
	_, session := s.login()
	expired := s.payment(s.newCharge(session, "LATE1"), func(c map[string]any) {
		expires, _ := c["time_expire"].(json.Number).Int64()
		c["time_paid"] = expires + 1
	})
	closed := s.newCharge(session, "LATE2")
	s.backend.script(func() {
		open := s.backend.quote
		s.backend.quote = func(orderNo string) (int, any) {
			if orderNo == "LATE2" {
				return http.StatusGone, nil
			}
			return open(orderNo)
		}
	})
	checkProblem(t, s.charge(session, "LATE2"), http.StatusConflict, "order_closed")
	inTime := s.newCharge(session, "LATE3")
	second := time.Now().Unix()
	eventually(t, shortly, func() error { // Ping++ tells the second of a payment
		if time.Now().Unix() == second {
			return errorf("the second is not over")
		}
		return nil
	})
	s.accept(expired)
	if h := s.backend.await(t, expired.ID, 1)[0]; h.Header.Get("X-Pay-Late") != "expired" {
		t.Errorf("X-Pay-Late is %q, want expired", h.Header.Get("X-Pay-Late"))
	}
	for id, want := range map[string]string{closed: "closed", inTime: ""} {
		if err := s.box.Pay(id); err != nil {
			t.Fatal(err)
		}
		event := s.box.State(1).Events[0].ID
		if h := s.backend.await(t, event, 1)[0]; h.Header.Get("X-Pay-Late") != want {
			t.Errorf("X-Pay-Late of %s is %q, want %q", h.Header.Get("X-Pay-Order-No"), h.Header.Get("X-Pay-Late"), want)
		}
		if e := s.awaitState(t, s.ledger(), event, ledger.Delivered); e.Late != want {
			t.Errorf("the ledger says late: %q, want %q", e.Late, want)
		}
	}
}

// The webhook never comes: Ping++ is asked. When it comes after all, nobody hears of the payment again.
func wildMissed(t *testing.T, s *stage) {
	_, session := s.login()
	id := s.newCharge(session, "MISSED1")
	if err := s.box.SetFault("webhook", "missing", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	never := s.box.State(1).Events[0]
	asked := "evt_q_" + id + "_charge_succeeded"
	h := s.backend.await(t, asked, 1)[0]
	if h.Header.Get("X-Pay-Source") != "query" || h.Header.Get("X-Pay-Charge") != id || h.Header.Get("X-Pay-Order-No") != "MISSED1" {
		t.Errorf("the backend got %v", h.Header)
	}
	if got := s.status(session, id); got != "paid" {
		t.Errorf("the payer sees %q, want paid", got)
	}
	s.accept(webhook{ID: never.ID, Body: []byte(never.Body), Signature: never.Signature})
	s.awaitState(t, s.ledger(), never.ID, ledger.Filtered)
	s.heardOnce(t, asked)
	s.unheard(t, never.ID)
}

// Bodies that are too long, or never end, whoever sends them.
func wildUnbounded(t *testing.T, s *stage) {
	const limit = 256 << 10
	pad := func(size int) webhook {
		w := s.succeeded("BODY" + rand.Text()[:8])
		w.Body = append(w.Body, bytes.Repeat([]byte{' '}, size-len(w.Body))...)
		w.Signature = sign(t, pingppKey, w.Body)
		return w
	}
	fits := pad(limit)
	s.accept(fits)
	s.backend.await(t, fits.ID, 1)
	s.refused(t, pad(limit+1), http.StatusRequestEntityTooLarge, "too_large")

	// A webhook without end is answered all the same.
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url("/pay/webhooks"), io.MultiReader(bytes.NewReader(fits.Body), spaces{}))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Pingplusplus-Signature", fits.Signature)
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless webhook was answered %d, want 413", resp.StatusCode)
	}

	// So is a charge, when Ping++'s answer has no end.
	_, session := s.login()
	if err := s.box.SetFault("create_charge", "endless", 1); err != nil {
		t.Fatal(err)
	}
	checkProblem(t, s.charge(session, "BODY1"), http.StatusServiceUnavailable, "provider_unavailable")
	s.box.ClearFaults()

	// And a delivery, when the backend's has none: what it begins with is no page, and so a receipt.
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, r *http.Request, h heard) {
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("success "), 1024)); err != nil {
					return
				}
			}
		}
	})
	w := s.succeeded("BODY2")
	s.accept(w)
	s.awaitState(t, s.ledger(), w.ID, ledger.Delivered)
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, _ *http.Request, _ heard) { fmt.Fprint(w, "success") }
	})
	if err := s.caddy.running(); err != nil {
		t.Error(err)
	}
}

// spaces is white space without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

package handlers

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A balance takes the money at once and cannot be reversed. That a minute has passed is worth nothing while Ping++ does not say that nobody
// has paid.
func TestSecondChargeWhilePingppCannotSay(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.setQuote(w.answerQuote(map[string]any{"extra": map[string]any{"user": "u1"}}))
	if a := w.do("POST", "/pay/charges", `{"order_no":"10000001","channel":"balance"}`, "X-Pay-Session", session); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.setQuote(w.answerQuote(nil))
	w.clock.Add(settleTime)
	w.fault("get_charge", "502", 9)
	a := w.do("POST", "/pay/charges", `{"order_no":"10000001","channel":"wx_pub_qr"}`, "X-Pay-Session", session)
	wantProblem(t, a, 409, "charge_in_progress")
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
}

// The order is paid through another channel while the backend names the price for a code that a till has read: that code must not take the
// money a second time, and nothing after it would see that.
func TestCodeReadWhileTheOrderIsPaid(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	w.setInside(func(rw http.ResponseWriter, r *http.Request) {
		body, sig := w.payEvent(id)
		if a := w.webhook(body, sig); a.status != 200 {
			t.Errorf("webhook: %d %s", a.status, a.body)
		}
		w.answerQuote(map[string]any{"subject": "黑茶"})(rw, r) // another purchase, so that the first charge is not handed out again
	})
	wantProblem(t, w.scan(session, "134567890123456781"), 409, "order_already_paid")
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
}

// A charge of a scanned code was paid, no webhook came, and it has lapsed since: before the next code is tried, Ping++ is asked.
func TestSecondCodeAfterALapsedOneThatIsPaid(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	first := w.scan(session, "134567890123456781").text("id")
	if err := w.sandbox.Pay(first); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(25 * time.Hour)
	if c := w.attempts("1001")[0]; w.clock.Now().Before(c.Lapses()) || c.NextQuery.IsZero() {
		t.Fatalf("it has not lapsed, or is no longer looked up: %+v", c)
	}
	wantProblem(t, w.scan(w.session(payer), "134567890123456782"), 409, "order_already_paid")
	w.wantStates("1001", ledger.Open)
	if !w.attempts("1001")[0].Paid {
		t.Error("its payment is not recorded")
	}
}

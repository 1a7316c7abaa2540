package handlers

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/sandbox"
)

// scan asks for a charge of the code that a till has read.
func (w *world) scan(session, code string) answer {
	w.t.Helper()
	return w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"1001","channel":"wx_pub_scan","extra":{"scan_code":%q}}`, code), "X-Pay-Session", session)
}

// A charge of a scanned code takes the money by itself. Nobody is charged again while an earlier one may do so.
func TestChargeAtOnceThatIsLost(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.fault("create_charge", "drop", 1)
	wantProblem(t, w.scan(session, "134567890123456781"), 503, "provider_unavailable")
	w.fault("list_charges", "502", 3)
	a := w.scan(session, "134567890123456782")
	if wantProblem(t, a, 409, "charge_in_progress"); a.header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.clock.Add(61 * time.Second)
	w.fault("list_charges", "502", 3)
	wantProblem(t, w.scan(session, "134567890123456783"), 409, "charge_in_progress")
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
	w.sandbox.ClearFaults()
	if a := w.scan(session, "134567890123456784"); a.status != 201 { // it is there, and the payer did not pay
		t.Errorf("answered %d %s", a.status, a.body)
	}
	w.wantStates("1001", ledger.Open, ledger.Open)
	if first := w.attempts("1001")[0]; !first.Reversed {
		t.Errorf("the first may still take the money: %+v", first)
	}
}

func TestChargeAtOnceThatNeverArrived(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.fault("create_charge", "500", 1)
	w.scan(session, "134567890123456781")
	w.wantStates("1001", ledger.Unknown)
	wantProblem(t, w.scan(session, "134567890123456782"), 409, "charge_in_progress")
	w.clock.Add(61 * time.Second)
	if a := w.scan(session, "134567890123456783"); a.status != 201 {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// The payment's webhook has not come yet when the till reads the next code.
func TestChargeAtOnceThatIsPaid(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	a := w.scan(session, "134567890123456781")
	if a.status != 201 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	wantProblem(t, w.scan(session, "134567890123456782"), 409, "charge_in_progress") // the payer may be typing a password
	w.payEvent(a.text("id"))
	again := w.scan(session, "134567890123456783")
	if wantProblem(t, again, 409, "order_already_paid"); again.text("charge_id") != a.text("id") {
		t.Errorf("%s", again.body)
	}
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
}

// The payer does not pay: before a second code is tried the first charge is reversed, and while that is not certain nothing is tried.
func TestSecondCodeAfterReversal(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	first := w.scan(session, "134567890123456781").text("id")
	a := w.scan(session, "134567890123456782")
	if wantProblem(t, a, 409, "charge_in_progress"); a.header.Get("Retry-After") != "60" || w.calls("reverse_charge") != 0 {
		t.Errorf("in WeChat's first minute: Retry-After %q, %d reversals", a.header.Get("Retry-After"), w.calls("reverse_charge"))
	}
	w.clock.Add(pingpp.ReverseWait)
	for _, fault := range []string{"402", "500", "502", "429"} {
		w.fault("reverse_charge", fault, 9)
		a := w.scan(session, "134567890123456782")
		if wantProblem(t, a, 409, "charge_in_progress"); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", fault)
		}
		w.sandbox.ClearFaults()
	}
	if n := w.calls("create_charge"); n != 1 {
		t.Fatalf("%d charges while the first might take the money", n)
	}
	w.fault("reverse_charge", "drop", 1) // it has happened all the same
	if a := w.scan(session, "134567890123456782"); a.status != 201 || a.text("id") == first {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if err := w.sandbox.Pay(first); !errors.Is(err, sandbox.ErrChargeReversed) {
		t.Errorf("the first can still be paid: %v", err)
	}
	if c := w.attempts("1001")[0]; !c.Reversed {
		t.Errorf("%+v", c)
	}
}

// Alipay's charges are reversed right away.
func TestSecondCodeAtAlipay(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.setQuote(w.answerQuote(map[string]any{"extra": map[string]any{"terminal_id": "t1"}}))
	scan := func(code string) answer {
		return w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"1001","channel":"alipay_scan","extra":{"scan_code":%q}}`, code), "X-Pay-Session", session)
	}
	for i := range 3 {
		if a := scan(fmt.Sprint("28763843825664394", i)); a.status != 201 {
			t.Fatalf("answered %d %s", a.status, a.body)
		}
	}
	for i, c := range w.attempts("1001") {
		if c.Reversed != (i < 2) {
			t.Errorf("attempt %d: %+v", i, c)
		}
	}
}

// The payer types the password at the moment of the reversal: the money goes back, the second code is charged, and the backend hears of that alone.
func TestSecondCodeAfterMoneyWentBack(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	first := w.scan(session, "134567890123456781").text("id")
	w.clock.Add(pingpp.ReverseWait)
	w.beforeCall("POST", "/v1/charges/"+first+"/reverse", func() { _ = w.sandbox.Pay(first) })
	second := w.scan(session, "134567890123456782")
	if second.status != 201 {
		t.Fatalf("answered %d %s", second.status, second.body)
	}
	e := w.sandbox.State(1).Events[0]
	w.webhook(e.Body, e.Signature) // the first one's, late
	body, sig := w.payEvent(second.text("id"))
	w.webhook(body, sig)
	states := map[string]ledger.State{}
	es, err := w.ledger.Events(t.Context(), ledger.Filter{Scope: w.config.Scope, OrderNo: "1001"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		states[e.ChargeID+" "+string(e.Source)] = e.State
	}
	want := map[string]ledger.State{first + " query": ledger.Discarded, first + " webhook": ledger.Filtered, second.text("id") + " webhook": ledger.Pending}
	if !maps.Equal(states, want) {
		t.Errorf("%v, want %v", states, want)
	}
}

// A balance cannot be reversed: what Ping++ calls unpaid a minute later has come to nothing.
func TestSecondChargeOfABalance(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.setQuote(w.answerQuote(map[string]any{"extra": map[string]any{"user": "u1"}}))
	if a := w.do("POST", "/pay/charges", `{"order_no":"10000001","channel":"balance"}`, "X-Pay-Session", session); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.setQuote(w.answerQuote(nil))
	other := func() answer {
		return w.do("POST", "/pay/charges", `{"order_no":"10000001","channel":"wx_pub_qr"}`, "X-Pay-Session", session)
	}
	wantProblem(t, other(), 409, "charge_in_progress")
	w.clock.Add(settleTime)
	if a := other(); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

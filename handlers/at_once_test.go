package handlers

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
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

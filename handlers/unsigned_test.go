package handlers

import (
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// Older Ping++ accounts send test events with a blank signature. Nothing of such a webhook is believed but its id.
func TestUnsignedTestEvents(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	body, _ := w.payEvent(id)
	event := w.sandbox.State(1).Events[0]
	const sig = "X-Pingplusplus-Signature"

	w.fault("get_event", "502", 10)
	wantProblem(t, w.do("POST", "/pay/webhooks", body, sig, " "), 503, "provider_unavailable")
	if w.recorded(event.ID) {
		t.Fatal("recorded without Ping++'s word")
	}
	w.sandbox.ClearFaults()

	forged := strings.Replace(body, `"amount":1999`, `"amount":1`, 1)
	if a := w.do("POST", "/pay/webhooks", forged, sig, " "); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	e, err := w.ledger.Event(t.Context(), w.config.Scope, event.ID)
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Body) != event.Body || e.Signature != "" {
		t.Errorf("recorded %s, signature %q; Ping++ says %s", e.Body, e.Signature, event.Body)
	}
	if c := w.attempts("1001")[0]; !c.Paid {
		t.Error("the confirmed event did not pay the order")
	}
	if e.State != ledger.Pending {
		t.Errorf("state %s, reasons %v", e.State, e.Reasons)
	}
}

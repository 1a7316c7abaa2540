package handlers

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// A live site takes a blank signature from nobody, and asks Ping++ about none; an event of Ping++'s that does not say its mode is not
// refused for that.
func TestWebhooksOfALiveSite(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.Scope.Mode, c.Intake.Scope.Mode = ledger.Live, ledger.Live })
	body := `{"id":"evt_1","object":"event","type":"charge.succeeded","created":1790000000,"livemode":false,"data":{"object":{"id":"ch_1","object":"charge"}}}`
	wantProblem(t, w.do("POST", "/pay/webhooks", body, "X-Pingplusplus-Signature", " "), 401, "signature_missing")
	if n := w.calls("get_event"); n != 0 {
		t.Errorf("Ping++ was asked %d times about an unsigned event", n)
	}
	wantProblem(t, w.send(body), 403, "mode_mismatch")
	a := w.send(`{"id":"evt_2","object":"event","type":"charge.succeeded","created":1790000000,"data":{"object":{"id":"ch_1","object":"charge","app":"` + w.sandbox.App() + `"}}}`)
	if a.status != 200 {
		t.Errorf("an event without a mode: %d %s", a.status, a.body)
	}
	if e := w.event("evt_2"); e.State != ledger.Held {
		t.Errorf("%s %v", e.State, e.Reasons)
	}
}

package handlers

import "testing"

// A slash too many in Ping++'s dashboard loses no webhook, and what another handler might take for the prefix is answered by us.
func TestSpellingsOfTheWebhook(t *testing.T) {
	w := newWorld(t)
	const event = "evt_spelling"
	body := about(event, "moon.risen", `{"app":"`+w.sandbox.App()+`"}`)
	signature := sign(t, body)
	for _, p := range []string{"/pay/webhooks", "//pay/webhooks", "/pay//webhooks", "/pay/webhooks/", "///pay///webhooks//", "/%70ay/webhooks", "/pay%2Fwebhooks"} {
		if a := w.do("POST", p, body, "X-Pingplusplus-Signature", signature); a.status != 200 || a.text("result") == "" {
			t.Errorf("%s answered %d %s", p, a.status, a.body)
		}
	}
	for _, p := range []string{"/Pay/webhooks", "/PAY/WEBHOOKS", "/pay/Webhooks", "/pay/./webhooks", "/x/../pay/webhooks", "/pay/x/../webhooks", "/%50ay/webhooks", "/pay/%2e/webhooks",
		"/pay/webhooks/x", "/pay/webhooks.", "/pay/webhooks%20", "/pay//charges", "/pay/charges/"} {
		wantProblem(t, w.do("POST", p, body, "X-Pingplusplus-Signature", signature), 404, "not_found")
	}
}

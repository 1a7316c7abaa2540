package test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// What the backend receives of an event, as the design promises it.
func TestWhatTheBackendReceives(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	old := "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG9sZA=="
	block := strings.Replace(payBlock, "{env.PAY_EVENTS_SECRET}", "{env.PAY_EVENTS_SECRET} "+old, 1)
	s.start("https://shop.example.com:<port>, " + strings.TrimSpace(strings.Replace(plainSite, "<pay>", block, 1)) + "\n")
	_, session := s.login()
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, _ *http.Request, h heard) {
			if h.Nth == 1 {
				http.Error(w, "not yet", http.StatusServiceUnavailable)
			}
		}
	})
	const orderNo = "B10001"
	id := s.newCharge(session, orderNo)
	if err := s.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	eventually(t, shortly, func() error {
		if n := len(s.backend.events("")); n < 2 {
			return errorf("the backend heard %d events", n)
		}
		return nil
	})
	sent := s.box.State(1).Events[0]
	heard := s.backend.await(t, sent.ID, 2)
	for i, h := range heard[:2] {
		if h.Method != "POST" || !bytes.Equal(h.Body, []byte(sent.Body)) {
			t.Errorf("attempt %d is %s with the body\n%s\nwant POST with\n%s", i+1, h.Method, h.Body, sent.Body)
		}
		if want := strings.TrimPrefix(s.url(""), "https://"); h.Host != want {
			t.Errorf("Host is %q, want the public one, %q", h.Host, want)
		}
		for name, want := range map[string]string{
			"X-Pingplusplus-Signature": sent.Signature,
			"Webhook-Id":               sent.ID,
			"X-Pay-Event":              "charge.succeeded",
			"X-Pay-Order-No":           orderNo,
			"X-Pay-Charge":             id,
			"X-Pay-Mode":               "test",
			"X-Pay-Source":             "webhook",
			"X-Pay-Attempt":            []string{"1", "2"}[i],
			"X-Pay-Replay":             "",
			"X-Pay-Token":              s.token,
			"X-Forwarded-Proto":        "https",
			"X-Forwarded-Host":         strings.TrimPrefix(s.url(""), "https://"),
			"X-Wx-Openid":              "",
			"Authorization":            "",
			"Cookie":                   "",
		} {
			if got := h.Header.Values(name); strings.Join(got, "|") != want {
				t.Errorf("attempt %d: %s is %q, want %q", i+1, name, got, want)
			}
		}
		if !strings.HasPrefix(h.Header.Get("Content-Type"), "application/json") {
			t.Errorf("Content-Type is %q", h.Header.Get("Content-Type"))
		}
		for _, secret := range []string{s.secret, old} {
			wh, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify(h.Body, h.Header); err != nil {
				t.Errorf("attempt %d does not verify: %v", i+1, err)
			}
			if wh.Verify(append([]byte(" "), h.Body...), h.Header) == nil {
				t.Error("an altered body verifies")
			}
		}
	}

	// A charge that we never saw keeps the host of its webhook, here the site's other name.
	unknown := s.succeeded("B10002")
	a, err := s.try(s.client, "POST", s.url("/pay/webhooks"), unknown.Body, "X-Pingplusplus-Signature", unknown.Signature,
		"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Cookie", "a=b", "X-Pay-Token", "forged", "Webhook-Id", "forged")
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%v %s", err, a)
	}
	h := s.backend.await(t, unknown.ID, 2)[0] // once refused by the script, once taken
	if got := h.Header.Get("traceparent"); got != "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" {
		t.Errorf("traceparent is %q", got)
	}
	if h.Header.Get("X-Pay-Token") != s.token || h.Header.Get("Cookie") != "" {
		t.Errorf("headers of the webhook's sender reach the backend: %v", h.Header)
	}

	// Ping++ sends it again, under the same id: it is acknowledged and not delivered again. The same effect under another id neither.
	s.accept(unknown)
	twin := s.event("B10002", func(e map[string]any) {
		e["data"].(map[string]any)["object"].(map[string]any)["id"] = unknown.Charge
	})
	s.accept(twin)
	last := s.succeeded("B10003")
	s.accept(last)
	s.backend.await(t, last.ID, 2)
	if n := len(s.backend.events(unknown.ID)); n != 2 {
		t.Errorf("the event was delivered %d times, want 2", n)
	}
	if n := len(s.backend.events(twin.ID)); n != 0 {
		t.Errorf("the same effect was delivered again, under %s", twin.ID)
	}
}

// events { types } delivers those and records the rest.
func TestTypes(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	block := strings.Replace(payBlock, "timeout 15s", "timeout 15s\n\t\ttypes charge.succeeded", 1)
	s.start(strings.Replace(plainSite, "<pay>", block, 1))
	summary := s.event("TY1", func(e map[string]any) {
		e["type"] = "summary.daily.available"
		e["data"] = map[string]any{"object": map[string]any{"object": "app_daily_summary", "app_id": s.box.App(), "livemode": false}}
	})
	wanted := s.succeeded("TY2")
	s.accept(summary)
	s.accept(wanted)
	s.backend.await(t, wanted.ID, 1)
	e, err := s.ledger().Event(t.Context(), s.scope(), summary.ID)
	if err != nil || e.State != "filtered" || !slices.Contains(e.Reasons, "type") {
		t.Errorf("the summary is %+v, %v", e, err)
	}
	if n := len(s.backend.events(summary.ID)); n != 0 {
		t.Errorf("the summary was delivered %d times", n)
	}
}

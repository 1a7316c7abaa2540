package test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Wrong input through the whole stack: the code of each, nothing stored, nothing at the backend. The handlers' own tests
// have the long list; here is what Caddy has a part in.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite + `
http://localhost:<plain> {
	log
	<pay>
	reverse_proxy <backend>
}
`)
	_, session := s.login()
	hook := s.succeeded("I10001")
	another := s.event("I10002", func(e map[string]any) {
		e["data"].(map[string]any)["object"].(map[string]any)["app"] = "app_somebodyelses0"
	})
	altered := s.succeeded("I10003")
	altered.Body = bytes.Replace(altered.Body, []byte(`"amount":100`), []byte(`"amount":999`), 1)
	used := s.box.NewCode("")
	s.keepSecret(used, "a login code")
	s.call("GET", "/pay/openid?code="+used, nil)

	order := func(more string) []byte {
		return []byte(`{"order_no":"I10001","channel":"wx_lite"` + more + `}`)
	}
	as := []string{"X-Pay-Session", session}
	for _, tt := range []struct {
		method, path string
		body         any
		headers      []string
		status       int
		code         string
	}{
		{"GET", "/pay/openid", nil, nil, 400, "code_missing"},
		{"GET", "/pay/openid?code=unheard-of-code", nil, nil, 401, "code_invalid"},
		{"POST", "/pay/openid", map[string]string{"code": "unheard-of-code-2"}, nil, 401, "code_invalid"},
		{"PUT", "/pay/openid?code=unheard-of-code-3", nil, nil, 405, "method_not_allowed"},
		{"POST", "/pay/charges", order(""), nil, 401, "session_missing"},
		{"POST", "/pay/charges", order(""), []string{"X-Pay-Session", flip(session)}, 401, "session_invalid"},
		{"POST", "/pay/charges", order(""), []string{"X-Pay-Session", "a.b.c.d.e"}, 401, "session_invalid"},
		{"POST", "/pay/charges", order(`,"amount":1`), as, 400, "field_forbidden"},
		{"POST", "/pay/charges", order(`,"open_id":"o"`), as, 400, "field_forbidden"},
		{"POST", "/pay/charges", order(`,"extra":{"open_id":"o"}`), as, 400, "field_forbidden"},
		{"POST", "/pay/charges", order(`,`), as, 400, "json_invalid"},
		{"POST", "/pay/charges", order(`,"subject":"` + strings.Repeat("x", 64<<10) + `"`), as, 413, "too_large"},
		{"POST", "/pay/charges", order(""), append([]string{"Content-Type", "text/plain"}, as...), 415, "content_type"},
		{"POST", "/pay/charges", []byte(`{"order_no":"../../x","channel":"wx_lite"}`), as, 400, "order_invalid"},
		{"POST", "/pay/charges", []byte(`{"order_no":"I10001","channel":"gold"}`), as, 400, "channel_unsupported"},
		{"GET", "/pay/charges", nil, as, 405, "method_not_allowed"},
		{"GET", "/pay/charges/ch_unknown", nil, as, 404, "charge_not_found"},
		{"GET", "/pay/charges/ch_unknown", nil, nil, 401, "session_missing"},
		{"DELETE", "/pay/charges/ch_unknown", nil, as, 405, "method_not_allowed"},
		{"GET", "/pay/charges/ch_unknown?wait=10h", nil, as, 400, "field_forbidden"},
		{"GET", "/pay/charges/", nil, as, 404, "not_found"},
		{"GET", "/pay", nil, nil, 404, "not_found"},
		{"GET", "/pay/", nil, nil, 404, "not_found"},
		{"GET", "/pay/nothing", nil, nil, 404, "not_found"},
		{"POST", "/pay/refunds", order(""), nil, 404, "not_found"},
		{"GET", "/pay/checkout?order_no=1", nil, nil, 404, "not_found"},
		{"POST", "/pay/webhooks", hook.Body, nil, 401, "signature_missing"},
		{"POST", "/pay/webhooks", hook.Body, []string{"X-Pingplusplus-Signature", ""}, 401, "signature_missing"},
		{"POST", "/pay/webhooks", hook.Body, []string{"X-Pingplusplus-Signature", "?"}, 401, "signature_invalid"},
		{"POST", "/pay/webhooks", hook.Body, []string{"X-Pingplusplus-Signature", sign(t, strangerKey, hook.Body)}, 401, "signature_invalid"},
		{"POST", "/pay/webhooks", altered.Body, []string{"X-Pingplusplus-Signature", altered.Signature}, 401, "signature_invalid"},
		{"POST", "/pay/webhooks", another.Body, []string{"X-Pingplusplus-Signature", another.Signature}, 403, "app_mismatch"},
		{"POST", "/pay/webhooks", []byte(`{}`), []string{"X-Pingplusplus-Signature", sign(t, pingppKey, []byte(`{}`))}, 400, "event_malformed"},
		{"POST", "/pay/webhooks", []byte(strings.Repeat("x", 256<<10+1)), []string{"X-Pingplusplus-Signature", strings.Repeat("A", 342) + "=="}, 413, "too_large"},
		{"PUT", "/pay/webhooks", hook.Body, nil, 405, "method_not_allowed"},
	} {
		a := s.call(tt.method, tt.path, tt.body, tt.headers...)
		if a.StatusCode != tt.status || a.code() != tt.code {
			t.Errorf("%s %s %.80s: %s\nwant %d %s", tt.method, tt.path, tt.body, a, tt.status, tt.code)
		}
		if allow := a.Header.Get("Allow"); (tt.status == 405) != (allow != "") {
			t.Errorf("%s %s: %d with Allow %q", tt.method, tt.path, a.StatusCode, allow)
		}
		plain, err := s.try(s.client, tt.method, fmt.Sprintf("http://localhost:%d%s", s.plain, tt.path), tt.body, tt.headers...)
		if tt.status == 413 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
			continue // refused before the body was read: the client was still sending it
		}
		if err != nil {
			t.Fatal(err)
		}
		if plain.StatusCode != 403 || plain.code() != "https_required" {
			t.Errorf("%s %s over plain HTTP: %s", tt.method, tt.path, plain)
		}
	}
	if a, err := s.try(s.client, "POST", fmt.Sprintf("http://localhost:%d/pay/webhooks", s.plain), hook.Body,
		"X-Pingplusplus-Signature", hook.Signature, "X-Forwarded-Proto", "https"); err != nil || a.code() != "https_required" {
		t.Errorf("X-Forwarded-Proto from anybody: %v %s", err, a)
	}
	if head := s.call("HEAD", "/pay/charges/ch_unknown", nil, as...); head.StatusCode != 404 || len(head.Body) != 0 {
		t.Errorf("HEAD: %s", head)
	}

	l := s.ledger()
	for _, w := range []webhook{hook, another, altered} {
		if _, err := l.Event(t.Context(), s.scope(), w.ID); err != ledger.ErrNotFound {
			t.Errorf("a refused event is in the ledger: %v", err)
		}
	}
	if attempts, err := l.Attempts(t.Context(), s.scope(), "I10001"); err != nil || len(attempts) != 0 {
		t.Errorf("the ledger holds attempts to pay: %+v %v", attempts, err)
	}
	if state := s.box.State(10); len(state.Charges) != 0 || state.Calls["create_charge"] != 0 {
		t.Errorf("Ping++ was asked for charges: %v", state.Calls)
	}
	if heard := s.backend.events(""); len(heard) != 0 {
		t.Errorf("the backend heard %+v", heard)
	}
}

// Ping++ and WeChat in trouble: the code of each, and a charge as soon as they are well.
func TestProvidersInTrouble(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(strings.Replace(plainSite, "<pay>", strings.Replace(payBlock, "timeout     5s", "timeout     4s", 1), 1))
	_, session := s.login()
	for i, tt := range []struct {
		fault  string
		times  int
		status int
		code   string
	}{
		{"502", 20, 503, "provider_unavailable"},
		{"200_error", 20, 503, "provider_unavailable"},
		{"200_null", 20, 503, "provider_unavailable"},
		{"200_html", 20, 503, "provider_unavailable"},
		{"402", 1, 402, "charge_rejected"},
		{"401", 1, 502, "provider_rejected"},
		{"slow", 20, 504, "provider_timeout"},
	} {
		orderNo := fmt.Sprintf("P1%04d", i)
		if err := s.box.SetFault("create_charge", tt.fault, tt.times); err != nil {
			t.Fatal(err)
		}
		a := s.charge(session, orderNo)
		if a.StatusCode != tt.status || a.code() != tt.code {
			t.Errorf("Ping++ %s: %s\nwant %d %s", tt.fault, a, tt.status, tt.code)
		}
		if (tt.status == 503) != (a.Header.Get("Retry-After") != "") {
			t.Errorf("Ping++ %s: %d with Retry-After %q", tt.fault, a.StatusCode, a.Header.Get("Retry-After"))
		}
		s.box.ClearFaults()
		if a := s.charge(session, orderNo); a.StatusCode != http.StatusCreated {
			t.Errorf("after %s: %s", tt.fault, a)
		}
	}
	for _, tt := range []struct {
		fault  string
		status int
		code   string
	}{
		{"-1", 503, "wechat_busy"},
		{"45011", 503, "wechat_busy"},
		{"40226", 403, "wechat_blocked"},
		{"40013", 502, "wechat_misconfigured"},
		{"40125", 502, "wechat_misconfigured"},
		{"502", 502, "wechat_unavailable"},
	} {
		if err := s.box.SetFault("jscode2session", tt.fault, 5); err != nil {
			t.Fatal(err)
		}
		code := s.box.NewCode("")
		s.keepSecret(code, "a login code")
		a := s.call("GET", "/pay/openid?code="+code, nil)
		if a.StatusCode != tt.status || a.code() != tt.code || bytes.Contains(a.Body, []byte(code)) {
			t.Errorf("WeChat %s: %s\nwant %d %s", tt.fault, a, tt.status, tt.code)
		}
		s.box.ClearFaults()
	}
}

// The backend's answers about an order, through Caddy's own reverse proxy.
func TestQuotes(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	openid, session := s.login()
	other, _ := s.login()
	quote := func(changes ...any) (int, any) {
		q := map[string]any{"order_no": "Q10001", "amount": 100, "currency": "cny", "subject": "Tea", "body": "Tea", "openid": openid}
		for i := 0; i < len(changes); i += 2 {
			q[changes[i].(string)] = changes[i+1]
		}
		return http.StatusOK, q
	}
	for _, tt := range []struct {
		name   string
		quote  func(string) (int, any)
		status int
		code   string
	}{
		{"another order", func(string) (int, any) { return quote("order_no", "Q10002") }, 502, "quote_invalid"},
		{"another user's", func(string) (int, any) { return quote("openid", other) }, 404, "order_not_found"},
		{"negative", func(string) (int, any) { return quote("amount", -1) }, 502, "amount_invalid"},
		{"zero", func(string) (int, any) { return quote("amount", 0) }, 409, "nothing_to_pay"},
		{"a fraction", func(string) (int, any) { return quote("amount", 19.99) }, 502, "amount_invalid"},
		{"above max", func(string) (int, any) { return quote("amount", 2000001) }, 502, "amount_invalid"},
		{"unknown", func(string) (int, any) { return 404, nil }, 404, "order_not_found"},
		{"forbidden", func(string) (int, any) { return 403, nil }, 404, "order_not_found"},
		{"paid", func(string) (int, any) { return 409, nil }, 409, "order_already_paid"},
		{"closed", func(string) (int, any) { return 410, nil }, 409, "order_closed"},
		{"redirect", func(string) (int, any) { return 302, nil }, 502, "backend_unavailable"},
		{"broken", func(string) (int, any) { return 500, nil }, 502, "backend_unavailable"},
		{"good", func(string) (int, any) { return quote() }, 201, ""},
	} {
		s.backend.script(func() { s.backend.quote = tt.quote })
		if a := s.charge(session, "Q10001"); a.StatusCode != tt.status || a.code() != tt.code {
			t.Errorf("%s: %s\nwant %d %s", tt.name, a, tt.status, tt.code)
		}
	}
	if n := s.box.State(0).Calls["create_charge"]; n != 1 {
		t.Errorf("Ping++ was asked for %d charges, want 1", n)
	}
}

// The access log of Caddy never shows a login code or a session that came to /pay; the site's own lines stay.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(`
https://localhost:<port> {
	log
	<pay>
	reverse_proxy <backend>
}
`)
	_, session := s.login()
	code := s.box.NewCode("")
	s.keepSecret(code, "a login code")
	for _, a := range []*answer{
		s.call("GET", "/pay/openid?a=b&code="+code, nil),
		s.call("POST", "/pay/openid?code="+code, nil),
		s.call("POST", "/pay/openid", map[string]string{"code": code}),
		s.call("POST", "/pay/charges", map[string]string{"order_no": "L10001", "channel": "wx_lite", "code": code}),
	} {
		if a.StatusCode >= 300 {
			t.Errorf("%s %s: %s", a.Request.Method, a.Request.URL.Path, a)
		}
	}
	s.call("GET", "/pay/nothing?code="+code, nil)
	s.call("DELETE", "/pay/openid?code="+code, nil)
	s.call("GET", "/pay/openid?%63ode="+code, nil)
	s.call("GET", "/pay/openid/?code="+code, nil)
	s.call("GET", "/pay/charges/ch_1", nil, "X-Pay-Session", session)
	s.call("GET", "/pay/charges/ch_2", nil, "Authorization", "Bearer "+session)
	s.call("GET", "/shop?page=2", nil, "Authorization", "Bearer "+session)
	eventually(t, shortly, func() error {
		log := s.caddy.log.String()
		if !strings.Contains(log, `"uri":"/shop?page=2"`) || strings.Count(log, `"path":"/pay/openid"`) < 5 {
			return errorf("the lines are not there:\n%s", s.caddy.log.tail())
		}
		return nil
	})
}

// A slow backend is a failed quote within its time, and does not hold the order for ever.
func TestSlowBackend(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	_, session := s.login()
	release := make(chan struct{})
	s.backend.script(func() {
		s.backend.quote = func(string) (int, any) {
			<-release
			return http.StatusServiceUnavailable, nil
		}
	})
	start := time.Now()
	a := s.charge(session, "SLOW1")
	close(release)
	checkProblem(t, a, http.StatusBadGateway, "backend_unavailable")
	if took := time.Since(start); took > 25*time.Second {
		t.Errorf("it took %s", took)
	}
}

package test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// A site with the default limits, behind a proxy that it trusts: somebody floods it with random codes, and nobody else notices.
func TestFloodOfRandomCodes(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	limits := regexp.MustCompile(`(?s)\tlimits \{.*?\t\}\n`)
	text := s.fill(strings.Replace(globalOptions, "\tpay {", "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32 ::1/128\n\t}\n\tpay {", 1) +
		strings.ReplaceAll(plainSite, "<pay>", limits.ReplaceAllString(payBlock, "")))
	s.write("Caddyfile", []byte(text))
	s.restart()
	const attacker, other = "203.0.113.9", "2001:db8:1::7"
	calls := s.box.State(0).Calls["jscode2session"]
	statuses := map[int]int{}
	for i := range 300 {
		a := s.call("GET", fmt.Sprint("/pay/openid?code=random", i), nil, "X-Forwarded-For", attacker)
		statuses[a.StatusCode]++
		if a.StatusCode == http.StatusTooManyRequests && (a.code() != "rate_limited" || a.Header.Get("Retry-After") != "1") {
			t.Fatalf("turned away with %s, Retry-After %q", a, a.Header.Get("Retry-After"))
		}
	}
	reached := s.box.State(0).Calls["jscode2session"] - calls
	if reached < 60 || reached > 299 || statuses[http.StatusUnauthorized] != reached || statuses[http.StatusTooManyRequests] != 300-reached {
		t.Errorf("WeChat was asked %d times; answers %v", reached, statuses)
	}
	code := s.box.NewCode("")
	s.keepSecret(code, "a login code")
	a := s.call("GET", "/pay/openid?code="+code, nil, "X-Forwarded-For", other)
	var login struct{ Session string }
	a.into(t, &login)
	s.keepSecret(login.Session, "a session")
	if a := s.call("POST", "/pay/charges", map[string]string{"order_no": "L10001", "channel": "wx_lite"}, "X-Pay-Session", login.Session, "X-Forwarded-For", attacker); a.StatusCode != http.StatusCreated {
		t.Errorf("whoever is logged in, behind the same address: %s", a)
	}
}

package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func attackState(t *testing.T, s *attacked) {
	mine := s.browser()
	callback := s.callback(mine, "/pay/oauth/start?return=/me")
	u, err := url.Parse(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	var cookie string // an attacker's copy
	for _, c := range mine.Jar.Cookies(u) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	if a := s.get(mine, callback); a.StatusCode != http.StatusFound || a.Header.Get("Location") != "/me" {
		t.Fatalf("the round itself: %s", a)
	}
	used, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	state, exchanges := used.Query().Get("state"), s.box.State(0).Calls["oauth_access_token"]
	fresh := s.box.NewOAuthCode("oAttackerOfStates0000000001")
	s.keepSecret(fresh, "a login code")
	at := func(browser *http.Client, state, code string, headers ...string) *answer {
		a, err := s.try(browser, "GET", s.url("/pay/oauth/callback?state="+url.QueryEscape(state)+"&code="+code), nil, append(headers, inWeChat...)...)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for what, a := range map[string]*answer{
		"without the round's cookie":      at(s.client, state, fresh),
		"after the round":                 at(mine, state, fresh),
		"with a kept cookie, a new code":  at(s.client, state, fresh, "Cookie", cookie),
		"with a kept cookie, a new state": at(s.client, strings.Repeat("a", len(state)), fresh, "Cookie", cookie),
		"with a kept cookie, no state":    at(s.client, "", fresh, "Cookie", cookie),
		"with a changed cookie":           at(s.client, state, fresh, "Cookie", flip(cookie)),
	} {
		refuses(t, what, a, 403, "oauth_state_invalid")
	}
	if n := s.box.State(0).Calls["oauth_access_token"] - exchanges; n != 0 {
		t.Errorf("WeChat was asked for %d codes", n)
	}
}

func attackRedirect(t *testing.T, s *attacked) {
	for _, to := range []string{"https://evil.example/", "http:evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\r\nLocation: https://evil.example",
		"javascript:alert(1)", "evil.example", "@evil.example", "/%zz", "/pay/oauth/start", "/PAY//oauth/%73tart?return=/"} {
		a := s.call("GET", "/pay/oauth/start?return="+url.QueryEscape(to), nil, inWeChat...)
		refuses(t, to, a, 400, "field_forbidden")
		if a.Header.Get("Location") != "" {
			t.Errorf("%q leads to %s", to, a.Header.Get("Location"))
		}
	}
	for _, to := range []string{"/%2f%2fevil.example", "/a/..//evil.example", "/?x=//evil.example"} { // odd, and of this site
		b := s.browser()
		location := s.get(b, s.callback(b, "/pay/oauth/start?return="+url.QueryEscape(to))).Header.Get("Location")
		base, err := url.Parse(s.url("/pay/oauth/callback"))
		if err != nil {
			t.Fatal(err)
		}
		if u, err := base.Parse(location); err != nil || u.Host != base.Host || u.Scheme != "https" {
			t.Errorf("%q leads to %q, %v", to, location, err)
		}
	}
	// A host that the client makes up does not come back from WeChat.
	a := s.call("GET", "/pay/oauth/start", nil, "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example")
	if to, err := url.Parse(a.Header.Get("Location")); err != nil || to.Query().Get("redirect_uri") != s.url("/pay/oauth/callback") {
		t.Errorf("WeChat would send the visitor to %s, %v", a.Header.Get("Location"), err)
	}
}

func attackFromAnotherSite(t *testing.T, s *attacked) {
	member, visitor := s.member(), s.browser()
	a, err := s.try(visitor, "POST", s.url("/pay/charges"), order("CROSS1", "alipay_qr"), "Origin", s.url(""))
	if err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("%v %s", err, a)
	}
	s.nothing(t, func() {
		for _, origin := range []string{"", "null", "https://evil.example", "https://localhost", "https://localhost:1", fmt.Sprintf("https://localhost.evil.example:%d", s.port),
			strings.Replace(s.url(""), "https", "http", 1), s.url("") + ".evil.example", s.url("") + "@evil.example", "https://evil.example, " + s.url("")} {
			for browser, channel := range map[*http.Client]string{member: "wx_pub", visitor: "alipay_qr"} {
				a, err := s.try(browser, "POST", s.url("/pay/charges"), order("CROSS2", channel), "Origin", origin)
				if err != nil {
					t.Fatal(err)
				}
				refuses(t, channel+" from "+origin, a, 403, "origin_forbidden")
			}
		}
		// What a form can send without a question beforehand.
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
			a, err := s.try(member, "POST", s.url("/pay/charges"), order("CROSS2", "wx_pub"), "Origin", s.url(""), "Content-Type", kind)
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, "a "+kind+" form", a, 415, "content_type")
		}
		preflight := s.call("OPTIONS", "/pay/charges", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
		if refuses(t, "a preflight", preflight, 405, "method_not_allowed"); preflight.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("another site is allowed: %v", preflight.Header)
		}
	}, "CROSS2")
}

func attackLogin(t *testing.T, s *attacked) {
	code := s.box.NewCode("oAttackerLogsIn000000000001")
	s.keepSecret(code, "a login code")
	exchanges := s.box.State(0).Calls["jscode2session"]
	for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example", "Referer", "https://servicewechat.com.evil.example/"}, {"Origin", "https://evil.example", "Content-Type", "text/plain"}} {
		refuses(t, strings.Join(headers, " "), s.call("POST", "/pay/openid", map[string]string{"code": code}, headers...), 403, "origin_forbidden")
	}
	refuses(t, "a link", s.call("GET", "/pay/openid?code="+code, nil), 405, "method_not_allowed")
	if n := s.box.State(0).Calls["jscode2session"] - exchanges; n != 0 {
		t.Errorf("WeChat was asked for %d codes", n)
	}
	// The attacker's round in the browser of somebody who has begun one too.
	attacker, victim := s.browser(), s.browser()
	theirs := s.callback(attacker, "/pay/oauth/start")
	s.callback(victim, "/pay/oauth/start")
	exchanges = s.box.State(0).Calls["oauth_access_token"]
	refuses(t, "the attacker's round", s.get(victim, theirs), 403, "oauth_state_invalid")
	if n := s.box.State(0).Calls["oauth_access_token"] - exchanges; n != 0 {
		t.Errorf("WeChat was asked for %d codes", n)
	}
}

func attackLoginPath(t *testing.T, s *attacked) {
	for _, target := range []string{"/internal/pay/login", "/internal/pay/login/", "/internal//pay/login", "/INTERNAL/pay/Login", "/internal/pay/%6cogin", "/internal/pay/%256cogin", "/internal%2fpay%2Flogin",
		"/x/../internal/pay/login", "/x/%2e%2e/internal/pay/login", `/internal\pay\login`, "/internal/pay/login;a=b", "/internal/pay/login.json", "/internal/pay/login%00", "/index.php/internal/pay/login",
		"/live/../internal/pay/login", "/internal/pay/login?x=y", "//internal/pay/login"} {
		for _, method := range []string{"GET", "POST"} {
			if status, code := s.raw(t, method, target); status != http.StatusNotFound || code != "not_found" {
				t.Errorf("%s %s: %d %.100s", method, target, status, code)
			}
		}
	}
}

func attackJSSDK(t *testing.T, s *attacked) {
	tickets := s.box.State(0).Calls["getticket"]
	for _, page := range []string{"https://evil.example/", "//evil.example/", "http:" + strings.TrimPrefix(s.url("/a"), "https:"), "https://localhost/", "https://localhost:1/", s.url("") + "@evil.example/", s.url("") + ".evil.example/",
		strings.Replace(s.url("/"), "https://", "https://me@", 1), s.url("/a b"), s.url("/\\x"), s.url("/\n"), "/a", "", "javascript:alert(1)", "https:evil.example", s.url("/" + strings.Repeat("a", 5000))} {
		refuses(t, fmt.Sprintf("%.80q", page), s.call("GET", "/pay/jssdk?url="+url.QueryEscape(page), nil), 403, "origin_forbidden")
	}
	refuses(t, "a host that is made up", s.call("GET", "/pay/jssdk?url="+url.QueryEscape("https://evil.example/"), nil, "X-Forwarded-Host", "evil.example"), 403, "origin_forbidden")
	if n := s.box.State(0).Calls["getticket"] - tickets; n != 0 {
		t.Errorf("WeChat was asked for %d tickets", n)
	}
	var signed struct{ Signature string }
	raw := s.call("GET", "/pay/jssdk?url="+url.QueryEscape(s.url("/a?b=c#d")), nil)
	if err := json.Unmarshal(raw.Body, &signed); err != nil || raw.StatusCode != http.StatusOK || signed.Signature == "" {
		t.Errorf("the site's own page: %s", raw)
	}
}

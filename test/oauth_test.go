package test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
)

// officialSite has an official account, tells its backend of logins, and lets only WeChat's users see /members.
const officialSite = `
https://localhost:<port> {
	pay {` + accounts + `
		wechat wx_pub {
			app_id   <pub>
			secret   <pubsecret>
			endpoint <outside>
		}
		login POST /internal/pay/login
	}
	wechat_auth /members/*
	reverse_proxy <backend>
}
`

// A page inside WeChat is sent to log in, comes back with a session, and the backend knows the user; what others try with it fails.
func TestPageInWeChat(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.keepSecret(s.box.WxPub().Secret, "the official account's AppSecret")
	var told atomic.Pointer[string]
	s.backend.onSite = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/internal/pay/login" {
			echo(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		text := string(body)
		if r.Header.Get("X-Pay-Token") == s.token {
			told.Store(&text)
		}
		w.Header().Set("Set-Cookie", "shop=7; Path=/; Secure")
		_, _ = io.WriteString(w, `{"user":7}`)
	}
	s.start(strings.NewReplacer("<pub>", s.box.WxPub().AppID, "<pubsecret>", s.box.WxPub().Secret).Replace(officialSite))
	s.box.SetWebUser(sandbox.WebUser{OpenID: "oPageUser0000000000000000001", UnionID: "uPageUser0000000000000000001"})
	s.keepSecret("oPageUser0000000000000000001", "an openid")

	// Page → start → WeChat → callback → page.
	mine := s.browser()
	callback := s.callback(mine, "/members/1?x=y")
	if a := s.get(s.browser(), callback); a.StatusCode != http.StatusForbidden || a.code() != "oauth_state_invalid" {
		t.Errorf("another browser's round: %s", a)
	}
	page := s.follow(mine, s.get(mine, callback))
	var got seen
	page.into(t, &got)
	if got.URI != "/members/1?x=y" || got.Header.Get("X-Wx-Openid") != "oPageUser0000000000000000001" || got.Header.Get("X-Wx-Appid") != s.box.WxPub().AppID ||
		got.Header.Get("Cookie") != "shop=7" {
		t.Errorf("the backend sees %+v", got)
	}
	if want := fmt.Sprintf(`{"openid":"oPageUser0000000000000000001","unionid":"uPageUser0000000000000000001","appid":%q,"app":%q,"mode":"test"}`,
		s.box.WxPub().AppID, s.box.App()); told.Load() == nil || *told.Load() != want {
		t.Errorf("the backend was not told %s", want)
	}
	if a := s.get(mine, callback); a.code() != "oauth_state_invalid" {
		t.Errorf("the round again: %s", a)
	}

	// What a page may ask, and what another site may not.
	if a := s.get(mine, "/pay/jssdk?url="+url.QueryEscape(s.url("/members/1"))); a.StatusCode != http.StatusOK {
		t.Errorf("jssdk: %s", a)
	}
	for path, code := range map[string]string{
		"/pay/jssdk?url=" + url.QueryEscape("https://evil.example/"):   "origin_forbidden",
		"/pay/oauth/start?return=" + url.QueryEscape("//evil.example"): "field_forbidden",
		"/internal/pay/login":     "not_found",
		"/internal//pay/%6cogin/": "not_found",
	} {
		if a := s.get(mine, path); a.code() != code {
			t.Errorf("%s: %s", path, a)
		}
	}
	post := func(path string, body any, headers ...string) *answer {
		t.Helper()
		a, err := s.try(mine, "POST", s.url(path), body, headers...)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	order := map[string]string{"order_no": "P1001", "channel": "wx_lite"}
	if a := post("/pay/charges", order, "Origin", "https://evil.example"); a.code() != "origin_forbidden" {
		t.Errorf("another site pays: %s", a)
	}
	if a := post("/pay/charges", order, "Origin", s.url("")); a.code() != "session_invalid" {
		t.Errorf("a page's user pays in the mini program: %s", a)
	}
	if a := post("/pay/openid", map[string]string{"code": s.box.NewCode("")}, "Origin", "https://evil.example"); a.code() != "origin_forbidden" || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("another site logs somebody in: %s", a)
	}
	if n := len(s.box.State(0).Charges); n != 0 {
		t.Errorf("%d charges", n)
	}
}

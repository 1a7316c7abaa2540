package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// authorize opens WeChat's page as a browser inside WeChat; changes set parameters, "" leaves one out.
func (b *bench) authorize(changes ...string) answer {
	b.t.Helper()
	q := url.Values{"appid": {b.WxPub().AppID}, "redirect_uri": {"https://shop.example/cb?a=b"}, "response_type": {"code"}, "scope": {"snsapi_base"}, "state": {"abc123"}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	r := b.request("GET", "/connect/oauth2/authorize?"+q.Encode(), "")
	r.Header.Set("User-Agent", "Mozilla/5.0 MicroMessenger/8.0")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b.do(r)
}

// wechat calls an API with the official account's credentials; changes as in authorize.
func (b *bench) wechat(path string, changes ...string) answer {
	b.t.Helper()
	q := url.Values{"appid": {b.WxPub().AppID}, "secret": {b.WxPub().Secret}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return b.do(b.request("GET", path+"?"+q.Encode(), ""))
}

func TestOAuth(t *testing.T) {
	b := start(t, Config{})
	exchange := func(code string, changes ...string) answer {
		return b.wechat("/sns/oauth2/access_token", append([]string{"code", code, "grant_type", "authorization_code"}, changes...)...)
	}
	for want, user := range map[string]WebUser{
		`"openid":"oMe","scope":"snsapi_base","unionid":"uMe"`:                    {OpenID: "oMe", UnionID: "uMe"},
		`"openid":"oSnap","scope":"snsapi_base","is_snapshotuser":1`:              {OpenID: "oSnap", Snapshot: true},
		`"openid":"` + openidOf(b.WxPub(), "visitor") + `","scope":"snsapi_base"`: {},
	} {
		body, _ := json.Marshal(user)
		if a := b.do(b.request("POST", "/sandbox/wechat/user", string(body))); a.status != 204 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a := b.authorize()
		u, _ := url.Parse(a.header.Get("Location"))
		code := u.Query().Get("code")
		if a.status != http.StatusFound || u.Host != "shop.example" || u.Path != "/cb" || u.Query().Get("a") != "b" || u.Query().Get("state") != "abc123" || len(code) != 32 {
			t.Fatalf("%d %s", a.status, a.header.Get("Location"))
		}
		if a := b.login(code); a.field("errcode") != 40029.0 {
			t.Errorf("a page's code at the mini program: %s", a.body)
		}
		if a := exchange(code); !strings.Contains(string(a.body), want) || a.field("expires_in") != 7200.0 || a.header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s, want %s", a.body, want)
		}
		if a := exchange(code); a.field("errcode") != 40163.0 {
			t.Errorf("used: %s", a.body)
		}
	}
	old := b.NewOAuthCode("oOld")
	b.clock.Add(codeLife)
	for errcode, a := range map[float64]answer{
		40029: exchange(old),
		41002: exchange("x", "appid", ""),
		41004: exchange("x", "secret", ""),
		41008: exchange(""),
		40013: exchange("x", "appid", b.WxLite().AppID),
		40125: exchange("x", "secret", "y"),
		40002: exchange("x", "grant_type", "x"),
		40066: b.wechat("/sns/oauth2/nothing"),
	} {
		if a.field("errcode") != errcode || a.status != 200 {
			t.Errorf("%d %s, want %v", a.status, a.body, errcode)
		}
	}
	if a := b.do(b.request("POST", "/sandbox/wechat/user", `{"openid":"no openid"}`)); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAuthorizePageRefuses(t *testing.T) {
	b := start(t, Config{})
	for want, changes := range map[string][]string{
		"errcode: 10003": {"redirect_uri", "javascript:alert(1)"},
		"errcode: 10005": {"scope", "snsapi_login"},
		"errcode: 10010": {"scope", ""},
		"errcode: 10011": {"redirect_uri", ""},
		"errcode: 10012": {"appid", ""},
		"errcode: 10013": {"state", "a-b"},
		"errcode: 40013": {"appid", b.WxLite().AppID},
	} {
		if a := b.authorize(changes...); a.status != 200 || !strings.Contains(string(a.body), want) || a.header.Get("Location") != "" {
			t.Errorf("%v: %d %s", changes, a.status, a.body)
		}
	}
	a := b.authorize("state", "abc#wechat_redirect") // as some SDKs send it
	if u, _ := url.Parse(a.header.Get("Location")); a.status != http.StatusFound || u.Query().Get("state") != "abc" {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	if a := b.do(b.request("GET", "/connect/oauth2/authorize?appid=x", "")); !strings.Contains(string(a.body), "请在微信客户端打开链接") {
		t.Errorf("outside WeChat: %s", a.body)
	}
	if a := b.do(b.request("GET", "/connect/other", "")); a.status != 404 {
		t.Errorf("%d", a.status)
	}
}

func TestTokensAndTicket(t *testing.T) {
	b := start(t, Config{})
	stable := func(changes ...any) answer {
		in := map[string]any{"grant_type": "client_credential", "appid": b.WxPub().AppID, "secret": b.WxPub().Secret}
		for i := 0; i < len(changes); i += 2 {
			in[changes[i].(string)] = changes[i+1]
		}
		body, _ := json.Marshal(in)
		return b.do(b.request("POST", "/cgi-bin/stable_token", string(body)))
	}
	token := func(a answer) string {
		t.Helper()
		v, _ := a.field("access_token").(string)
		if v == "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return v
	}
	ticket := func(token string) answer {
		return b.wechat("/cgi-bin/ticket/getticket", "appid", "", "secret", "", "access_token", token, "type", "jsapi")
	}
	first := token(stable())
	b.clock.Add(time.Hour)
	if a := stable(); token(a) != first || a.field("expires_in") != 3600.0 {
		t.Errorf("the stable token changes: %s", a.body)
	}
	if forced := token(stable("force_refresh", true)); forced == first || ticket(first).field("ticket") == nil {
		t.Error("a forced token is the old one, or ends it")
	}
	classic := func() string {
		return token(b.wechat("/cgi-bin/token", "grant_type", "client_credential"))
	}
	old := classic()
	if fresh := classic(); fresh == old || ticket(fresh).field("errcode") != 0.0 || ticket(old).field("errcode") != 0.0 {
		t.Error("a classic token")
	}
	lent := ticket(first)
	if v, _ := lent.field("ticket").(string); v == "" || lent.field("errmsg") != "ok" || ticket(first).field("ticket") != v {
		t.Errorf("%s", lent.body)
	}
	b.clock.Add(tokenOverlap)
	if a := ticket(old); a.field("errcode") != 42001.0 {
		t.Errorf("an old classic token: %s", a.body)
	}
	for errcode, a := range map[float64]answer{
		40001: ticket("unknown"),
		41001: ticket(""),
		40097: b.wechat("/cgi-bin/ticket/getticket", "access_token", first, "type", "wx_card"),
		43002: b.wechat("/cgi-bin/stable_token"),
		47001: b.do(b.request("POST", "/cgi-bin/stable_token", "appid=x")),
		40002: stable("grant_type", "authorization_code"),
		40013: stable("appid", b.WxLite().AppID),
		40125: stable("secret", "x"),
		41002: stable("appid", ""),
		41004: b.wechat("/cgi-bin/token", "grant_type", "client_credential", "secret", ""),
		40066: b.wechat("/cgi-bin/nothing"),
	} {
		if a.field("errcode") != errcode || a.status != 200 {
			t.Errorf("%d %s, want %v", a.status, a.body, errcode)
		}
	}
	for _, op := range []string{opOAuth, opStableToken, opToken, opTicket} {
		if err := b.SetFault(op, "45009", 1); err != nil {
			t.Error(err)
		}
	}
	if a := stable(); a.field("errcode") != 45009.0 {
		t.Errorf("%s", a.body)
	}
}

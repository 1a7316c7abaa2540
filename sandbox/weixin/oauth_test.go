package weixin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
	"github.com/caddypay/caddypay/sandbox/weixin"
)

func TestOAuth(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	exchange := func(code string, changes ...string) sandboxtest.Answer {
		return b.WeChat("/sns/oauth2/access_token", append([]string{"code", code, "grant_type", "authorization_code"}, changes...)...)
	}
	for want, user := range map[string]sandbox.WebUser{
		`"openid":"oMe","scope":"snsapi_base","unionid":"uMe"`:                           {OpenID: "oMe", UnionID: "uMe"},
		`"openid":"oSnap","scope":"snsapi_base","is_snapshotuser":1`:                     {OpenID: "oSnap", Snapshot: true},
		`"openid":"` + weixin.OpenIDOf(b.WxPub(), "visitor") + `","scope":"snsapi_base"`: {},
	} {
		body, _ := json.Marshal(user)
		if a := b.Do(b.Request("POST", "/sandbox/wechat/user", string(body))); a.Status != 204 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		a := b.Authorize()
		u, _ := url.Parse(a.Header.Get("Location"))
		code := u.Query().Get("code")
		if a.Status != http.StatusFound || u.Host != "shop.example" || u.Path != "/cb" || u.Query().Get("a") != "b" || u.Query().Get("state") != "abc123" || len(code) != 32 {
			t.Fatalf("%d %s", a.Status, a.Header.Get("Location"))
		}
		if a := b.Login(code); a.Field("errcode") != 40029.0 {
			t.Errorf("a page's code at the mini program: %s", a.Body)
		}
		if a := exchange(code); !strings.Contains(string(a.Body), want) || a.Field("expires_in") != 7200.0 || a.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s, want %s", a.Body, want)
		}
		if a := exchange(code); a.Field("errcode") != 40163.0 {
			t.Errorf("used: %s", a.Body)
		}
	}
	old := b.NewOAuthCode("oOld")
	b.Clock.Add(5 * time.Minute)
	for errcode, a := range map[float64]sandboxtest.Answer{
		40029: exchange(old),
		41002: exchange("x", "appid", ""),
		41004: exchange("x", "secret", ""),
		41008: exchange(""),
		40013: exchange("x", "appid", b.WxLite().AppID),
		40125: exchange("x", "secret", "y"),
		40002: exchange("x", "grant_type", "x"),
		40066: b.WeChat("/sns/oauth2/nothing"),
	} {
		if a.Field("errcode") != errcode || a.Status != 200 {
			t.Errorf("%d %s, want %v", a.Status, a.Body, errcode)
		}
	}
	if a := b.Do(b.Request("POST", "/sandbox/wechat/user", `{"openid":"no openid"}`)); a.Status != 400 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestAuthorizePageRefuses(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for want, changes := range map[string][]string{
		"errcode: 10003": {"redirect_uri", "javascript:alert(1)"},
		"errcode: 10005": {"scope", "snsapi_login"},
		"errcode: 10010": {"scope", ""},
		"errcode: 10011": {"redirect_uri", ""},
		"errcode: 10012": {"appid", ""},
		"errcode: 10013": {"state", "a-b"},
		"errcode: 40013": {"appid", b.WxLite().AppID},
	} {
		if a := b.Authorize(changes...); a.Status != 200 || !strings.Contains(string(a.Body), want) || a.Header.Get("Location") != "" {
			t.Errorf("%v: %d %s", changes, a.Status, a.Body)
		}
	}
	a := b.Authorize("state", "abc#wechat_redirect") // as some SDKs send it
	if u, _ := url.Parse(a.Header.Get("Location")); a.Status != http.StatusFound || u.Query().Get("state") != "abc" {
		t.Errorf("%d %s", a.Status, a.Header.Get("Location"))
	}
	if a := b.Do(b.Request("GET", "/connect/oauth2/authorize?appid=x", "")); !strings.Contains(string(a.Body), "请在微信客户端打开链接") {
		t.Errorf("outside WeChat: %s", a.Body)
	}
	if a := b.Do(b.Request("GET", "/connect/other", "")); a.Status != 404 {
		t.Errorf("%d", a.Status)
	}
}

func TestTokensAndTicket(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	stable := func(changes ...any) sandboxtest.Answer {
		in := map[string]any{"grant_type": "client_credential", "appid": b.WxPub().AppID, "secret": b.WxPub().Secret}
		for i := 0; i < len(changes); i += 2 {
			in[changes[i].(string)] = changes[i+1]
		}
		body, _ := json.Marshal(in)
		return b.Do(b.Request("POST", "/cgi-bin/stable_token", string(body)))
	}
	token := func(a sandboxtest.Answer) string {
		t.Helper()
		v, _ := a.Field("access_token").(string)
		if v == "" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return v
	}
	ticket := func(token string) sandboxtest.Answer {
		return b.WeChat("/cgi-bin/ticket/getticket", "appid", "", "secret", "", "access_token", token, "type", "jsapi")
	}
	first := token(stable())
	b.Clock.Add(time.Hour)
	if a := stable(); token(a) != first || a.Field("expires_in") != 3600.0 {
		t.Errorf("the stable token changes: %s", a.Body)
	}
	forced := token(stable("force_refresh", true))
	if a := ticket(first); forced == first || a.Field("errcode") != 40001.0 || token(stable()) != forced {
		t.Errorf("a forced token is the old one, or leaves it alive: %s", a.Body)
	}
	first = forced
	if a := stable("force_refresh", true); a.Field("errcode") != 45011.0 {
		t.Errorf("forced twice at once: %s", a.Body)
	}
	classic := func() string {
		return token(b.WeChat("/cgi-bin/token", "grant_type", "client_credential"))
	}
	old := classic()
	if fresh := classic(); fresh == old || ticket(fresh).Field("errcode") != 0.0 || ticket(old).Field("errcode") != 0.0 {
		t.Error("a classic token")
	}
	lent := ticket(first)
	if v, _ := lent.Field("ticket").(string); v == "" || lent.Field("errmsg") != "ok" || ticket(first).Field("ticket") != v {
		t.Errorf("%s", lent.Body)
	}
	b.Clock.Add(5 * time.Minute)
	if a := ticket(old); a.Field("errcode") != 42001.0 {
		t.Errorf("an old classic token: %s", a.Body)
	}
	for errcode, a := range map[float64]sandboxtest.Answer{
		40001: ticket("unknown"),
		41001: ticket(""),
		40097: b.WeChat("/cgi-bin/ticket/getticket", "access_token", first, "type", "wx_card"),
		43002: b.WeChat("/cgi-bin/stable_token"),
		47001: b.Do(b.Request("POST", "/cgi-bin/stable_token", "appid=x")),
		40002: stable("grant_type", "authorization_code"),
		40013: stable("appid", "wx0"),
		40125: stable("appid", b.WxLite().AppID),
		48001: ticket(b.Token()),
		41002: stable("appid", ""),
		41004: b.WeChat("/cgi-bin/token", "grant_type", "client_credential", "secret", ""),
		40066: b.WeChat("/cgi-bin/nothing"),
	} {
		if a.Field("errcode") != errcode || a.Status != 200 {
			t.Errorf("%d %s, want %v", a.Status, a.Body, errcode)
		}
	}
	for _, op := range []string{"oauth_access_token", "stable_token", "token", "getticket"} {
		if err := b.SetFault(op, "45009", 1); err != nil {
			t.Error(err)
		}
	}
	if a := stable(); a.Field("errcode") != 45009.0 {
		t.Errorf("%s", a.Body)
	}
}

// The stable token's last minutes are two tokens'; forcing it has an end for the day; and the classic tokens are others.
func TestStableAndClassicTokens(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	managed := func(token string) any {
		t.Helper()
		return b.Do(b.Request("POST", "/wxa/sec/order/is_trade_managed?access_token="+token, `{"appid":"`+b.WxLite().AppID+`"}`)).Field("errcode")
	}
	force := func() sandboxtest.Answer {
		return b.Do(b.Request("POST", "/cgi-bin/stable_token",
			`{"grant_type":"client_credential","appid":"`+b.WxLite().AppID+`","secret":"`+b.WxLite().Secret+`","force_refresh":true}`))
	}
	first := b.Token()
	lite := []string{"appid", b.WxLite().AppID, "secret", b.WxLite().Secret, "grant_type", "client_credential"}
	for range 3 {
		b.WeChat("/cgi-bin/token", lite...)
	}
	if b.Token() != first || managed(first) != 0.0 {
		t.Error("classic tokens touch the stable one")
	}
	classic, _ := b.WeChat("/cgi-bin/token", lite...).Field("access_token").(string)
	if force().Field("access_token") == nil || managed(first) != 40001.0 || managed(classic) != 0.0 {
		t.Error("a forced token leaves the stable one alive, or touches the classic one")
	}
	b.Clock.Add(2*time.Hour - 5*time.Minute)
	old := first
	if first = b.Token(); managed(first) != 0.0 || first == old {
		t.Error("there is no new token in the last minutes of the old one")
	}
	b.Clock.Add(5 * time.Minute)
	if managed(classic) != 42001.0 {
		t.Error("a classic token outlives its end")
	}
	for range 19 {
		b.Clock.Add(30 * time.Second)
		if a := force(); a.Field("access_token") == nil {
			t.Fatalf("%s", a.Body)
		}
	}
	b.Clock.Add(30 * time.Second)
	if a := force(); a.Field("errcode") != 45009.0 {
		t.Errorf("the 21st of a day: %s", a.Body)
	}
	b.Clock.Add(24 * time.Hour)
	if a := force(); a.Field("access_token") == nil {
		t.Errorf("on the next day: %s", a.Body)
	}
}

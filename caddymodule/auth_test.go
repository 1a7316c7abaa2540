package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

const wxPub = "wechat wx_pub {\n\t\t\tapp_id wxpub0123456789\n\t\t\tsecret Mark0123456789abcdef0123456789cd\n\t\t}"

// asked sends a request without following redirects; header is names and values by turns.
func asked(t testing.TB, method, address string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	c := client(t)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Only WeChat's users get through: a page inside WeChat is sent to log in, everything else is told so.
func TestWeChatAuth(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir)+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http", wxPub)+secondBlock(t, dir)+
		"\thandle_errors {\n\t\trespond \"the site's error\" 200\n\t}\n"+
		"\trewrite /private/* /members{uri}\n\twechat_auth /members/* {\n\t\tprefix /pay\n\t}\n"+
		"\trespond \"{http.auth.user.id} {http.auth.user.appid} {http.auth.user.unionid} {http.auth.user.kind}\"\n}\n")
	mini := token(t, "/pay", session.Identity{OpenID: "o-mini", UnionID: "u-1"})
	page := token(t, "/pay", session.Identity{Kind: session.WxPub, OpenID: "o-page"})
	visitor := token(t, "/pay", session.Identity{Kind: session.Anonymous, Visitor: "anon:x"})
	expired := token(t, "/pay", session.Identity{OpenID: "o", Expires: time.Now().Add(-time.Second)})
	second := token(t, "/second", session.Identity{OpenID: "o-second"})
	inWeChat := []string{"User-Agent", "Mozilla/5.0 MicroMessenger/8.0", "Accept", "text/html,*/*"}
	base := "http://" + addr
	for _, tc := range []struct {
		name, method, path string
		header             []string
		status             int
		want               string // the body holds it, or is sent there
	}{
		{"open to all", "GET", "/", nil, 200, "{http.auth.user.id}"},
		{"a mini program's user", "GET", "/members/1", []string{"X-Pay-Session", mini}, 200, "o-mini wx0123456789abcdef u-1 wx_lite"},
		{"a page's user", "GET", "/members/1", []string{"Cookie", "pay_session=" + page}, 200, "o-page wxpub0123456789  wx_pub"},
		{"a page's user posts", "POST", "/members/1", []string{"Cookie", "pay_session=" + page, "Origin", base}, 200, "o-page"},
		{"another site posts", "POST", "/members/1", []string{"Cookie", "pay_session=" + page, "Origin", "http://evil.example"}, 403, `"origin_forbidden"`},
		{"nobody", "GET", "/members/1", nil, 401, `"session_missing"`},
		{"forged", "GET", "/members/1", []string{"X-WX-OPENID", "evil"}, 401, `"session_missing"`},
		{"a visitor", "GET", "/members/1", []string{"Cookie", "pay_session=" + visitor}, 401, `"session_missing"`},
		{"expired", "GET", "/members/1", []string{"X-Pay-Session", expired}, 401, `"session_expired"`},
		{"of another block", "GET", "/members/1", []string{"X-Pay-Session", second}, 401, `"session_invalid"`},
		{"a page in WeChat", "GET", "/members/1?a=b&c=/d", inWeChat, 302, "/pay/oauth/start?return=" + url.QueryEscape("/members/1?a=b&c=/d")},
		{"a rewritten page in WeChat", "GET", "/private/1?a=b", inWeChat, 302, "/pay/oauth/start?return=" + url.QueryEscape("/private/1?a=b")},
		{"an expired page in WeChat", "GET", "/members/", append([]string{"Cookie", "pay_session=" + expired}, inWeChat...), 302, "/pay/oauth/start?return=%2Fmembers%2F"},
		{"a visitor's page in WeChat", "GET", "/members/", append([]string{"Cookie", "pay_session=" + visitor}, inWeChat...), 302, "/pay/oauth/start?return=%2Fmembers%2F"},
		{"a form in WeChat", "POST", "/members/1", inWeChat, 401, `"session_missing"`},
		{"a script in WeChat", "GET", "/members/1", []string{"User-Agent", "MicroMessenger", "Accept", "application/json"}, 401, `"session_missing"`},
		{"a script that takes HTML", "GET", "/members/1", append([]string{"Sec-Fetch-Mode", "cors"}, inWeChat...), 401, `"session_missing"`},
		{"another browser", "GET", "/members/1", []string{"User-Agent", "Mozilla/5.0", "Accept", "text/html"}, 401, `"session_missing"`},
	} {
		resp, body := asked(t, tc.method, base+tc.path, tc.header...)
		got := body
		if resp.StatusCode == 302 {
			got = resp.Header.Get("Location")
		}
		if resp.StatusCode != tc.status || !strings.Contains(got, tc.want) || strings.Contains(body, "the site's error") {
			t.Errorf("%s: %d %v %s", tc.name, resp.StatusCode, resp.Header, body)
		}
		if kind := resp.Header.Get("Content-Type"); tc.status > 400 && kind != "application/problem+json" {
			t.Errorf("%s: Content-Type %q", tc.name, kind)
		}
	}
}

// Only who paid an order sees what it bought.
func TestPayPaid(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http", wxPub)+
		"\t@paid pay_paid {query.order_no}\n\trespond @paid \"the download\"\n\trespond \"pay first\"\n}\n")
	_, found := running(t)
	h := found[0]
	l, err := h.app.store.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	appID := h.resolved.WxLite.AppID()
	for id, payer := range map[string]string{"1": "o-me", "2": "o-me", "3": "o-other", "4": "anon:me"} {
		c := &ledger.Charge{Scope: h.resolved.Scope, OrderNo: "order" + id, State: ledger.Open, ID: "ch_" + id, Channel: "wx_lite", Payer: payer, PayerAppID: appID,
			Amount: 100, Currency: "cny", Created: time.Now(), TimeExpire: time.Now().Add(time.Hour), Raw: []byte("{}")}
		if id == "4" {
			c.PayerAppID = ""
		}
		held, err := l.Reserve(t.Context(), ledger.Reservation{Scope: c.Scope, OrderNo: c.OrderNo, Now: time.Now(), Until: time.Now().Add(time.Minute),
			Number: func(int, int) string { return c.OrderNo }})
		if err != nil {
			t.Fatal(err)
		}
		if c.Number = held.Number; l.Created(t.Context(), c) != nil {
			t.Fatal("the charge cannot be recorded")
		}
		if id != "2" {
			if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(id)); status != 200 {
				t.Fatal("webhook", status)
			}
		}
	}
	if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("5")); status != 200 { // a charge that is not ours
		t.Fatal("webhook", status)
	}
	me := []string{"X-Pay-Session", token(t, "/pay", session.Identity{OpenID: "o-me"})}
	asPage := []string{"X-Pay-Session", token(t, "/pay", session.Identity{Kind: session.WxPub, OpenID: "o-me"})}
	visitor := []string{"Cookie", "pay_session=" + token(t, "/pay", session.Identity{Kind: session.Anonymous, Visitor: "anon:me"})}
	for _, tc := range []struct {
		name, query string
		header      []string
		paid        bool
	}{
		{"mine", "order_no=order1", me, true},
		{"mine, unpaid", "order_no=order2", me, false},
		{"another's", "order_no=order3", me, false},
		{"mine, without a session", "order_no=order1", nil, false},
		{"mine, of the other account", "order_no=order1", asPage, false},
		{"mine, as a visitor", "order_no=order1", visitor, false},
		{"the visitor's", "order_no=order4", visitor, true},
		{"nobody's", "order_no=order5", me, false},
		{"unknown", "order_no=order6", me, false},
		{"none", "", me, false},
		{"odd", "order_no=order1%00", me, false},
		{"a quote", "order_no=order1'%20or%20'1'='1", me, false},
		{"a forged openid", "order_no=order1", []string{"X-WX-OPENID", "o-me"}, false},
	} {
		_, body := asked(t, "GET", "http://"+addr+"/?"+tc.query, tc.header...)
		if body != map[bool]string{true: "the download", false: "pay first"}[tc.paid] {
			t.Errorf("%s: %s", tc.name, body)
		}
	}
}

// The modules that ask about a pay block's users say when there is none, or which one is meant.
func TestModulesFindTheirBlock(t *testing.T) {
	dir := t.TempDir()
	one, two := payBlock(t, dir, "", "allow_http"), secondBlock(t, dir)
	for _, tc := range []struct {
		name, site, want string
	}{
		{"one block", one + "\twechat_auth\n", ""},
		{"inside handle", one + "\thandle /a/* {\n\t\twechat_auth\n\t\t@p pay_paid {path.1}\n\t\trespond @p paid\n\t}\n", ""},
		{"a block inside handle", "\thandle /a/* {\n" + one + "\t\twechat_auth\n\t}\n", ""},
		{"named", one + two + "\twechat_auth {\n\t\tprefix /second\n\t}\n\t@p pay_paid /pay {query.o}\n\trespond @p paid\n", ""},
		{"none", "\twechat_auth\n", "pay on shop.example.com: wechat_auth: there is no pay block on this site, whose users it could ask about; add one"},
		{"none for the matcher", "\t@p pay_paid {query.o}\n\trespond @p paid\n", "pay on shop.example.com: pay_paid: there is no pay block on this site"},
		{"in another block", "\thandle /a/* {\n" + one + "\t}\n\thandle /b/* {\n\t\twechat_auth\n\t}\n", "there is no pay block on this site"},
		{"two", one + two + "\twechat_auth\n", "there are several pay blocks on this site; name one of /pay, /second, like wechat_auth { prefix /pay }"},
		{"two for the matcher", one + two + "\t@p pay_paid {query.o}\n\trespond @p paid\n", "name one of /pay, /second, like pay_paid /pay {query.order_no}"},
		{"no order", one + "\t@p pay_paid \"\"\n\trespond @p paid\n", "pay_paid: names no order; write pay_paid {query.order_no}"},
		{"another's name", one + "\twechat_auth {\n\t\tprefix /third\n\t}\n", "wechat_auth: there is no pay block with the prefix /third on this site; write one of /pay"},
	} {
		err := validate(t, globals(t.TempDir())+"shop.example.com {\n"+tc.site+"}\nother.example.com {\n"+strings.Replace(two, "/second", "/other", 1)+"}\n")
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if tc.want != "" && !placeAtEnd.MatchString(fmt.Sprint(err)) {
			t.Errorf("%s: %v names no line", tc.name, err)
		}
	}
}

package handlers

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
)

// browser is one inside WeChat: it keeps cookies, and shows where it is sent instead of going there.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := *w.client
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{w, &c}
}

// get opens an address of the site, or of WeChat.
func (b *browser) get(address string) answer {
	b.w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.w.server.URL + address
	}
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50")
	resp, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// begin starts a round and returns the callback's address that WeChat sends the browser to.
func (b *browser) begin(back string) string {
	b.w.t.Helper()
	a := b.get("/pay/oauth/start?return=" + url.QueryEscape(back))
	if a.status != 302 {
		b.w.t.Fatalf("starting: %d %s", a.status, a.body)
	}
	a = b.get(a.header.Get("Location"))
	callback := a.header.Get("Location")
	if a.status != 302 || !strings.HasPrefix(callback, b.w.server.URL+"/pay/oauth/callback?code=") {
		b.w.t.Fatalf("WeChat: %d %q %s", a.status, callback, a.body)
	}
	u, _ := url.Parse(callback)
	b.w.hide(u.Query().Get("code"), u.Query().Get("state"))
	return callback
}

func TestOAuthRound(t *testing.T) {
	w := newOpenWorld(t)
	w.sandbox.SetWebUser(sandbox.WebUser{OpenID: payer, UnionID: "uSecret"})
	b := w.browser()
	start := b.get("/pay/oauth/start?return=/cart%3Fid%3D1%23/pay")
	want := regexp.MustCompile(`^` + regexp.QuoteMeta(w.outsideURL) + `/connect/oauth2/authorize\?appid=` + w.sandbox.WxPub().AppID +
		`&redirect_uri=` + regexp.QuoteMeta(url.QueryEscape(w.server.URL+"/pay/oauth/callback")) + `&response_type=code&scope=snsapi_base&state=[a-z0-9]{32}#wechat_redirect$`)
	if got := start.header.Get("Location"); start.status != 302 || !want.MatchString(got) {
		t.Errorf("%d %s", start.status, got)
	}
	if c := (&http.Response{Header: start.header}).Cookies(); len(c) != 1 || c[0].Name != "__Host-pay_oauth" || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].MaxAge != 600 {
		t.Errorf("the round's cookie: %v", c)
	}
	callback := b.begin("/cart?id=1#/pay")
	a := b.get(callback)
	if a.status != 302 || a.header.Get("Location") != "/cart?id=1#/pay" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	if strings.Contains(strings.Join(a.header.Values("Set-Cookie"), ""), payer) {
		t.Error("the cookie shows the openid")
	}
	paid := w.do("POST", "/pay/charges", orderOf("1001", "wx_pub"), "Cookie", cookieOf(t, a), "Origin", w.origin())
	if paid.status != 201 || paid.field("extra").(map[string]any)["open_id"] != payer {
		t.Errorf("paying with the session: %d %s", paid.status, paid.body)
	}
	if c := w.attempts("1001")[0]; c.Payer != payer || c.PayerAppID != w.sandbox.WxPub().AppID {
		t.Errorf("the charge belongs to %q of %q", c.Payer, c.PayerAppID)
	}
	if got := w.backend.exchanges("/internal/pay/orders/")[0].header; got.Get("X-Wx-Openid") != payer || got.Get("X-Wx-Unionid") != "uSecret" {
		t.Errorf("the backend is told %v", got)
	}
	if wantProblem(t, b.get(callback), 403, "oauth_state_invalid"); w.calls("oauth_access_token") != 1 {
		t.Errorf("%d exchanges", w.calls("oauth_access_token"))
	}
}

// A state is good in the browser that began the round, for one code, and not for long.
func TestOAuthStateIsBound(t *testing.T) {
	w := newOpenWorld(t)
	mine, other := w.browser(), w.browser()
	callback := mine.begin("/")
	theirs := other.begin("/")
	u, _ := url.Parse(callback)
	state := u.Query().Get("state")
	for name, a := range map[string]answer{
		"no cookie":       w.browser().get(callback),
		"another's round": mine.get(theirs),
		"no state":        mine.get("/pay/oauth/callback?code=" + u.Query().Get("code")),
		"empty state":     mine.get("/pay/oauth/callback?state=&code=" + u.Query().Get("code")),
		"state cut":       mine.get("/pay/oauth/callback?code=x&state=" + state[1:]),
		"a session for a state": w.do("GET", "/pay/oauth/callback?code=x&state="+payer, "",
			"Cookie", "__Host-pay_oauth="+w.sealed(session.Identity{Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID})),
	} {
		t.Log(name)
		wantProblem(t, a, 403, "oauth_state_invalid")
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: sets %s", name, a.header.Get("Set-Cookie"))
		}
	}
	wantProblem(t, mine.get("/pay/oauth/callback?state="+state), 400, "code_missing")
	if n := w.calls("oauth_access_token"); n != 0 {
		t.Errorf("%d exchanges", n)
	}
	// The same request twice, as browsers inside WeChat send it, is answered twice; the state with another code is not.
	site, _ := url.Parse(w.server.URL)
	cookie := mine.client.Jar.Cookies(site)[0]
	if a := mine.get(callback); a.status != 302 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := noFollow(w, callback, cookie); a.status != 302 || a.header.Get("Location") != "/" {
		t.Errorf("%d %s", a.status, a.body)
	}
	fresh := w.sandbox.NewOAuthCode(stranger)
	wantProblem(t, w.do("GET", "/pay/oauth/callback?state="+state+"&code="+fresh, "", "Cookie", cookie.String()), 403, "oauth_state_invalid")
	if n := w.calls("oauth_access_token"); n != 1 {
		t.Errorf("%d exchanges", n)
	}
	w.clock.Add(11 * time.Minute)
	wantProblem(t, other.get(theirs), 403, "oauth_state_invalid")
}

// A code stands in an address, which others may come to see. Once it is used it logs nobody in that did not begin its round.
func TestOAuthCodeOfAnotherRound(t *testing.T) {
	w := newOpenWorld(t)
	victim := w.browser()
	mine, _ := url.Parse(victim.begin("/"))
	if a := victim.get(mine.String()); a.status != 302 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	thief := w.browser()
	u, _ := url.Parse(thief.begin("/"))
	a := thief.get("/pay/oauth/callback?state=" + u.Query().Get("state") + "&code=" + mine.Query().Get("code"))
	if wantProblem(t, a, 502, "oauth_rejected"); strings.Contains(strings.Join(a.header.Values("Set-Cookie"), ""), "pay_session") {
		t.Error("somebody else's code logs in")
	}
}

func noFollow(w *world, address string, cookies ...*http.Cookie) answer {
	b := w.browser()
	u, _ := url.Parse(w.server.URL)
	b.client.Jar.SetCookies(u, cookies)
	return b.get(address)
}

func TestOAuthRefusals(t *testing.T) {
	w := newOpenWorld(t)
	w.sandbox.SetWebUser(sandbox.WebUser{OpenID: payer})
	for _, c := range []struct {
		fault  string
		status int
		code   string
	}{
		{"40029", 502, "oauth_rejected"},
		{"40163", 502, "oauth_rejected"},
		{"42003", 502, "oauth_rejected"},
		{"48001", 502, "oauth_rejected"},
		{"-1", 503, "wechat_busy"},
		{"45011", 503, "wechat_busy"},
		{"40226", 403, "wechat_blocked"},
		{"40125", 502, "wechat_misconfigured"},
		{"40164", 502, "wechat_misconfigured"},
		{"502", 502, "wechat_unavailable"},
		{"200_null", 502, "wechat_unavailable"},
		{"drop", 502, "wechat_unavailable"},
	} {
		b := w.browser()
		callback := b.begin("/")
		w.fault("oauth_access_token", c.fault, 1)
		a := b.get(callback)
		wantProblem(t, a, c.status, c.code)
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: sets %s", c.fault, a.header.Get("Set-Cookie"))
		}
		if c.code == "wechat_busy" {
			if a := b.get(callback); a.status != 302 {
				t.Errorf("after %s the same page again: %d %s", c.fault, a.status, a.body)
			}
		}
	}
	// A snapshot's openid is nobody's.
	w.sandbox.SetWebUser(sandbox.WebUser{OpenID: payer, Snapshot: true})
	b := w.browser()
	a := b.get(b.begin("/"))
	wantProblem(t, a, 403, "snapshot_user")
	if a.header.Get("Set-Cookie") != "" {
		t.Error("a snapshot user gets a session")
	}
}

func TestReturnPath(t *testing.T) {
	w := newWorld(t)
	for _, good := range []string{"", "/", "/a", "/a/b?c=d&e=//f", "/#/pay?x=1", "/商品/1", "/pay", "/pay/checkout?order_no=1", "/payment/oauth", "/a//b", "/?next=https://x"} {
		a := w.browser().get("/pay/oauth/start?return=" + url.QueryEscape(good))
		if a.status != 302 {
			t.Errorf("%q: %d %s", good, a.status, a.body)
		}
	}
	for _, bad := range []string{
		"//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "https://evil.example", "https:/evil.example", "javascript:alert(1)", "evil.example", "a", "?x", "#x",
		"/\t/evil.example", "\t//evil.example", "/\r\nSet-Cookie: a=b", "/a\x00", "/a\x7f", "/%zz", `/a\b`,
		"/pay/oauth/start", "/pay/oauth/start?return=/", "/pay/oauth", "/PAY/OAuth/callback", "/pay//oauth/start", "/pay/./oauth/start", "/x/../pay/oauth/start", "/pay/%6fauth/start", "/pay/%256fauth/start",
		"/" + strings.Repeat("a", 1024),
	} {
		a := w.browser().get("/pay/oauth/start?return=" + url.QueryEscape(bad))
		wantProblem(t, a, 400, "field_forbidden")
		if a.header.Get("Location") != "" || a.header.Get("Set-Cookie") != "" || a.text("field") != "return" {
			t.Errorf("%q: %v", bad, a.header)
		}
	}
}

// Without an official account there is nothing of its routes.
func TestNoOfficialAccount(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.WxPub = nil })
	for _, path := range []string{"/pay/oauth/start", "/pay/oauth/callback?code=x&state=y", "/pay/jssdk?url=" + url.QueryEscape(w.server.URL+"/")} {
		wantProblem(t, w.do("GET", path, ""), 404, "not_found")
	}
}

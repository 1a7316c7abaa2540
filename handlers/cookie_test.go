package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/session"
)

// openChannel is a channel without an openid. Ping++ is played for it by openProvider.
const openChannel = "alipay_qr"

// newOpenWorld is a world with a channel that needs no openid.
func newOpenWorld(t testing.TB) *world {
	w := newWorld(t)
	w.set(func(c *Config) { c.Channels = []string{"wx_lite", "wx_pub", openChannel} })
	w.outside.put(w.openProvider())
	return w
}

// openProvider creates charges of every channel but wx_lite as Ping++ does.
func (w *world) openProvider() http.Handler {
	n := 0
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		var p map[string]any
		_ = json.Unmarshal(raw, &p)
		if r.URL.Path != "/v1/charges" || r.Method != http.MethodPost || p["channel"] == "wx_lite" {
			w.sandbox.ServeHTTP(rw, r)
			return
		}
		n++
		p["id"], p["object"], p["app"] = fmt.Sprintf("ch_open%d", n), "charge", w.sandbox.App()
		p["livemode"], p["paid"], p["refunded"], p["reversed"] = false, false, false, false
		p["created"], p["time_expire"] = w.clock.Now().Unix(), w.clock.Now().Add(2*time.Hour).Unix()
		p["credential"] = map[string]any{"object": "credential", openChannel: "https://qr.example/1"}
		_ = json.NewEncoder(rw).Encode(p)
	})
}

func orderOf(orderNo, channel string) string {
	return fmt.Sprintf(`{"order_no":%q,"channel":%q}`, orderNo, channel)
}

// origin is what a browser on a page of the site says.
func (w *world) origin() string { return w.server.URL }

// cookieOf is the session cookie that an answer sets, as a browser sends it back.
func cookieOf(t testing.TB, a answer) string {
	t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name != "__Host-pay_session" {
			continue
		}
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge < 7100 || c.MaxAge > 7200 {
			t.Errorf("the cookie is %s", c.Raw)
		}
		return c.Name + "=" + c.Value
	}
	t.Fatalf("no session cookie in %d %v %s", a.status, a.header, a.body)
	return ""
}

// sealed makes a session of any kind.
func (w *world) sealed(id session.Identity) string {
	w.t.Helper()
	if id.Scope.App == "" {
		id.Scope = w.config.Scope
	}
	if id.Expires.IsZero() {
		id.Expires = w.clock.Now().Add(time.Hour)
	}
	token, err := w.config.Sessions.Seal(w.t.Context(), session.ForSession, id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.hide(token)
	return token
}

// Who has no openid gets a cookie with the first charge, and owns with it what is paid without one.
func TestAnonymousVisitor(t *testing.T) {
	w := newOpenWorld(t)
	first := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", w.origin())
	if first.status != 201 {
		t.Fatalf("answered %d %s", first.status, first.body)
	}
	cookie := cookieOf(t, first)
	c := w.attempts("1001")[0]
	if !strings.HasPrefix(c.Payer, "anon:") || len(c.Payer) < 30 || c.PayerAppID != "" {
		t.Errorf("the charge belongs to %q of %q", c.Payer, c.PayerAppID)
	}
	if sent := w.outside.exchanges("/v1/charges")[0].sent; bytes.Contains(sent, []byte("open_id")) || bytes.Contains(sent, []byte("anon")) {
		t.Errorf("Ping++ got %s", sent)
	}
	asked := w.backend.exchanges("/internal/pay/orders/")[0].header
	for name := range asked {
		if strings.HasPrefix(strings.ToUpper(name), "X-WX-") {
			t.Errorf("the backend is told %s of a visitor", name)
		}
	}

	// The same browser finds its charge again, and another does not.
	if a := w.do("GET", "/pay/charges/"+c.ID, "", "Cookie", cookie); a.status != 200 || a.text("status") != "created" {
		t.Errorf("the visitor's own charge: %d %s", a.status, a.body)
	}
	again := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", w.origin(), "Cookie", "x=1; "+cookie)
	if again.status != 200 || !bytes.Equal(again.body, first.body) {
		t.Errorf("the visitor pays again: %d %s", again.status, again.body)
	}
	if prolonged := cookieOf(t, again); prolonged == cookie {
		t.Error("the session is not prolonged")
	}
	other := w.do("POST", "/pay/charges", orderOf("1002", openChannel), "Origin", w.origin())
	wantProblem(t, w.do("GET", "/pay/charges/"+c.ID, "", "Cookie", cookieOf(t, other)), 404, "charge_not_found")
	wantProblem(t, w.do("GET", "/pay/charges/"+c.ID, "", "X-Pay-Session", w.session(payer)), 404, "charge_not_found")

	// An old cookie is no obstacle, an old token in a header is: its client knows how to log in again.
	w.clock.Add(3 * time.Hour)
	if a := w.do("POST", "/pay/charges", orderOf("1003", openChannel), "Origin", w.origin(), "Cookie", cookie); a.status != 201 || cookieOf(t, a) == cookie {
		t.Errorf("an expired cookie: %d %s", a.status, a.body)
	}
	_, token, _ := strings.Cut(cookie, "=")
	wantProblem(t, w.do("POST", "/pay/charges", orderOf("1004", openChannel), "Origin", w.origin(), "X-Pay-Session", token), 401, "session_expired")
}

// A cookie comes along by itself, so a POST with it, or one that begets it, has to come from a page of the site.
func TestCookieNeedsTheSitesOrigin(t *testing.T) {
	w := newOpenWorld(t)
	user := "__Host-pay_session=" + w.sealed(session.Identity{Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID})
	host := strings.TrimPrefix(w.server.URL, "https://")
	for _, cookie := range []string{"", user} {
		for _, c := range []struct {
			origin, kind string
			status       int
			code         string
		}{
			{"", "application/json", 403, "origin_forbidden"},
			{"null", "application/json", 403, "origin_forbidden"},
			{"https://evil.example", "application/json", 403, "origin_forbidden"},
			{"http://" + host, "application/json", 403, "origin_forbidden"},
			{"https://" + host + ".evil.example", "application/json", 403, "origin_forbidden"},
			{"https://evil.example/" + host, "application/json", 403, "origin_forbidden"},
			{"https://" + host + "@evil.example", "application/json", 403, "origin_forbidden"},
			{"file://" + host, "application/json", 403, "origin_forbidden"},
			{w.origin(), "text/plain", 415, "content_type"},
			{w.origin(), "application/x-www-form-urlencoded", 415, "content_type"},
			{"https://evil.example", "text/plain", 415, "content_type"},
		} {
			a := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Cookie", cookie, "Origin", c.origin, "Content-Type", c.kind)
			wantProblem(t, a, c.status, c.code)
			if a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: a refused request sets %s", c.origin, a.header.Get("Set-Cookie"))
			}
		}
	}
	if n := len(w.outside.exchanges("/v1/")) + len(w.backend.exchanges("/")); n != 0 {
		t.Errorf("%d calls came of it", n)
	}
	beside := w.do("POST", "/pay/charges", orderOf("1002", openChannel), "Authorization", "Bearer a.b.c.d.e", "Origin", w.origin())
	if beside.status != 201 || beside.header.Get("Set-Cookie") == "" {
		t.Errorf("beside a shop's own JWE: %d %s", beside.status, beside.body)
	}
	// Headers do not come by themselves: no origin is asked for.
	_, token, _ := strings.Cut(user, "=")
	if a := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "X-Pay-Session", token); a.status != 201 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("with a header: %d %s %v", a.status, a.body, a.header)
	}
	if a := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Cookie", user, "Origin", w.origin()); a.status != 200 {
		t.Errorf("with a cookie: %d %s", a.status, a.body)
	}
}

// Each channel takes the sessions of its own kind only.
func TestKindsOfSessions(t *testing.T) {
	w := newOpenWorld(t)
	mini := w.sealed(session.Identity{Kind: session.WxLite, OpenID: payer, AppID: w.sandbox.WxLite().AppID})
	page := w.sealed(session.Identity{Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID})
	visitor := w.sealed(session.Identity{Kind: session.Anonymous, Visitor: "anon:x"})
	for i, c := range []struct {
		channel, login string
		status         int
		code           string
	}{
		{"wx_lite", mini, 201, ""},
		{"wx_lite", page, 401, "session_invalid"},
		{"wx_lite", visitor, 401, "session_missing"},
		{"wx_lite", "", 401, "session_missing"},
		{"wx_pub", mini, 401, "session_invalid"},
		{"wx_pub", page, 201, ""},
		{"wx_pub", visitor, 401, "session_missing"},
		{"wx_pub", "", 401, "session_missing"},
		{openChannel, mini, 201, ""},
		{openChannel, page, 201, ""},
		{openChannel, visitor, 201, ""},
	} {
		before := len(w.outside.exchanges("/v1/"))
		a := w.do("POST", "/pay/charges", orderOf(fmt.Sprintf("no%d", i), c.channel), "X-Pay-Session", c.login, "Origin", w.origin())
		if c.status == 201 {
			if a.status != 201 {
				t.Errorf("%d: %d %s", i, a.status, a.body)
			}
			continue
		}
		wantProblem(t, a, c.status, c.code)
		if len(w.outside.exchanges("/v1/")) != before {
			t.Errorf("%d: Ping++ was asked", i)
		}
	}
	// A code is for the channel of its mini program, whoever the cookie says that is there.
	body := fmt.Sprintf(`{"order_no":"2001","channel":"wx_lite","code":%q}`, w.sandbox.NewCode(payer))
	if a := w.do("POST", "/pay/charges", body, "Cookie", "__Host-pay_session="+visitor, "Origin", w.origin()); a.status != 201 {
		t.Errorf("a code beside a visitor's cookie: %d %s", a.status, a.body)
	}
	wantProblem(t, w.do("POST", "/pay/charges", strings.Replace(body, "wx_lite", "wx_pub", 1)), 401, "session_missing")
}

// A session is good for the account, app and mode that it was made for.
func TestForeignSessions(t *testing.T) {
	w := newOpenWorld(t)
	live := w.config.Scope
	live.Mode = "live"
	other := w.config.Scope
	other.App = "app_other"
	for name, id := range map[string]session.Identity{
		"another mini program":          {Kind: session.WxLite, OpenID: payer, AppID: "wxother"},
		"the official account's openid": {Kind: session.WxLite, OpenID: payer, AppID: w.sandbox.WxPub().AppID},
		"another official account":      {Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxLite().AppID},
		"live":                          {Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID, Scope: live},
		"another app":                   {Kind: session.WxLite, OpenID: payer, AppID: w.sandbox.WxLite().AppID, Scope: other},
		"a visitor of another app":      {Kind: session.Anonymous, Visitor: "anon:x", Scope: other},
		"a visitor with an openid":      {Kind: session.Anonymous, Visitor: payer},
		"a visitor's id as an openid":   {Kind: session.WxLite, OpenID: "anon:x", AppID: w.sandbox.WxLite().AppID},
		"a visitor of an account":       {Kind: session.Anonymous, Visitor: "anon:x", AppID: w.sandbox.WxPub().AppID},
		"no kind":                       {OpenID: payer, AppID: w.sandbox.WxPub().AppID},
		"an unknown kind":               {Kind: "alipay", OpenID: payer},
	} {
		token := w.sealed(id)
		wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", token), 401, "session_invalid")
		wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "Cookie", "__Host-pay_session="+token), 401, "session_invalid")
		if a := w.do("POST", "/pay/charges", orderOf("1001", "wx_lite"), "X-Pay-Session", token); a.status != 401 {
			t.Errorf("%s pays: %d %s", name, a.status, a.body)
		}
	}
	w.set(func(c *Config) { c.WxPub = nil })
	wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", w.sealed(session.Identity{Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID})), 401, "session_invalid")
}

// An order of somebody does not exist for a visitor, and a paid one names its charge to nobody else.
func TestVisitorAndAnotherUsersOrder(t *testing.T) {
	w := newOpenWorld(t)
	w.setQuote(w.answerQuote(map[string]any{"openid": payer}))
	wantProblem(t, w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", w.origin()), 404, "order_not_found")
	w.setQuote(w.answerQuote(map[string]any{"openid": "anon:x"}))
	visitor := w.sealed(session.Identity{Kind: session.Anonymous, Visitor: "anon:x"})
	wantProblem(t, w.do("POST", "/pay/charges", orderOf("1001", openChannel), "X-Pay-Session", visitor), 404, "order_not_found")
	if n := w.calls("create_charge"); n != 0 {
		t.Errorf("%d charges", n)
	}
}

// Our cookies stay with us; the shop's own reach the backend as the client wrote them.
func TestCookiesOfTheQuote(t *testing.T) {
	w := newOpenWorld(t)
	token := w.sealed(session.Identity{Kind: session.WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID})
	a := w.do("POST", "/pay/charges", orderOf("1001", "wx_pub"), "Origin", w.origin(),
		"Cookie", `shop="a b" ; __Host-pay_session=`+token+`; pay_session=x; lang=zh`, "Cookie", "pay_oauth=y", "Cookie", "cart=7; my_pay_session=z")
	if a.status != 201 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	got := w.backend.exchanges("/internal/pay/orders/")[0].header
	if want := []string{`shop="a b" ; lang=zh`, "cart=7; my_pay_session=z"}; !slices.Equal(got["Cookie"], want) {
		t.Errorf("the backend sees the cookies %q, want %q", got["Cookie"], want)
	}
	if got.Get("X-Wx-Openid") != payer || got.Get("X-Wx-Appid") != w.sandbox.WxPub().AppID {
		t.Errorf("the backend is told %v", got)
	}
	h := http.Header{"Cookie": {"__Host-pay_session=a; pay_oauth=b"}}
	w.site.Visitors.Strip(h)
	if _, there := h["Cookie"]; there {
		t.Errorf("left: %q", h)
	}
}

// Over plain HTTP, where that is allowed, the cookie cannot be Secure; a proxy that says https gets the safer one.
func TestCookieOverPlainHTTP(t *testing.T) {
	w := newOpenWorld(t)
	w.set(func(c *Config) { c.AllowHTTP, c.Prefix = true, "/shop/pay" })
	plain := httptest.NewServer(w.handler(w.site))
	defer plain.Close()
	a := w.doAt(plain, "POST", "/shop/pay/charges", orderOf("1001", openChannel), "Origin", plain.URL)
	c := (&http.Response{Header: a.header}).Cookies()[0]
	if a.status != 201 || c.Name != "shop_pay_session" || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("answered %d, %s", a.status, c.Raw)
	}
	if again := w.doAt(plain, "POST", "/shop/pay/charges", orderOf("1001", openChannel), "Origin", plain.URL, "Cookie", "shop_pay_session="+c.Value); again.status != 200 {
		t.Errorf("answered %d %s", again.status, again.body)
	}
	// Over HTTPS such a cookie may be somebody else's doing.
	wantProblem(t, w.do("GET", "/shop/pay/charges/"+a.text("id"), "", "Cookie", "shop_pay_session="+c.Value), 401, "session_missing")

	host := strings.TrimPrefix(plain.URL, "http://")
	a = w.doAt(plain, "POST", "/shop/pay/charges", orderOf("1002", openChannel), "Origin", "https://"+host, "X-Forwarded-Proto", "HTTPS, http")
	c = (&http.Response{Header: a.header}).Cookies()[0]
	if a.status != 201 || c.Name != "__Host-shop_pay_session" || !c.Secure {
		t.Errorf("answered %d, %s", a.status, c.Raw)
	}
}

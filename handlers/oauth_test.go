package handlers

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
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
			"Cookie", "__Host-pay_oauth="+w.sealed(Identity{Kind: WxPub, OpenID: payer, AppID: w.sandbox.WxPub().AppID})),
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
		"/" + strings.Repeat("a", maxReturn),
	} {
		a := w.browser().get("/pay/oauth/start?return=" + url.QueryEscape(bad))
		wantProblem(t, a, 400, "field_forbidden")
		if a.header.Get("Location") != "" || a.header.Get("Set-Cookie") != "" || a.text("field") != "return" {
			t.Errorf("%q: %v", bad, a.header)
		}
	}
}

// FuzzReturnPath looks for a path that a browser would read another host from.
func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/", "/a?b#c", "//x", `/\x`, "/x/..//y", "/%2f/x", "/%5cx", "/;/x", "/a:b@c"} {
		f.Add(s)
	}
	s := &Site{Prefix: "/pay"}
	base, _ := url.Parse("https://shop.example/pay/oauth/callback")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.returnPath(text)
		if err != nil {
			return
		}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || u.User != nil || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
			t.Errorf("%q became %q, which leads to %v, %v", text, got, u, err)
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c > '~' || c == '\\' {
				t.Errorf("%q became %q, which holds %q", text, got, c)
			}
		}
	})
}

// loginBackend is a shop that logs its users in by ours.
func (w *world) loginBackend(h http.HandlerFunc) {
	w.site.Login = &Login{Path: "/internal/pay/login", Timeout: 5 * time.Second}
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/internal/pay/login" {
			h(rw, r)
			return
		}
		w.answerQuote(nil)(rw, r)
	})
}

func TestLoginHook(t *testing.T) {
	w := newOpenWorld(t)
	w.loginBackend(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Add("Set-Cookie", "shop=1; HttpOnly")
		rw.Header().Add("Set-Cookie", "lang=zh")
		rw.Header().Set("X-Internal", "no")
		_, _ = rw.Write([]byte("\ufeff {\"user\": 7}\n"))
	})
	a := w.do("POST", "/pay/openid", `{"code":"`+w.sandbox.NewCode(payer)+`"}`, "Cookie", "cart=9; __Host-pay_session=x", "X-WX-OPENID", stranger, "X-Pay-Token", "forged",
		"Referer", "https://servicewechat.com/wx0/devtools/page-frame.html", "Sec-Fetch-Site", "cross-site")
	if a.status != 200 || !bytes.Contains(a.body, []byte(`"login":{"user":7}`)) || a.text("session") == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := a.header.Values("Set-Cookie"); !slices.Equal(got, []string{"shop=1; HttpOnly", "lang=zh"}) || a.header.Get("X-Internal") != "" {
		t.Errorf("the client gets %v", a.header)
	}
	told := w.backend.exchanges("/internal/pay/login")
	if len(told) != 1 || told[0].method != "POST" {
		t.Fatalf("told: %+v", told)
	}
	want := `{"openid":"` + payer + `","appid":"` + w.sandbox.WxLite().AppID + `","app":"` + w.sandbox.App() + `","mode":"test"}`
	h := told[0].header
	if string(told[0].sent) != want || h.Get("X-Pay-Token") != backendToken || h.Get("X-Wx-Openid") != payer || h.Get("X-Pay-Mode") != "test" || h.Get("Cookie") != "cart=9" || h.Get("Content-Type") != "application/json" {
		t.Errorf("told %s with %v", told[0].sent, h)
	}
	if told[0].host != strings.TrimPrefix(w.server.URL, "https://") {
		t.Errorf("told under the host %s", told[0].host)
	}

	wantProblem(t, w.do("GET", "/pay/openid?code=x", ""), 405, "method_not_allowed")

	// A page's login comes to the backend too, and its cookies to the browser.
	w.sandbox.SetWebUser(sandbox.WebUser{OpenID: stranger, UnionID: "uSecret"})
	b := w.browser()
	done := b.get(b.begin("/me"))
	if cookies := strings.Join(done.header.Values("Set-Cookie"), " | "); done.status != 302 || !strings.Contains(cookies, "shop=1; HttpOnly") || !strings.Contains(cookies, "__Host-pay_session=") {
		t.Errorf("%d %s %s", done.status, cookies, done.body)
	}
	told = w.backend.exchanges("/internal/pay/login")
	if want := `{"openid":"` + stranger + `","unionid":"uSecret","appid":"` + w.sandbox.WxPub().AppID + `",`; len(told) != 2 || !strings.HasPrefix(string(told[1].sent), want) {
		t.Errorf("told %s", told[len(told)-1].sent)
	}
}

// Nobody can make a browser log in from another site.
func TestLoginFromAnotherSite(t *testing.T) {
	w := newOpenWorld(t)
	w.loginBackend(func(rw http.ResponseWriter, r *http.Request) { rw.Header().Set("Set-Cookie", "shop=1") })
	code := w.sandbox.NewCode(payer)
	for _, header := range [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", "https://evil.example", "Content-Type", "text/plain"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Referer", "https://servicewechat.com.evil.example/"},
		{"Origin", "https://evil.example", "Referer", "http://servicewechat.com/wx/"},
	} {
		for _, a := range []answer{
			w.do("POST", "/pay/openid", `{"code":"`+code+`"}`, header...),
			w.do("POST", "/pay/openid?code="+code, "", header...),
		} {
			wantProblem(t, a, 403, "origin_forbidden")
			if a.header.Get("Set-Cookie") != "" {
				t.Errorf("%v: sets a cookie", header)
			}
		}
	}
	if n := w.calls("jscode2session") + len(w.backend.exchanges("/")); n != 0 {
		t.Errorf("%d calls came of it", n)
	}
	for _, header := range [][]string{nil, {"Origin", w.origin()}, {"Sec-Fetch-Site", "same-origin", "Origin", w.origin()}} {
		if a := w.do("POST", "/pay/openid", `{"code":"`+code+`"}`, header...); a.status != 200 {
			t.Errorf("%v: %d %s", header, a.status, a.body)
		}
	}
}

// When the backend fails, the code stays good, and no cookie of a failed answer gets through.
func TestLoginBackendFails(t *testing.T) {
	w := newOpenWorld(t)
	for name, h := range map[string]http.HandlerFunc{
		"500": func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(500) },
		"403": func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(403) },
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/login?token=secret", http.StatusFound)
		},
		"html": func(rw http.ResponseWriter, r *http.Request) { _, _ = rw.Write([]byte("<html>")) },
		"large": func(rw http.ResponseWriter, r *http.Request) {
			_, _ = rw.Write([]byte(`"` + strings.Repeat("a", maxLoginAnswer) + `"`))
		},
		"gone": func(rw http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			w.loginBackend(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Set-Cookie", "shop=1")
				h(rw, r)
			})
			before := w.calls("jscode2session")
			body := `{"code":"` + w.sandbox.NewCode(payer) + `"}`
			a := w.do("POST", "/pay/openid", body)
			wantProblem(t, a, 502, "backend_unavailable")
			b := w.browser()
			callback := b.begin("/")
			web := b.get(callback)
			wantProblem(t, web, 502, "backend_unavailable")
			if a.header.Get("Set-Cookie")+web.header.Get("Set-Cookie") != "" {
				t.Errorf("cookies: %q, %q", a.header.Get("Set-Cookie"), web.header.Get("Set-Cookie"))
			}
			w.loginBackend(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(204) })
			if a := w.do("POST", "/pay/openid", body); a.status != 200 || a.field("login") != nil {
				t.Errorf("again: %d %s", a.status, a.body)
			}
			if web := b.get(callback); web.status != 302 {
				t.Errorf("the page again: %d %s", web.status, web.body)
			}
			if n := w.calls("jscode2session") - before; n != 1 {
				t.Errorf("%d exchanges", n)
			}
		})
	}
}

func TestJSSDK(t *testing.T) {
	w := newOpenWorld(t)
	page := w.server.URL + "/商品/1?a=b&c=%20"
	a := w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page+"#/x"), "")
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var got struct {
		AppID     string      `json:"appId"`
		Timestamp json.Number `json:"timestamp"`
		Nonce     string      `json:"nonceStr"`
		Signature string      `json:"signature"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	var ticket struct{ Ticket string }
	lent := w.outside.exchanges("/cgi-bin/ticket/getticket")
	if err := json.Unmarshal(lent[len(lent)-1].got, &ticket); err != nil {
		t.Fatal(err)
	}
	w.hide(ticket.Ticket)
	sum := sha1.Sum([]byte("jsapi_ticket=" + ticket.Ticket + "&noncestr=" + got.Nonce + "&timestamp=" + got.Timestamp.String() + "&url=" + page))
	want := hex.EncodeToString(sum[:])
	if got.AppID != w.sandbox.WxPub().AppID || got.Timestamp.String() != "1795424400" || len(got.Nonce) != 16 || got.Signature != want {
		t.Errorf("%s, want the signature %s", a.body, want)
	}
	calls := w.calls("getticket")
	host := strings.TrimPrefix(w.server.URL, "https://")
	for _, foreign := range []string{
		"", "https://evil.example/", "http://" + host + "/", "https://" + host + ".evil.example/", "https://" + host + "@evil.example/", "https://a@" + host + "/",
		"//" + host + "/", "/cart", host, "javascript:alert(1)", "https://evil.example#https://" + host + "/", "https://" + host + "\\@evil.example/", "https://" + host + "/ a", "https://" + host + "/\n",
		"ftp://" + host + "/", "https://" + host + "/" + strings.Repeat("a", maxPage),
	} {
		wantProblem(t, w.do("GET", "/pay/jssdk?url="+url.QueryEscape(foreign), ""), 403, "origin_forbidden")
	}
	if w.calls("getticket") != calls {
		t.Error("a foreign page costs a call")
	}
	w.fault("stable_token", "40164", 1)
	wantProblem(t, w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page), ""), 502, "wechat_misconfigured")
	w.fault("getticket", "45009", 1)
	wantProblem(t, w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page), ""), 503, "wechat_busy")
}

// Without an official account there is nothing of its routes.
func TestNoOfficialAccount(t *testing.T) {
	w := newWorld(t)
	w.site.WxPub = nil
	for _, path := range []string{"/pay/oauth/start", "/pay/oauth/callback?code=x&state=y", "/pay/jssdk?url=" + url.QueryEscape(w.server.URL+"/")} {
		wantProblem(t, w.do("GET", path, ""), 404, "not_found")
	}
}

// Money that is held, or was given back, is no payment to show something for.
func TestPaid(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	me, err := w.site.Sessions.Open(t.Context(), useSession, session)
	if err != nil {
		t.Fatal(err)
	}
	event := func(id, number, change string, amount int64, c ledger.ChargeChange) {
		t.Helper()
		e := &ledger.Event{Scope: w.site.Scope, ID: "evt_" + id + change, Type: change, OrderNo: number, Number: number, ChargeID: id, ObjectID: id + change,
			State: ledger.Pending, Received: w.clock.Now(), Change: &c, Body: []byte("{}"), Source: ledger.Webhook, Lane: number}
		if c.Paid {
			e.Payment = &ledger.Payment{Amount: amount, Currency: "cny"}
		}
		if _, err := w.ledger.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	paid := ledger.ChargeChange{Paid: true, TimePaid: w.clock.Now()}
	for _, c := range []struct {
		order  string
		amount int64 // 0: not paid
		refund int64
		want   bool
	}{{"P1", 0, 0, false}, {"P2", 1999, 0, true}, {"P3", 1, 0, false}, {"P4", 1999, 999, true}, {"P5", 1999, 1999, false}} {
		id, number := w.created(session, c.order)
		if c.amount > 0 {
			event(id, number, "charge.succeeded", c.amount, paid)
		}
		if c.refund > 0 {
			event(id, number, "refund.succeeded", c.refund, ledger.ChargeChange{Refund: c.refund})
		}
		if got := w.site.Paid(t.Context(), me, c.order); got != c.want {
			t.Errorf("%s: %v", c.order, got)
		}
		other := me
		other.OpenID = stranger
		if w.site.Paid(t.Context(), other, c.order) || w.site.Paid(t.Context(), Identity{}, c.order) {
			t.Errorf("%s is paid for somebody else", c.order)
		}
	}
	w.ledger.Close()
	if w.site.Paid(t.Context(), me, "P2") {
		t.Error("a closed ledger says paid")
	}
}

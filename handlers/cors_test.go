package handlers

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
)

const (
	guestOrigin = "https://m.example.com" // that the site lists
	otherOrigin = "https://evil.example"
)

// newGuestWorld is a world with pages on another origin, and all that a site can have.
func newGuestWorld(t testing.TB) *world {
	w := newOpenWorld(t)
	w.set(func(c *Config) { c.Origins = []string{"https://h5.example.com:8443", guestOrigin} })
	w.set(func(c *Config) {
		c.Checkout = &payment.Checkout{Channels: []string{openChannel}, ReturnURL: "https://shop.example.com/orders"}
	})
	return w
}

// wantNoCORS checks that an answer says nothing to pages of other origins.
func wantNoCORS(t testing.TB, what string, a answer) {
	t.Helper()
	for name, values := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s: %v", what, name, values)
		}
	}
}

// wantGuest checks that an answer can be read by the guest's page and sets no cookie.
func wantGuest(t testing.TB, what string, a answer) {
	t.Helper()
	h := a.header
	if got := h.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != guestOrigin {
		t.Errorf("%s: Access-Control-Allow-Origin %q", what, got)
	}
	if got := h.Get("Access-Control-Expose-Headers"); got != "Location, Retry-After, X-Pay-Order-No, X-Pay-Session" {
		t.Errorf("%s: Access-Control-Expose-Headers %q", what, got)
	}
	if !slices.Contains(h.Values("Vary"), "Origin") {
		t.Errorf("%s: Vary %q", what, h.Values("Vary"))
	}
	if len(h.Values("Set-Cookie")) > 0 || len(h.Values("Access-Control-Allow-Credentials")) > 0 {
		t.Errorf("%s: %v", what, h)
	}
}

// A browser learns beforehand which requests a listed page may send to the payer's routes, and nothing about any other route or page.
func TestCORSPreflight(t *testing.T) {
	w := newGuestWorld(t)
	ask := func(path, origin string, header ...string) answer {
		header = append(header, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-pay-session", "Access-Control-Request-Private-Network", "true")
		if origin != "" {
			header = append(header, "Origin", origin)
		}
		return w.do("OPTIONS", path, "", header...)
	}
	payers := map[string]string{
		"/pay/openid": "GET, POST", "/pay/charges": "POST", "/pay/charges/ch_1": "GET", "/pay/charges/ch_1/qr.svg": "GET", "/pay/charges/ch_1/qr.png": "GET", "/pay/jssdk": "GET",
	}
	for path, methods := range payers {
		a := ask(path, guestOrigin)
		want := http.Header{
			"Access-Control-Allow-Origin": {guestOrigin}, "Access-Control-Allow-Methods": {methods},
			"Access-Control-Allow-Headers": {"Content-Type, X-Pay-Session, Authorization, Accept-Language"}, "Access-Control-Max-Age": {"7200"}, "Vary": {"Origin"},
		}
		delete(a.header, "Date")
		if a.status != 204 || len(a.body) > 0 || len(a.header) != len(want) {
			t.Errorf("%s: %d %v %q", path, a.status, a.header, a.body)
		}
		for name, values := range want {
			if !slices.Equal(a.header[name], values) {
				t.Errorf("%s: %s is %q, want %q", path, name, a.header[name], values)
			}
		}
		if a := ask(path, guestOrigin, "Early-Data", "1"); a.status != 204 {
			t.Errorf("%s: an early one: %d %s", path, a.status, a.body)
		}

		for _, origin := range []string{"", "null", otherOrigin, "http://m.example.com", "https://m.example.com:443", "https://m.example.com/", "https://M.example.com",
			"https://m.example.com.evil.example", "https://xm.example.com", "https://m.example.com " + otherOrigin, "*", w.origin(), strings.ToUpper(w.origin())} {
			a := ask(path, origin)
			wantProblem(t, a, 405, "method_not_allowed")
			wantNoCORS(t, path+" from "+origin, a)
			if a.header.Get("Allow") != methods || !slices.Contains(a.header.Values("Vary"), "Origin") {
				t.Errorf("%s from %q: %v", path, origin, a.header)
			}
		}
		a = ask(path, "", "Origin", guestOrigin, "Origin", otherOrigin)
		wantProblem(t, a, 405, "method_not_allowed")
		wantNoCORS(t, path+" from two origins", a)

		a = w.do("OPTIONS", path, "", "Origin", guestOrigin) // asks for nothing
		wantProblem(t, a, 405, "method_not_allowed")
		wantGuest(t, path, a)
	}
	if a := ask("/pay/charges", "https://h5.example.com:8443"); a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://h5.example.com:8443" {
		t.Errorf("the other one that is listed: %d %v", a.status, a.header)
	}
	w.set(func(c *Config) { c.Login = &login.Tell{Path: "/internal/pay/login", Timeout: time.Second} })
	if a := ask("/pay/openid", guestOrigin); a.header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("a login that the backend hears of: %v", a.header)
	}
	w.set(func(c *Config) { c.Login = nil })

	for path, status := range map[string]int{
		"/pay/webhooks": 405, "/pay/refunds": 405, "/pay/refunds/R1": 405, "/pay/orders/1001": 405, "/pay/charges/ch_1/reverse": 405, "/pay/checkout": 405, "/pay/checkout.js": 405,
		"/pay/checkout.css": 405, "/pay/oauth/start": 405, "/pay/oauth/callback": 405, "/pay": 404, "/pay/nothing": 404, "/pay/charges/ch_1/qr.gif": 404, "/Pay/charges": 404, "/shop": 200,
		"/internal/pay/orders/1001": 404,
	} {
		a := ask(path, guestOrigin)
		if wantNoCORS(t, path, a); a.status != status || slices.Contains(a.header.Values("Vary"), "Origin") {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}

	// Off, all is as if nobody had heard of it.
	w.set(func(c *Config) { c.Origins = nil })
	for path := range payers {
		a := ask(path, guestOrigin)
		wantProblem(t, a, 405, "method_not_allowed")
		wantNoCORS(t, path, a)
		if slices.Contains(a.header.Values("Vary"), "Origin") {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

// A listed page can read every answer, whatever goes wrong; no other page can.
func TestCORSAnswers(t *testing.T) {
	w := newGuestWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	a := w.do("POST", "/pay/charges", orderOf("1002", openChannel), "X-Pay-Session", session)
	scanned := a.text("id")
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	closed := httptest.NewServer(w.handler(w.site)) // plain HTTP
	defer closed.Close()
	ledgerOf := w.config.Ledger
	for _, tc := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		before                   func()
	}{
		{name: "a charge", method: "GET", path: "/pay/charges/" + id, header: []string{"X-Pay-Session", session}, status: 200},
		{name: "by Bearer", method: "GET", path: "/pay/charges/" + id, header: []string{"Authorization", "Bearer " + session}, status: 200},
		{name: "its headers alone", method: "HEAD", path: "/pay/charges/" + id, header: []string{"X-Pay-Session", session}, status: 200},
		{name: "a picture", method: "GET", path: "/pay/charges/" + scanned + "/qr.svg", header: []string{"X-Pay-Session", session}, status: 200},
		{name: "pay again", method: "POST", path: "/pay/charges", body: order("1001"), header: []string{"X-Pay-Session", session}, status: 200},
		{name: "another's charge", method: "GET", path: "/pay/charges/ch_none", header: []string{"X-Pay-Session", session}, status: 404},
		{name: "no session", method: "GET", path: "/pay/charges/" + id, status: 401},
		{name: "a false session", method: "GET", path: "/pay/charges/" + id, header: []string{"X-Pay-Session", "x"}, status: 401},
		{name: "no code", method: "POST", path: "/pay/openid", status: 400},
		{name: "another method", method: "DELETE", path: "/pay/charges", status: 405},
		{name: "too large", method: "POST", path: "/pay/charges", body: strings.Repeat(" ", maxChargeBody+1), header: []string{"X-Pay-Session", session}, status: 413},
		{name: "no JSON", method: "POST", path: "/pay/charges", body: "order_no=1", header: []string{"Content-Type", "text/plain"}, status: 415},
		{name: "early", method: "GET", path: "/pay/charges/" + id, header: []string{"Early-Data", "1"}, status: 425},
		{name: "plain HTTP", method: "GET", path: "/pay/charges/" + id, status: 403},
		{name: "a preflight over plain HTTP", method: "OPTIONS", path: "/pay/charges", header: []string{"Access-Control-Request-Method", "POST"}, status: 403},
		{name: "without the ledger", method: "GET", path: "/pay/charges/" + id, header: []string{"X-Pay-Session", session}, status: 503, before: func() {
			w.set(func(c *Config) {
				c.Ledger = func(context.Context) (ledger.Ledger, error) { return nil, errors.New("no disk") }
			})
		}},
		{name: "too many", method: "POST", path: "/pay/charges", body: order("1001"), header: []string{"X-Pay-Session", session}, status: 429, before: func() {
			w.set(func(c *Config) { c.Ledger = ledgerOf })
			w.set(func(c *Config) {
				c.Budgets = limits.NewBudgets(limits.Limits{Address: limits.Rate{N: 1, Per: time.Hour}, OpenID: limits.Rate{N: 1, Per: time.Hour}, App: limits.Rate{N: 1, Per: time.Hour}, Refused: limits.Rate{N: 1, Per: time.Hour}, Waiters: 1, Attempts: 1})
			})
			w.do("POST", "/pay/charges", order("1001"), "X-Pay-Session", session)
		}},
	} {
		if tc.before != nil {
			tc.before()
		}
		at := w.server
		if strings.Contains(tc.name, "plain HTTP") {
			at = closed
		}
		for _, origin := range []string{guestOrigin, otherOrigin, "null"} {
			a := w.doAt(at, tc.method, tc.path, tc.body, append(tc.header, "Origin", origin)...)
			what := tc.name + " from " + origin
			if a.status != tc.status {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
			if origin == guestOrigin {
				if wantGuest(t, what, a); tc.status == 429 && a.header.Get("Retry-After") == "" {
					t.Errorf("%s: %v", what, a.header)
				}
				continue
			}
			wantNoCORS(t, what, a)
			if !slices.Contains(a.header.Values("Vary"), "Origin") {
				t.Errorf("%s: Vary %q", what, a.header.Values("Vary"))
			}
		}
	}
}

// Whatever cookies a browser sends along with a listed page's request, they do not count; and none are set.
func TestCORSWithoutCookies(t *testing.T) {
	w := newGuestWorld(t)
	cookie := "shop=victim; __Host-pay_session=" + w.session(payer) // as a page of the site has it
	var shopCookies []string
	w.loginBackend(func(rw http.ResponseWriter, r *http.Request) {
		shopCookies = r.Header["Cookie"]
		rw.Header().Add("Set-Cookie", "shop=1; HttpOnly")
		_, _ = rw.Write([]byte(`{"user": 7}`))
	})

	// With the cookie alone a listed page is nobody, as any other page is.
	a := w.do("GET", "/pay/charges/ch_1", "", "Origin", guestOrigin, "Cookie", cookie)
	wantProblem(t, a, 401, "session_missing")
	wantGuest(t, "a charge", a)
	a = w.do("POST", "/pay/charges", order("1001"), "Origin", guestOrigin, "Cookie", cookie)
	wantProblem(t, a, 401, "session_missing")
	wantGuest(t, "a new charge", a)
	wantProblem(t, w.do("POST", "/pay/charges", order("1001"), "Origin", otherOrigin, "Cookie", cookie), 403, "origin_forbidden")
	if a := w.do("POST", "/pay/charges", order("1001"), "Origin", w.origin(), "Cookie", cookie); a.status != 201 {
		t.Errorf("the site's own page: %d %s", a.status, a.body)
	}

	// It logs in, for itself alone.
	code := w.sandbox.NewCode(stranger)
	wantProblem(t, w.do("POST", "/pay/openid?code="+code, "", "Origin", otherOrigin, "Cookie", cookie), 403, "origin_forbidden")
	a = w.do("POST", "/pay/openid?code="+code, "", "Origin", guestOrigin, "Cookie", cookie, "Sec-Fetch-Site", "same-site")
	wantGuest(t, "a login", a)
	if a.status != 200 || !bytes.Contains(a.body, []byte(`"login":{"user":7}`)) || len(shopCookies) > 0 {
		t.Fatalf("a login: %d %s; the backend had the cookies %q", a.status, a.body, shopCookies)
	}
	session := a.text("session")
	w.hide(session)
	quotes := len(w.backend.exchanges("/internal/pay/orders/"))
	a = w.do("POST", "/pay/charges", order("1002"), "Origin", guestOrigin, "X-Pay-Session", session, "Cookie", cookie, "Authorization", "Bearer of-the-shop")
	wantGuest(t, "a charge of its user", a)
	if a.status != 201 || w.attempts("1002")[0].Payer != stranger {
		t.Errorf("a charge of its user: %d %s", a.status, a.body)
	}
	asked := w.backend.exchanges("/internal/pay/orders/")[quotes:]
	if len(asked) == 0 || asked[0].header.Get("Cookie") != "" || asked[0].header.Get("Authorization") != "Bearer of-the-shop" {
		t.Errorf("the backend was asked %+v", asked)
	}
}

// A listed page without a session pays as an anonymous visitor whose session comes in a header, and keeps it as long as its page is open.
func TestCORSVisitor(t *testing.T) {
	w := newGuestWorld(t)
	wantProblem(t, w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", otherOrigin), 403, "origin_forbidden")
	skipped := w.skipped.Load()
	a := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", guestOrigin)
	wantGuest(t, "the first charge", a)
	session := a.header.Get("X-Pay-Session")
	if a.status != 201 || session == "" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	if w.skipped.Load() == skipped {
		t.Error("the server's access log would hold the session")
	}
	w.hide(session)
	path := "/pay/charges/" + a.text("id")
	if a := w.do("GET", path, "", "Origin", guestOrigin, "X-Pay-Session", session); a.status != 200 || a.header.Get("X-Pay-Session") != "" {
		t.Errorf("its own: %d %v %s", a.status, a.header, a.body)
	}
	again := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", guestOrigin, "X-Pay-Session", session)
	if again.status != 200 || again.header.Get("X-Pay-Session") == "" {
		t.Errorf("once more: %d %v", again.status, again.header)
	}
	other := w.do("POST", "/pay/charges", orderOf("1002", openChannel), "Origin", guestOrigin).header.Get("X-Pay-Session")
	w.hide(again.header.Get("X-Pay-Session"), other)
	wantProblem(t, w.do("GET", path, "", "Origin", guestOrigin, "X-Pay-Session", other), 404, "charge_not_found")

	w.clock.Add(w.config.Sessions.TTL/2 + time.Minute)
	a = w.do("GET", path, "", "Origin", guestOrigin, "X-Pay-Session", session)
	prolonged := a.header.Get("X-Pay-Session")
	wantGuest(t, "its own, later", a)
	w.hide(prolonged)
	w.clock.Add(w.config.Sessions.TTL/2 + time.Minute)
	wantProblem(t, w.do("GET", path, "", "Origin", guestOrigin, "X-Pay-Session", session), 401, "session_expired")
	if a := w.do("GET", path, "", "Origin", guestOrigin, "X-Pay-Session", prolonged); prolonged == "" || a.status != 200 {
		t.Errorf("by the later session: %d %s", a.status, a.body)
	}
}

// WeChat's JS-SDK is signed for the page that asks: one of its own origin.
func TestCORSJSSDK(t *testing.T) {
	w := newGuestWorld(t)
	ask := func(page string, header ...string) answer {
		return w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page), "", header...)
	}
	if a := ask(guestOrigin+"/pay?x=1#/a", "Origin", guestOrigin); a.status != 200 || a.text("signature") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, page := range []string{w.origin() + "/", otherOrigin + "/", "https://h5.example.com:8443/", "http://m.example.com/", "https://m.example.com.evil.example/", "https://a@m.example.com/", "/", ""} {
		wantProblem(t, ask(page, "Origin", guestOrigin), 403, "origin_forbidden")
	}
	for _, header := range [][]string{nil, {"Origin", otherOrigin}} {
		wantProblem(t, ask(guestOrigin+"/", header...), 403, "origin_forbidden")
	}
}

// The site's own origin, listed by mistake, stays its own.
func TestCORSOwnOrigin(t *testing.T) {
	w := newGuestWorld(t)
	w.set(func(c *Config) { c.Origins = append(c.Origins, w.origin()) })
	a := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", w.origin())
	wantNoCORS(t, "its own page", a)
	if cookieOf(t, a) == "" || a.header.Get("X-Pay-Session") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://m.example.com": "https://m.example.com", "HTTPS://M.Example.com": "https://m.example.com", "https://m.example.com:8443": "https://m.example.com:8443",
		"https://xn--fiq228c.example": "https://xn--fiq228c.example", "https://shop_1.example": "https://shop_1.example", "https://203.0.113.7": "https://203.0.113.7",
		"https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443", "http://localhost:8080": "http://localhost:8080", "http://h5.localhost": "http://h5.localhost",
		"http://127.0.0.1": "http://127.0.0.1", "http://[::1]:3000": "http://[::1]:3000", "https://1and1.example": "https://1and1.example",
	} {
		if got, err := ParseOrigin(text, false); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                           "write scheme and host, like https://m.example.com",
		"m.example.com":              "write scheme and host",
		"//m.example.com":            "write scheme and host",
		"ftp://m.example.com":        "write scheme and host",
		"wss://m.example.com":        "write scheme and host",
		"*":                          "name each one, like https://m.example.com",
		"https://*.example.com":      "name each one",
		"null":                       "any page can be one",
		"https://m.example.com/":     "write https://m.example.com",
		"https://m.example.com/h5":   "write https://m.example.com",
		"https://m.example.com?a":    "write https://m.example.com",
		"https://m.example.com#a":    "write https://m.example.com",
		`https://m.example.com\a`:    "write https://m.example.com",
		"https://m.example.com:443":  "write https://m.example.com",
		"http://localhost:80":        "write http://localhost",
		"https://a:b@m.example.com":  "write https://m.example.com",
		"https://m.example.com:":     "no port from 1 to 65535",
		"https://m.example.com:0":    "no port from 1 to 65535",
		"https://m.example.com:0444": "no port from 1 to 65535",
		"https://m.example.com:+444": "no port from 1 to 65535",
		"https://m.example.com:x":    "no port from 1 to 65535",
		"https://m.example.com:1:2":  "no host",
		"https://m.example.com:1e5":  "no port from 1 to 65535",
		"https://":                   "no host",
		"https://:8443":              "no host",
		"https://m..example":         "no host",
		"https://m.example.com.":     "no host",
		"https://m.example.com,b":    "no host",
		"https://1.2":                "no host",
		"https://203.0.113.07":       "no host",
		"https://[2001:DB8::0:1]":    "no host",
		"https://[::ffff:192.0.2.1]": "no host",
		"https://[fe80::1%25eth0]":   "no host",
		"https://[::1":               "no host",
		"https://::1":                "no host",
		"https://茶.example":          "ASCII",
		"https://\u212a.example":     "ASCII", // which becomes a small k
		"https://m.example.com x":    "holds a space",
		"http://m.example.com":       "write https://m.example.com, or set allow_http",
		"http://localhost.example":   "write https://localhost.example",
	} {
		if got, err := ParseOrigin(text, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	if got, err := ParseOrigin("http://m.example.com:8080", true); err != nil || got != "http://m.example.com:8080" {
		t.Errorf("with allow_http: %q, %v", got, err)
	}
}

// Whatever is taken for an origin is one: a scheme, a host and perhaps a port, written in one way.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://m.example.com", "http://[::1]:8080", "https://1.2.3.4:8443", "https://a@b", "https://*", "null", "https://m.example.com:443/", "HTTPS://K.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		origin, err := ParseOrigin(text, true)
		if err != nil {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme+"://"+u.Host != origin || u.Hostname() == "" || u.User != nil || u.Path != "" {
			t.Fatalf("%q became %q: %+v, %v", text, origin, u, err)
		}
		if !strings.EqualFold(origin, text) || strings.ToLower(origin) != origin || strings.ContainsAny(origin, "*, ") {
			t.Fatalf("%q became %q", text, origin)
		}
		if again, err := ParseOrigin(origin, true); err != nil || again != origin {
			t.Fatalf("%q becomes %q, %v", origin, again, err)
		}
	})
}

package login

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const payer = "oAAAAAAAAAAAAAAAAAAAAAAAAAA1" // an openid

// room is where users log in, without a site around it.
type room struct {
	*Logins
	t       *testing.T
	sandbox *sandbox.Sandbox // WeChat
}

func newRoom(t *testing.T) *room {
	t.Helper()
	now := time.Unix(1_790_000_000, 0)
	clock := func() time.Time { return now }
	sb, err := sandbox.New(sandbox.Config{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	transport := &http.Transport{}
	l := memory.Open(memory.NewRows(), now)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		sb.Close()
		l.Close()
	})
	mini, err := wechat.NewMiniProgram(wechat.Config{AppID: sb.WxLite().AppID, Secret: redact.New(sb.WxLite().Secret), Endpoint: server.URL, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	visitors := &session.Visitors{
		Tokens:  &session.Tokens{Keys: func(context.Context) ([][]byte, error) { return [][]byte{key}, nil }, TTL: time.Hour, Now: clock},
		Cookies: &session.Cookies{Prefix: "/pay", Secure: func(r *http.Request) bool { return r.TLS != nil }},
		Scope:   ledger.Scope{App: "app_1", Mode: ledger.Test},
		AppIDs:  map[session.Kind]string{session.WxLite: mini.AppID()},
		Sent:    func(r *http.Request) string { return r.Header.Get(session.Header) },
		Bearer:  func(r *http.Request) string { return session.Bearer(r.Header) },
		Rand:    rand.Reader,
	}
	return &room{t: t, sandbox: sb, Logins: &Logins{
		Visitors: visitors, WxLite: mini, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
		Backend: &backend.Backend{Visitors: visitors}, Budgets: limits.NewBudgets(limits.Default),
		ClientIP: func(*http.Request) string { return "192.0.2.7" }, Logger: zap.NewNop(),
	}}
}

// login sends a code, and returns the answer or the code of the problem.
func (rm *room) login(code string, header ...string) (a openidAnswer, problemCode string) {
	rm.t.Helper()
	r := httptest.NewRequest("POST", "https://shop.example.com/pay/openid?code="+url.QueryEscape(code), nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	if err := rm.Openid(rec, r); err != nil {
		return a, problem.As(err).Code
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		rm.t.Errorf("%s: %v", rec.Body, err)
	}
	return a, ""
}

// A code is exchanged once, and gives the same user again; the session says who that is.
func TestOpenid(t *testing.T) {
	rm := newRoom(t)
	code := rm.sandbox.NewCode(payer)
	for range 3 {
		a, refused := rm.login(code)
		if refused != "" || a.OpenID != payer || a.ExpiresIn != 3600 {
			t.Fatalf("%+v %s", a, refused)
		}
		r := httptest.NewRequest("GET", "https://shop.example.com/", nil)
		r.Header.Set(session.Header, a.Session)
		if id, err := rm.Visitors.Identify(r); err != nil || id.OpenID != payer || id.Kind != session.WxLite || id.AppID != rm.WxLite.AppID() {
			t.Errorf("the session is of %+v, %v", id, err)
		}
	}
	if n := rm.sandbox.State(0).Calls["jscode2session"]; n != 1 {
		t.Errorf("WeChat was asked %d times", n)
	}
	for code, want := range map[string]string{"": "code_missing", "made-up": "code_invalid"} {
		if _, refused := rm.login(code); refused != want {
			t.Errorf("the code %q: %s, want %s", code, refused, want)
		}
	}
}

// Codes cost the address, WeChat is not asked for more than the app may, and a code that is known costs the app nothing.
func TestOpenidIsLimited(t *testing.T) {
	rm := newRoom(t)
	few := limits.Default
	few.Address, few.App = limits.Rate{N: 4, Per: time.Hour}, limits.Rate{N: 1, Per: time.Hour}
	rm.Budgets = limits.NewBudgets(few)
	code := rm.sandbox.NewCode(payer)
	for i, c := range []struct{ code, want string }{{code, ""}, {rm.sandbox.NewCode(payer), "rate_limited"}, {code, ""}, {code, ""}, {code, "rate_limited"}} {
		if _, refused := rm.login(c.code); refused != c.want {
			t.Errorf("request %d: %q, want %q", i, refused, c.want)
		}
	}
	if n := rm.sandbox.State(0).Calls["jscode2session"]; n != 1 {
		t.Errorf("WeChat was asked %d times", n)
	}
}

// Where the backend is told of logins, whoever could make a browser log in would choose as whom: no page of another site may.
func TestCrossSite(t *testing.T) {
	rm := newRoom(t)
	for _, c := range []struct {
		header []string
		cross  bool
	}{
		{nil, false},
		{[]string{"Origin", "https://shop.example.com"}, false},
		{[]string{"Origin", "https://evil.example"}, true},
		{[]string{"Origin", "null"}, true},
		{[]string{"Sec-Fetch-Site", "same-origin"}, false},
		{[]string{"Sec-Fetch-Site", "none"}, false},
		{[]string{"Sec-Fetch-Site", "same-site"}, true},
		{[]string{"Sec-Fetch-Site", "Cross-Site"}, true},
		{[]string{"Referer", "https://servicewechat.com/wx0/1/page-frame.html", "Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Referer", "https://servicewechat.com.evil.example/", "Sec-Fetch-Site", "cross-site"}, true},
	} {
		r := httptest.NewRequest("POST", "https://shop.example.com/pay/openid", nil)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		if got := rm.crossSite(r); got != c.cross {
			t.Errorf("%v: %t", c.header, got)
		}
	}
	rm.Tell = &Tell{Path: "/internal/pay/login", Timeout: time.Second}
	if _, refused := rm.login(rm.sandbox.NewCode(payer), "Origin", "https://evil.example"); refused != "origin_forbidden" {
		t.Errorf("%q", refused)
	}
	rm.Backend.RoundTripper = shop(func(r *http.Request) { // this very site's page: the backend hears who it is
		if r.Header.Get("X-WX-OPENID") != payer || r.URL.Path != "/internal/pay/login" || strings.Contains(r.Header.Get("Cookie"), "pay_session") {
			t.Errorf("%s %v", r.URL, r.Header)
		}
	})
	a, refused := rm.login(rm.sandbox.NewCode(payer), "Origin", "https://shop.example.com", "Cookie", "cart=7; __Host-pay_session=x")
	if refused != "" || string(a.Login) != `{"uid":7}` {
		t.Errorf("%+v %q", a, refused)
	}
}

// shop is a backend that knows everybody.
type shop func(*http.Request)

func (s shop) RoundTrip(r *http.Request) (*http.Response, error) {
	s(r)
	rec := httptest.NewRecorder()
	rec.WriteString(`{"uid":7}`)
	return rec.Result(), nil
}

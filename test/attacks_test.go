package test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// attackedSite has four pay blocks whose sessions have the same key: what keeps them apart is what the sessions say.
const attackedSite = `
https://localhost:<port> {
	pay {` + fullBlock + sessionKey + `
		login POST /internal/pay/login
	}
	pay /live {<live>` + sessionKey + `}
	pay /app {<app2>` + sessionKey + `}
	pay /wechat {<wechat2>` + events + sessionKey + `}
	reverse_proxy <backend>
}
`

const sessionKey = `
	session {
		key <sessionkey>
	}
`

// attacked is a shop that somebody attacks.
type attacked struct {
	*stage
	second *sandbox.Sandbox // another mini program is at home there
	book   *book
}

// book is what the shop's backend knows of orders.
type book struct {
	mu     sync.Mutex
	quotes map[string]string // its JSON, where it is not an ordinary one for 100 fen
	asked  []http.Header     // of the requests for prices
}

// What attackers try with a whole site: each attempt is refused with its code, and nothing comes of it.
func TestAttacks(t *testing.T) {
	t.Parallel()
	s := newAttacked(t)
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, s *attacked)
	}{
		{"price from the client", attackPrice},
		{"another user", attackUser},
		{"foreign session", attackWithForeignSession},
		{"unionid as open_id", attackWithUnionID},
		{"OAuth state", attackState},
		{"open redirect", attackRedirect},
		{"cross-site POST", attackFromAnotherSite},
		{"forced login", attackLogin},
		{"trusted headers", attackHeaders},
		{"private login path", attackLoginPath},
		{"old cheaper attempt", attackOldPrice},
		{"order numbers", attackOrderNo},
		{"JSON", attackJSON},
		{"prices in JSON", attackQuote},
		{"jssdk", attackJSSDK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := *s
			in.stage = s.in(t)
			tt.run(t, &in)
		})
	}
}

func newAttacked(t *testing.T) *attacked {
	second, err := sandbox.New(sandbox.Config{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	elsewhere := httptest.NewServer(second)
	t.Cleanup(elsewhere.Close)
	s := &attacked{newStage(t, false), second, &book{quotes: make(map[string]string)}}
	ordinary := s.backend.Config.Handler
	s.backend.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if orderNo, ok := strings.CutPrefix(r.URL.Path, ordersPath); ok {
			s.book.mu.Lock()
			s.book.asked = append(s.book.asked, r.Header.Clone())
			quote := s.book.quotes[orderNo]
			s.book.mu.Unlock()
			if quote != "" {
				fmt.Fprint(w, quote)
				return
			}
		}
		ordinary.ServeHTTP(w, r)
	})
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	key := base64.StdEncoding.EncodeToString(raw)
	s.keepSecret(key, "the session key")
	s.keepSecret(second.WxLite().Secret, "an AppSecret")
	simple := strings.Replace(accounts, "timeout     5s", "timeout 5s", 1) // with the channels that need nothing more
	s.startFull(strings.NewReplacer("<sessionkey>", key,
		"<live>", strings.Replace(simple, "{env.PINGPP_KEY}", s.box.LiveKey(), 1),
		"<app2>", strings.Replace(simple, "<app>", "app_somebodyelses0", 1),
		"<wechat2>", strings.NewReplacer("<appid>", second.WxLite().AppID, "{env.WX_SECRET}\n\t\tendpoint <outside>", second.WxLite().Secret+"\n\t\tendpoint "+elsewhere.URL).Replace(simple),
	).Replace(attackedSite))
	return s
}

// quotes makes the backend answer for an order.
func (s *attacked) quotes(orderNo, answer string, values ...any) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.quotes[orderNo] = fmt.Sprintf(answer, values...)
}

// enter logs a mini program's user in.
func (s *attacked) enter(unionid string) (openid, session string) {
	s.t.Helper()
	openid = "oAttacked" + rand.Text()[:19]
	return openid, s.enterAt("/pay", s.outside.URL, openid, unionid)
}

// enterAt logs a user in at a pay block whose WeChat is at an address.
func (s *attacked) enterAt(prefix, wechat, openid, unionid string) (session string) {
	s.t.Helper()
	a, err := s.try(s.client, "POST", wechat+"/sandbox/wechat/codes", map[string]string{"openid": openid, "unionid": unionid})
	if err != nil {
		s.t.Fatal(err)
	}
	var made struct{ Code string }
	a.into(s.t, &made)
	var got struct{ OpenID, Session string }
	b := s.call("POST", prefix+"/openid", map[string]string{"code": made.Code})
	b.into(s.t, &got)
	if b.StatusCode != http.StatusOK || got.OpenID != openid || got.Session == "" {
		s.t.Fatalf("login at %s: %s", prefix, b)
	}
	for value, what := range map[string]string{made.Code: "a login code", openid: "a whole openid", got.Session: "a session"} {
		s.keepSecret(value, what)
	}
	return got.Session
}

// member is a browser inside WeChat whose user is logged in.
func (s *attacked) member() *http.Client {
	s.t.Helper()
	b := s.browser()
	if a := s.get(b, s.callback(b, "/pay/oauth/start")); a.StatusCode != http.StatusFound {
		s.t.Fatalf("login: %s", a)
	}
	return b
}

// order is the body of a request for a charge.
func order(orderNo, channel string) map[string]string {
	return map[string]string{"order_no": orderNo, "channel": channel}
}

// nothing runs attacks, and checks that nothing came of them: no charge, refund or reversal at Ping++, no attempt in the ledger, no
// event at the backend.
func (s *attacked) nothing(t *testing.T, attacks func(), orders ...string) {
	t.Helper()
	done := func() (n int) {
		for _, call := range []string{"create_charge", "create_refund", "reverse_charge"} {
			n += s.box.State(0).Calls[call]
		}
		return n
	}
	calls, heard := done(), len(s.backend.events(""))
	attacks()
	if n := done() - calls; n != 0 {
		t.Errorf("Ping++ was called %d times", n)
	}
	if n := len(s.backend.events("")) - heard; n != 0 {
		t.Errorf("the backend heard %d events", n)
	}
	l := s.ledger()
	for _, no := range orders {
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			if attempts, err := l.Attempts(t.Context(), ledger.Scope{App: s.box.App(), Mode: mode}, no); err != nil || len(attempts) != 0 {
				t.Errorf("the ledger has %d attempts of order %s, %v", len(attempts), no, err)
			}
		}
	}
}

// asks is how often the backend was asked for a price.
func (s *attacked) asks() int {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	return len(s.book.asked)
}

// refuses checks what was refused, and with which code.
func refuses(t *testing.T, what string, a *answer, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.code() != code || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s: %s\nwant %d %s, and no cookie", what, a, status, code)
	}
}

func attackPrice(t *testing.T, s *attacked) {
	_, session := s.enter("")
	s.nothing(t, func() {
		for _, more := range []string{`"amount":1`, `"Amount":1`, `"price":1`, `"total_fee":1`, `"currency":"jpy"`, `"subject":"x"`, `"metadata":{"pay_order_no":"X"}`, `"time_expire":1`,
			`"extra":{"amount":1}`, `"extra":{"limit_pay":"no_credit"}`, `"client_ip":"1.2.3.4"`, `"app":{"id":"app_x"}`, `"reference":"x"`} {
			a := s.call("POST", "/pay/charges", []byte(`{"order_no":"PRICE1","channel":"wx_lite",`+more+`}`), "X-Pay-Session", session)
			refuses(t, more, a, 400, "field_forbidden")
		}
	}, "PRICE1")
	// What stands beside the body counts for nothing.
	a := s.call("POST", "/pay/charges?amount=1&order_no=PRICE2&channel=wx_lite", order("PRICE1", "wx_lite"), "X-Pay-Session", session, "X-Pay-Amount", "1")
	var c struct{ Amount int }
	if a.into(t, &c); a.StatusCode != http.StatusCreated || c.Amount != 100 {
		t.Errorf("the price is the backend's: %s", a)
	}
}

func attackUser(t *testing.T, s *attacked) {
	openid, session := s.enter("")
	_, thief := s.enter("")
	s.quotes("USER1", `{"order_no":"USER1","amount":100,"currency":"cny","subject":"Tea","openid":%q}`, openid)
	id := s.newCharge(session, "USER1")
	visitor := []string{"Origin", s.url("")}
	s.nothing(t, func() {
		refuses(t, "another user's order", s.charge(thief, "USER1"), 404, "order_not_found")
		refuses(t, "another user's charge", s.call("GET", "/pay/charges/"+id, nil, "X-Pay-Session", thief), 404, "charge_not_found")
		refuses(t, "another user's charge, waiting", s.call("GET", "/pay/charges/"+id+"?wait=1s&client=success", nil, "X-Pay-Session", thief), 404, "charge_not_found")
		refuses(t, "another user's QR code", s.call("GET", "/pay/charges/"+id+"/qr.svg", nil, "X-Pay-Session", thief), 404, "charge_not_found")
		a := s.call("POST", "/pay/charges", order("USER1", "wx_pub_qr"), visitor...)
		if a.StatusCode != 404 || a.code() != "order_not_found" {
			t.Errorf("a visitor pays another user's order: %s", a)
		}
		refuses(t, "a changed session", s.charge(flip(session), "USER1"), 401, "session_invalid")
		refuses(t, "an openid for a session", s.charge(openid, "USER1"), 401, "session_invalid")
		for _, more := range []string{`"open_id":%q`, `"openid":%q`, `"extra":{"open_id":%q}`, `"extra":{"openid":%q}`, `"session":%q`, `"payer":%q`} {
			a := s.call("POST", "/pay/charges", []byte(`{"order_no":"USER1","channel":"wx_lite",`+fmt.Sprintf(more, openid)+`}`), "X-Pay-Session", thief)
			refuses(t, more, a, 400, "field_forbidden")
		}
	})
}

func attackWithForeignSession(t *testing.T, s *attacked) {
	for what, session := range map[string]string{
		"live":         s.enterAt("/live", s.outside.URL, "oForeign0000000000000000001", ""),
		"another app":  s.enterAt("/app", s.outside.URL, "oForeign0000000000000000001", ""),
		"another mini": s.enterAtSecond(),
	} {
		s.nothing(t, func() {
			refuses(t, what, s.charge(session, "FOREIGN1"), 401, "session_invalid")
			refuses(t, what, s.call("GET", "/pay/charges/ch_1", nil, "Authorization", "Bearer "+session), 401, "session_invalid")
			refuses(t, what, s.call("POST", "/pay/charges", order("FOREIGN1", "wx_pub"), "Origin", s.url(""), "Cookie", "__Host-pay_session="+session), 401, "session_invalid")
		}, "FOREIGN1")
	}
	member := s.member()
	s.nothing(t, func() {
		a, err := s.try(member, "POST", s.url("/pay/charges"), order("FOREIGN2", "wx_lite"), "Origin", s.url(""))
		if err != nil {
			t.Fatal(err)
		}
		refuses(t, "a page's user in the mini program", a, 401, "session_invalid")
		_, session := s.enter("")
		refuses(t, "a mini program's user on a page", s.call("POST", "/pay/charges", order("FOREIGN2", "wx_pub"), "X-Pay-Session", session), 401, "session_invalid")
	}, "FOREIGN2")
}

// enterAtSecond logs a user of the other mini program in.
func (s *attacked) enterAtSecond() string {
	s.t.Helper()
	code := s.second.NewCode("oForeign0000000000000000001")
	s.keepSecret(code, "a login code")
	var got struct{ Session string }
	a := s.call("POST", "/wechat/openid", map[string]string{"code": code})
	if a.into(s.t, &got); a.StatusCode != http.StatusOK {
		s.t.Fatalf("login: %s", a)
	}
	s.keepSecret(got.Session, "a session")
	return got.Session
}

func attackWithUnionID(t *testing.T, s *attacked) {
	const unionid = "uAttacked000000000000000001"
	s.keepSecret(unionid, "a unionid")
	openid, session := s.enter(unionid)
	s.nothing(t, func() {
		for _, more := range []string{`"unionid":%q`, `"open_id":%q`, `"extra":{"open_id":%q}`, `"extra":{"unionid":%q}`} {
			a := s.call("POST", "/pay/charges", []byte(`{"order_no":"UNION1","channel":"wx_lite",`+fmt.Sprintf(more, unionid)+`}`), "X-Pay-Session", session)
			refuses(t, more, a, 400, "field_forbidden")
		}
		s.quotes("UNION1", `{"order_no":"UNION1","amount":100,"currency":"cny","subject":"Tea","openid":%q}`, unionid)
		refuses(t, "a quote for the unionid", s.charge(session, "UNION1"), 404, "order_not_found")
	}, "UNION1")
	s.quotes("UNION2", `{"order_no":"UNION2","amount":100,"currency":"cny","subject":"Tea","extra":{"open_id":%q}}`, unionid)
	a := s.charge(session, "UNION2")
	var c struct{ Extra map[string]string }
	if a.into(t, &c); a.StatusCode != http.StatusCreated || c.Extra["open_id"] != openid || bytes.Contains(a.Body, []byte(unionid)) {
		t.Errorf("a quote that names the unionid as open_id: %s", a)
	}
}

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

// Neither a page of the site nor the request for a price hears what a client says about itself.
func attackHeaders(t *testing.T, s *attacked) {
	forged := []string{"X-WX-OPENID", "forged", "X_WX_OPENID", "forged", "X-WX-UNIONID", "forged", "X_Wx-Appid", "forged", "X-Pay-Token", "forged", "X_PAY_TOKEN", "forged", "X-Pay-Mode", "live", "X_Pay_Mode", "live"}
	openid, session := s.enter("")
	a := s.call("POST", "/pay/charges", order("HEADERS1", "wx_lite"), append([]string{"X-Pay-Session", session}, forged...)...)
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("charge: %s", a)
	}
	s.book.mu.Lock()
	asked := s.book.asked[len(s.book.asked)-1]
	s.book.mu.Unlock()
	for name, want := range map[string]string{"X-Wx-Openid": openid, "X-Wx-Appid": s.box.WxLite().AppID, "X-Pay-Token": s.token, "X-Pay-Mode": "test"} {
		if got := asked[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("the backend was asked with %s %q, want %q alone", name, got, want)
		}
	}
	var page seen
	s.call("GET", "/shop", nil, forged...).into(t, &page)
	for _, h := range []http.Header{asked, page.Header} {
		for name, values := range h {
			if slices.Contains(values, "forged") || slices.Contains(values, "live") || slices.Contains(values, session) {
				t.Errorf("the backend sees %s: %q", name, values)
			}
		}
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

// The price goes up after the first charge, and that one is paid: nobody ships for it unless a person says so.
func attackOldPrice(t *testing.T, s *attacked) {
	_, session := s.enter("")
	s.quotes("CHEAP1", `{"order_no":"CHEAP1","amount":100,"currency":"cny","subject":"Tea"}`)
	old := s.newCharge(session, "CHEAP1")
	s.quotes("CHEAP1", `{"order_no":"CHEAP1","amount":9900,"currency":"cny","subject":"Tea"}`)
	dear := s.newCharge(session, "CHEAP1")
	if dear == old {
		t.Fatal("the old charge was handed out at another price")
	}
	heard := len(s.backend.events(""))
	if err := s.box.Pay(old); err != nil {
		t.Fatal(err)
	}
	e := s.awaitState(t, s.ledger(), s.box.State(1).Events[0].ID, ledger.Held)
	if !slices.Equal(e.Reasons, []string{ledger.ReasonSuperseded}) {
		t.Errorf("it is held for %q, want %s", e.Reasons, ledger.ReasonSuperseded)
	}
	if got := s.status(session, old); got != "held" {
		t.Errorf("the payer sees %q, want held", got)
	}
	refuses(t, "another charge", s.charge(session, "CHEAP1"), 409, "order_already_paid")
	var shown struct {
		Status   string
		Delivery struct{ State string }
	}
	s.merchant("GET", "/pay/orders/CHEAP1", nil).into(t, &shown)
	if shown.Status != "held" || shown.Delivery.State != "held" {
		t.Errorf("the merchant sees %+v", shown)
	}
	s.heardOnce(t) // something else
	if n := len(s.backend.ofOrder("CHEAP1")); n != 0 || len(s.backend.events("")) != heard+1 {
		t.Errorf("the backend heard of the order %d times", n)
	}
}

func attackOrderNo(t *testing.T, s *attacked) {
	_, session := s.enter("")
	asks := s.asks()
	s.nothing(t, func() {
		for _, no := range []string{"", "../../admin", ".", "..", "%2e%2e", "./1001", "1001/2", `1001\2`, "1001%2f2", "1001%255c2", "%2e%2e%2fadmin", "1001 1", "1001\n", "1001\r\nX-Pay-Token: x", "10\x0001", "1001\u2028", "订单1001",
			"１００１", strings.Repeat("9", 65), strings.Repeat("9", 10000)} {
			refuses(t, fmt.Sprintf("%.40q", no), s.call("POST", "/pay/charges", order(no, "wx_lite"), "X-Pay-Session", session), 400, "order_invalid")
		}
		for _, no := range []any{1001, []string{"1001"}, map[string]string{"a": "b"}, true} {
			a := s.call("POST", "/pay/charges", map[string]any{"order_no": no, "channel": "wx_lite"}, "X-Pay-Session", session)
			refuses(t, fmt.Sprint(no), a, 400, "json_invalid")
		}
		for _, path := range []string{"/pay/orders/..%2f..%2fadmin", "/pay/orders/%00", "/pay/orders/1001%0d%0a", "/pay/refunds/..%2fx", "/pay/refunds/%00", "/pay/charges/..%2fx/reverse"} {
			method := map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(path, "reverse")]
			if a := s.merchant(method, path, nil); a.StatusCode < 400 || a.StatusCode > 404 || a.code() == "" {
				t.Errorf("%s: %s", path, a)
			}
		}
		for _, no := range []string{"../x", "a/b", "a\n", "a\x00", "订单"} {
			refuses(t, fmt.Sprintf("a refund numbered %q", no), s.merchant("POST", "/pay/refunds", refund("ORDER1", no, 1)), 400, "refund_invalid")
		}
	})
	if n := s.asks() - asks; n != 0 {
		t.Errorf("the backend was asked for %d prices", n)
	}
	// A shop may call its orders so. They mean nothing but themselves: the backend is asked for just this number, and it says nothing to Ping++.
	for _, no := range []string{"1001?x=1", "1001#x", "1001;x", "{order_no}", "{env.PINGPP_KEY}", "1001'--", "1001%"} {
		a := s.call("POST", "/pay/charges", order(no, "wx_lite"), "X-Pay-Session", session)
		var c struct {
			OrderNo  string `json:"order_no"`
			Metadata map[string]string
		}
		if a.into(t, &c); a.StatusCode != 201 || a.Header.Get("X-Pay-Order-No") != no || c.Metadata["pay_order_no"] != no || !alphanumeric.MatchString(c.OrderNo) {
			t.Errorf("%q: %s", no, a)
		}
	}
}

var alphanumeric = regexp.MustCompile(`^[A-Za-z0-9]{2,32}$`)

func attackJSON(t *testing.T, s *attacked) {
	_, session := s.enter("")
	asks := s.asks()
	s.nothing(t, func() {
		for _, tt := range []struct{ body, code string }{
			{`{"order_no":"JSON1","order_no":"JSON2","channel":"wx_lite"}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"wx_lite","order\u005fno":"JSON2"}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"isv_qr","extra":{"pay_channel":"wx","pay_channel":"bfb"}}`, "json_invalid"},
			{`{"order_no":"JSON1","Order_No":"JSON2","channel":"wx_lite"}`, "field_forbidden"},
			{`{"order_no":"JSON1","channel":"wx_lite"}{"order_no":"JSON2","channel":"wx_lite"}`, "json_invalid"},
			{`[{"order_no":"JSON1","channel":"wx_lite"}]`, "json_invalid"},
			{`{"order_no":1e999,"channel":"wx_lite"}`, "json_invalid"},
			{`{"order_no":` + strings.Repeat("9", 5000) + `,"channel":"wx_lite"}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"wx_lite","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"alipay_pc_direct","extra":{"qrcode_width":1e99}}`, "field_forbidden"},
			{`{"order_no":"JSON1","channel":"alipay_pc_direct","extra":{"qrcode_width":99999999999999999999999}}`, "field_forbidden"},
			{`{"order_no":"JSON1","channel":"qpay","extra":{"device":{"$ne":"ios"}}}`, "field_forbidden"},
			{"{\"order_no\":\"JSON\xff\",\"channel\":\"wx_lite\"}", "order_invalid"},
			{``, "json_invalid"},
		} {
			if a := s.call("POST", "/pay/charges", []byte(tt.body), "X-Pay-Session", session); a.StatusCode != 400 || a.code() != tt.code {
				t.Errorf("%.80s: %s\nwant 400 %s", tt.body, a, tt.code)
			}
		}
	}, "JSON1", "JSON2")
	if n := s.asks() - asks; n != 0 {
		t.Errorf("the backend was asked for %d prices", n)
	}
}

// Whoever can write into the backend's JSON, by a product's name, say, does not make a price of it.
func attackQuote(t *testing.T, s *attacked) {
	_, session := s.enter("")
	s.nothing(t, func() {
		for amount, code := range map[string]string{
			`100,"amount":1`: "quote_invalid", `100,"metadata":{"a":"1","a":"2"}`: "quote_invalid", `1e2`: "amount_invalid", `100.0`: "amount_invalid", `"100"`: "amount_invalid",
			`99999999999999999999999999`: "amount_invalid", `18446744073709551716`: "amount_invalid", `2000001`: "amount_invalid", `-0`: "amount_invalid", `-100`: "amount_invalid",
			`100}{"amount":1`: "quote_invalid", `0100`: "quote_invalid", `1e999999`: "amount_invalid",
		} {
			s.quotes("QUOTE1", `{"order_no":"QUOTE1","currency":"cny","subject":"Tea","amount":%s}`, amount)
			refuses(t, amount, s.charge(session, "QUOTE1"), 502, code)
		}
	}, "QUOTE1")
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

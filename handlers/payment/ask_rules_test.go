package payment

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

// What a question of the operator's is made of, and what is said of an order that gets no price.
func TestAskRules(t *testing.T) {
	const order = `{"order_no":"1001","amount":1999,"subject":"Tea","openid":"o-payer"}`
	noEmoji := ""
	for _, name := range channel.Names() {
		if channel.Of(name).NoEmoji {
			noEmoji = name
		}
	}
	for name, c := range map[string]struct {
		status  int
		body    string
		q       Question
		code    string
		why     string // part of it
		subject string
	}{
		"a price":                   {200, order, Question{OpenID: "o-payer"}, "", "", "Tea"},
		"somebody's":                {200, order, Question{}, "", "", "Tea"},
		"somebody's, all in emoji":  {200, strings.Replace(order, "Tea", "🍵", 1), Question{Channel: noEmoji}, "", "", "1001"},
		"somebody's, of no status":  {200, strings.Replace(order, `"Tea"`, `"Tea","status":"open"`, 1), Question{}, "quote_invalid", "status must be payable, paid or closed", ""},
		"not there, and yet a body": {404, order, Question{}, "order_not_found", "is the path of orders another?", ""},
		"closed":                    {410, "", Question{}, "order_closed", "the backend answered 410", ""},
		"at no host":                {200, order, Question{Host: "a b"}, "backend_unavailable", "invalid character", ""},
	} {
		b := &backendSaying{status: c.status, body: c.body}
		visitors := &session.Visitors{Cookies: &session.Cookies{}, Scope: ledger.Scope{App: "app_1", Mode: ledger.Live}, AppIDs: map[session.Kind]string{session.WxLite: "wx1"}}
		p := &Prices{Orders: &Orders{Method: http.MethodGet, Path: "/orders/{order_no}", Timeout: time.Minute}, Now: time.Now, Backend: &backend.Backend{RoundTripper: b, Token: redact.New("t"), Visitors: visitors}}
		if c.q.OrderNo = "1001"; c.q.Host == "" {
			c.q.Host = "shop.test"
		}
		a := p.Ask(t.Context(), c.q)
		if a.Code != c.code || !strings.Contains(a.Why, c.why) || a.Subject != c.subject || a.Late || (a.Took <= 0) != (name == "at no host") {
			t.Errorf("%s: %+v", name, a)
		}
		if c.code == "" && (a.Amount != 1999 || a.Currency != "cny" || a.OpenID != "o-payer") {
			t.Errorf("%s: %+v", name, a)
		}
		if name == "at no host" {
			continue
		}
		for header, want := range map[string]string{"X-Pay-Token": "t", "X-Pay-Mode": "live", "X-WX-OPENID": c.q.OpenID, "X-WX-APPID": map[bool]string{true: "wx1"}[c.q.OpenID != ""]} {
			if got := b.got.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

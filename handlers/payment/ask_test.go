package payment

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

// backendSaying answers every question with a status and a body.
type backendSaying struct {
	status int
	body   string
	got    http.Header
}

func (b *backendSaying) RoundTrip(r *http.Request) (*http.Response, error) {
	b.got = r.Header.Clone()
	return &http.Response{StatusCode: b.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(b.body)), Request: r}, nil
}

// A question that no payer asks goes out as a payer's does, and is answered by the same rules.
func TestAsk(t *testing.T) {
	const order = `{"order_no":"1001","amount":1999,"subject":"Tea","openid":"o-payer","status":"payable"}`
	for _, tt := range []struct {
		name   string
		status int
		body   string
		openid string
		code   string
		said   string
		amount int64
	}{
		{"somebody's", 200, order, "", "", "payable", 1999},
		{"the payer's own", 200, order, "o-payer", "", "payable", 1999},
		{"another's", 200, order, "o-other", "order_not_found", "payable", 0},
		{"anybody's", 200, strings.Replace(order, `,"openid":"o-payer"`, "", 1), "", "", "payable", 1999},
		{"paid", 200, strings.Replace(order, "payable", "paid", 1), "", "order_already_paid", "paid", 0},
		{"not there", 404, "", "", "order_not_found", "", 0},
		{"not let in", 401, "who are you?", "", "backend_unavailable", "", 0},
		{"another number", 200, strings.Replace(order, "1001", "1002", 1), "", "quote_invalid", "payable", 0},
		{"a page", 200, "<html>", "", "quote_invalid", "", 0},
	} {
		b := &backendSaying{status: tt.status, body: tt.body}
		p := &Prices{Orders: &Orders{Method: http.MethodGet, Path: "/orders/{order_no}", Timeout: time.Minute}, Now: time.Now,
			Backend: &backend.Backend{RoundTripper: b, Token: redact.New("t"), Visitors: &session.Visitors{Cookies: &session.Cookies{}}}}
		a := p.Ask(t.Context(), Question{OrderNo: "1001", Host: "shop.test", OpenID: tt.openid, Change: func(h http.Header) { h.Set("X-Pay-Token", "other") }})
		if a.Code != tt.code || a.Said != tt.said || a.Amount != tt.amount || a.Status != tt.status || string(a.Raw) != tt.body || (a.Why == "") != (tt.code == "") {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if b.got.Get("X-Pay-Token") != "other" || b.got.Get("X-WX-OPENID") != tt.openid {
			t.Errorf("%s: it was sent %v", tt.name, b.got)
		}
	}
}

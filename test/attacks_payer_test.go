package test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

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

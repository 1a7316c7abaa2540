package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/session"
)

func TestSessionKeysRotate(t *testing.T) {
	w := newWorld(t)
	old := w.session(payer)
	w.sessionKeys = append([][]byte{newSessionKey()}, w.sessionKeys...)
	rotated := w.newConfig(w.ledger, zap.NewNop())
	w.config.Sessions.Keys = rotated.Sessions.Keys
	fresh := w.session(payer)
	for name, token := range map[string]string{"old": old, "fresh": fresh} {
		if a := w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", token); a.status != 404 {
			t.Errorf("the %s session: %d %s", name, a.status, a.body)
		}
	}
	w.config.Sessions.Keys = func(context.Context) ([][]byte, error) { return w.sessionKeys[:1], nil }
	wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", old), 401, "session_invalid")
	w.config.Sessions.Keys = func(context.Context) ([][]byte, error) { return nil, errors.New("the storage is down") }
	wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", fresh), 503, "ledger_unavailable")
}

func TestWhereASessionMayStand(t *testing.T) {
	w := newWorld(t)
	token := w.session(payer)
	cookie := "__Host-pay_session=" + token
	old := w.sealed(session.Identity{Kind: session.WxLite, OpenID: payer, AppID: w.sandbox.WxLite().AppID, Expires: w.clock.Now()})
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"X-Pay-Session":                {[]string{"X-Pay-Session", token}, 404},
		"Bearer":                       {[]string{"Authorization", "Bearer " + token}, 404},
		"bearer":                       {[]string{"Authorization", "bearer  " + token + " "}, 404},
		"beside a shop's own":          {[]string{"Authorization", "Bearer shops.own.jwt", "X-Pay-Session", token}, 404},
		"beside a shop's own JWE":      {[]string{"Authorization", "Bearer a.b.c.d.e", "X-Pay-Session", token}, 404},
		"cookie beside a shop's JWE":   {[]string{"Authorization", "Bearer a.b.c.d.e", "Cookie", cookie}, 404},
		"cookie beside an expired one": {[]string{"Authorization", "Bearer " + old, "Cookie", cookie}, 401},
		"Basic":                        {[]string{"Authorization", "Basic " + token}, 401},
		"only the shop's own":          {[]string{"Authorization", "Bearer shops.own.jwt"}, 401},
		"X_Pay_Session":                {[]string{"X_Pay_Session", token}, 401},
		"cookie":                       {[]string{"Cookie", "session=" + token}, 401},
		"X-Pay-Session goes before it": {[]string{"Authorization", "Bearer " + token, "X-Pay-Session", "garbage"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.do("GET", "/pay/charges/ch_1", "", c.header...); a.status != c.status {
				t.Errorf("answered %d %s, want %d", a.status, a.body, c.status)
			}
		})
	}
}

func TestStripTrusted(t *testing.T) {
	h := http.Header{
		"X-Pay-Session": {"token"}, "X-Wx-Openid": {"o"}, "x-wx-openid": {"o"}, "X-WX-OPENID": {"o"}, "X-Wx-Anything": {"o"}, "X-Pay-Token": {"t"},
		"x-pay-mode": {"live"}, "X-PAY-": {"x"}, "X-Wx-": {"x"},
		// What PHP calls HTTP_X_WX_OPENID and HTTP_X_PAY_TOKEN.
		"X_wx_openid": {"o"}, "X-Wx_openid": {"o"}, "X_WX-OPENID": {"o"}, "X.wx.openid": {"o"}, "X_pay_token": {"t"}, "X-Pay_mode": {"live"},
	}
	keep := http.Header{
		"Authorization": {"Bearer x"}, "X-Pingplusplus-Signature": {"s"}, "X-Payment": {"1"}, "X-Wxopenid": {"1"}, "Xwx-Openid": {"1"}, "X": {"1"}, "": {"1"},
		"X-Forwarded-For": {"1"}, "X-Pa": {"1"}, "My-X-Pay-Token": {"1"},
	}
	for name, v := range keep {
		h[name] = v
	}
	if token := StripTrusted(h); token != "token" {
		t.Errorf("the session is %q", token)
	}
	if fmt.Sprint(h) != fmt.Sprint(keep) {
		t.Errorf("left over: %v", h)
	}
	if token := StripTrusted(h); token != "" {
		t.Errorf("a second time: %q", token)
	}
}

func TestSetIdentity(t *testing.T) {
	h := http.Header{}
	session.SetIdentity(h, session.Identity{OpenID: "o1", AppID: "wx1"})
	if h.Get("X-WX-OPENID") != "o1" || h.Get("X-WX-APPID") != "wx1" || h.Get("X-WX-SOURCE") == "" || len(h) != 3 {
		t.Errorf("got %v", h)
	}
	session.SetIdentity(h, session.Identity{OpenID: "o1", UnionID: "u1", AppID: "wx1"})
	if h.Get("X-WX-UNIONID") != "u1" {
		t.Errorf("got %v", h)
	}
}

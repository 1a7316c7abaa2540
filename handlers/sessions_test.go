package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// sealer makes tokens like ours, and unlike them.
type sealer struct {
	alg    jose.KeyAlgorithm
	enc    jose.ContentEncryption
	key    []byte
	keyID  string
	claims claims
}

func (w *world) sealer() *sealer {
	key := w.sessionKeys[0]
	return &sealer{alg: jose.DIRECT, enc: jose.A256GCM, key: key, keyID: keyID(key), claims: claims{
		Claims: jwt.Claims{Issuer: "caddypay", Subject: payer, Expiry: jwt.NewNumericDate(w.clock.Now().Add(time.Hour))},
		Use:    useSession, AppID: w.sandbox.WxLite().AppID, Kind: "wx_lite", App: w.site.Scope.App, Mode: string(w.site.Scope.Mode),
	}}
}

func (s *sealer) seal(t *testing.T) string {
	t.Helper()
	enc, err := jose.NewEncrypter(s.enc, jose.Recipient{Algorithm: s.alg, Key: s.key, KeyID: s.keyID}, (&jose.EncrypterOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Encrypted(enc).Claims(s.claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSessionsThatAreNotOurs(t *testing.T) {
	w := newWorld(t)
	with := func(change func(s *sealer)) string {
		s := w.sealer()
		change(s)
		return s.seal(t)
	}
	valid := w.sealer().seal(t)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: w.sessionKeys[0]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Signed(signer).Claims(w.sealer().claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(valid, ".")
	flipped := parts[0] + "." + parts[1] + "." + parts[2] + "." + strings.Map(func(r rune) rune { return r ^ 1 }, parts[3][:1]) + parts[3][1:] + "." + parts[4]
	for name, c := range map[string]struct{ token, code string }{
		"wrong key":         {with(func(s *sealer) { s.key = newSessionKey() }), "session_invalid"},
		"unknown key id":    {with(func(s *sealer) { s.keyID = "0123456789ab" }), "session_invalid"},
		"no key id":         {with(func(s *sealer) { s.keyID = "" }), "session_invalid"},
		"other app":         {with(func(s *sealer) { s.claims.App = "app_other" }), "session_invalid"},
		"other mode":        {with(func(s *sealer) { s.claims.Mode = string(ledger.Live) }), "session_invalid"},
		"other appid":       {with(func(s *sealer) { s.claims.AppID = "wxother" }), "session_invalid"},
		"no subject":        {with(func(s *sealer) { s.claims.Subject = "" }), "session_invalid"},
		"no expiry":         {with(func(s *sealer) { s.claims.Expiry = nil }), "session_invalid"},
		"other issuer":      {with(func(s *sealer) { s.claims.Issuer = "somebody" }), "session_invalid"},
		"login token":       {with(func(s *sealer) { s.claims.Use = useLogin }), "session_invalid"},
		"no use":            {with(func(s *sealer) { s.claims.Use = "" }), "session_invalid"},
		"expired":           {with(func(s *sealer) { s.claims.Expiry = jwt.NewNumericDate(w.clock.Now()) }), "session_expired"},
		"other enc":         {with(func(s *sealer) { s.enc, s.key = jose.A128CBC_HS256, w.sessionKeys[0] }), "session_invalid"},
		"other alg":         {with(func(s *sealer) { s.alg = jose.A256GCMKW }), "session_invalid"},
		"alg PBES2":         {with(func(s *sealer) { s.alg = jose.PBES2_HS512_A256KW }), "session_invalid"},
		"JWS with our key":  {signed, "session_invalid"},
		"alg none":          {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJvQSJ9.", "session_invalid"},
		"JWE with alg none": {"eyJhbGciOiJub25lIn0." + strings.Join(parts[1:], "."), "session_invalid"},
		"flipped":           {flipped, "session_invalid"},
		"truncated":         {valid[:len(valid)-1], "session_invalid"},
		"no tag":            {strings.Join(parts[:4], ".") + ".", "session_invalid"},
		"garbage":           {"garbage", "session_invalid"},
		"dots":              {"....", "session_invalid"},
		"long":              {strings.Repeat("a", maxToken+1), "session_invalid"},
		"missing":           {"", "session_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.token != "" {
				w.hide(c.token)
			}
			a := w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", c.token)
			wantProblem(t, a, 401, c.code)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if strings.Count(c.token, ".") == 4 {
				wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "Authorization", "Bearer "+c.token), 401, c.code)
			}
		})
	}
	t.Run("1 MB", func(t *testing.T) { // the server may refuse it before us
		if _, err := w.site.Sessions.Open(t.Context(), useSession, strings.Repeat("a.b.c.d.e", 1<<17)); !errors.Is(err, errSessionInvalid) {
			t.Errorf("got %v", err)
		}
		r := httptest.NewRequest("GET", "/pay/charges/ch_1", nil)
		r.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 1<<20)+"....")
		if _, err := w.site.Identify(r); asProblem(err).Code != "session_invalid" {
			t.Errorf("got %.80v", err)
		}
	})
	wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", valid), 404, "charge_not_found") // none of this was the header's fault
	w.hide(valid)
}

func TestSessionKeysRotate(t *testing.T) {
	w := newWorld(t)
	old := w.session(payer)
	w.sessionKeys = append([][]byte{newSessionKey()}, w.sessionKeys...)
	rotated := w.newSite(w.ledger, zap.NewNop())
	w.site.Sessions.Keys = rotated.Sessions.Keys
	fresh := w.session(payer)
	for name, token := range map[string]string{"old": old, "fresh": fresh} {
		if a := w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", token); a.status != 404 {
			t.Errorf("the %s session: %d %s", name, a.status, a.body)
		}
	}
	w.site.Sessions.Keys = func(context.Context) ([][]byte, error) { return w.sessionKeys[:1], nil }
	wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", old), 401, "session_invalid")
	w.site.Sessions.Keys = func(context.Context) ([][]byte, error) { return nil, errors.New("the storage is down") }
	wantProblem(t, w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", fresh), 503, "ledger_unavailable")
}

func TestWhereASessionMayStand(t *testing.T) {
	w := newWorld(t)
	token := w.session(payer)
	cookie := "__Host-pay_session=" + token
	expired := w.sealer()
	expired.claims.Expiry = jwt.NewNumericDate(w.clock.Now())
	old := expired.seal(t)
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
	SetIdentity(h, Identity{OpenID: "o1", AppID: "wx1"})
	if h.Get("X-WX-OPENID") != "o1" || h.Get("X-WX-APPID") != "wx1" || h.Get("X-WX-SOURCE") == "" || len(h) != 3 {
		t.Errorf("got %v", h)
	}
	SetIdentity(h, Identity{OpenID: "o1", UnionID: "u1", AppID: "wx1"})
	if h.Get("X-WX-UNIONID") != "u1" {
		t.Errorf("got %v", h)
	}
}

func TestTokenSaysNothing(t *testing.T) {
	w := newWorld(t)
	token := w.session(payer)
	if bytes.Contains([]byte(token), []byte(payer)) || len(token) > maxToken {
		t.Errorf("token %s", token)
	}
	if w.session(payer) == token {
		t.Error("two tokens are equal")
	}
}

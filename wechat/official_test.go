package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/redact"
)

// official starts a TLS server in WeChat's place, and an official account that knows its certificate.
func official(t *testing.T, h http.HandlerFunc) *OfficialAccount {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	o, err := NewOfficialAccount(Config{AppID: appID, Secret: redact.New(secret), Endpoint: s.URL, Transport: s.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func answers(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, body)
	}
}

func TestAuthorizeURL(t *testing.T) {
	const rest = "/connect/oauth2/authorize?appid=" + appID + "&redirect_uri=https%3A%2F%2Fshop.example%2Fpay%2Foauth%2Fcallback%3Fa%3Db" +
		"&response_type=code&scope=snsapi_base&state=abc123#wechat_redirect"
	for _, c := range []struct{ endpoint, authorize, want string }{
		{"", "", "https://open.weixin.qq.com" + rest},
		{"http://127.0.0.1:9", "", "http://127.0.0.1:9" + rest},
		{"https://proxy.example/wx", "https://open.weixin.qq.com", "https://open.weixin.qq.com" + rest},
		{"", "https://proxy.example/wx/", "https://proxy.example/wx" + rest},
	} {
		o, err := NewOfficialAccount(Config{AppID: appID, Secret: redact.New(secret), Endpoint: c.endpoint, Authorize: c.authorize})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.AuthorizeURL("https://shop.example/pay/oauth/callback?a=b", "abc123"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	for _, bad := range []Config{{AppID: appID, Secret: redact.New(secret), Authorize: "http://weixin.example"}, {AppID: appID, Secret: redact.New(secret), Authorize: "weixin.example"}, {AppID: appID}} {
		if _, err := NewOfficialAccount(bad); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%v", err)
		}
	}
}

func TestOAuthExchange(t *testing.T) {
	var got *http.Request
	o := official(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		answers(`{"access_token":"at","expires_in":7200,"refresh_token":"rt","openid":"`+openID+`","scope":"snsapi_base","unionid":"uABC"}`)(w, r)
	})
	id, err := o.Exchange(t.Context(), code)
	if err != nil || id != (WebIdentity{Identity: Identity{OpenID: openID, UnionID: "uABC"}}) {
		t.Fatalf("got %+v, %v", id, err)
	}
	want := url.Values{"appid": {appID}, "secret": {secret}, "code": {code}, "grant_type": {"authorization_code"}}
	if got.Method != "GET" || got.URL.Path != "/sns/oauth2/access_token" || got.URL.Query().Encode() != want.Encode() {
		t.Errorf("WeChat was asked %s %s", got.Method, got.URL)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, o); strings.Contains(text, secret) || !strings.Contains(text, "OfficialAccount("+appID) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
	for body, snapshot := range map[string]bool{
		`{"openid":"` + openID + `","is_snapshotuser":1}`:   true,
		`{"openid":"` + openID + `","is_snapshotuser":"1"}`: true,
		`{"openid":"` + openID + `","is_snapshotuser":0}`:   false,
	} {
		if id, err := official(t, answers(body)).Exchange(t.Context(), code); err != nil || id.Snapshot != snapshot {
			t.Errorf("%s: %+v, %v", body, id, err)
		}
	}
}

func TestOAuthExchangeFails(t *testing.T) {
	for body, kind := range map[string]Kind{
		`{"errcode":40029,"errmsg":"invalid code, rid: 1-2-3"}`:                       CodeInvalid,
		`{"errcode":40163,"errmsg":"code been used: ` + code + ` of ` + secret + `"}`: CodeInvalid,
		`{"errcode":42003,"errmsg":"code timeout"}`:                                   CodeInvalid,
		`{"errcode":-1,"errmsg":"system error"}`:                                      Busy,
		`{"errcode":45011,"errmsg":"api minute-quota reach limit"}`:                   Busy,
		`{"errcode":40013,"errmsg":"invalid appid"}`:                                  Misconfigured,
		`{"errcode":40125,"errmsg":"invalid appsecret"}`:                              Misconfigured,
		`{"errcode":48001,"errmsg":"api unauthorized"}`:                               Rejected,
		`{"openid":"` + openID + `","is_snapshotuser":"maybe"}`:                       Unavailable,
		`{"openid":""}`: Unavailable,
		`[]`:            Unavailable,
		``:              Unavailable,
		`{"errcode":41008,"errmsg":"at ` + openID + `","openid":"` + openID + `","access_token":"tokenX"}`: Rejected,
	} {
		_, err := official(t, answers(body)).Exchange(t.Context(), code)
		var e *Error
		if !errors.As(err, &e) || e.Kind != kind || !strings.HasPrefix(err.Error(), "wechat: oauth2/access_token: ") {
			t.Errorf("%s: %v, want %s", body, err, kind)
		}
		checkSilent(t, err)
	}
	o := official(t, func(http.ResponseWriter, *http.Request) { t.Error("WeChat was asked") })
	for _, bad := range []string{"", "a b", "a\n", strings.Repeat("a", maxCode+1)} {
		_, err := o.Exchange(t.Context(), bad)
		var e *Error
		if !errors.As(err, &e) || e.Kind != CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAccessTokenAndTicket(t *testing.T) {
	o := official(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cgi-bin/stable_token":
			var got map[string]string
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "" ||
				len(got) != 3 || got["grant_type"] != "client_credential" || got["appid"] != appID || got["secret"] != secret {
				t.Errorf("%s %s: %v, %v", r.Method, r.URL, got, err)
			}
			answers(`{"access_token":"AT_1","expires_in":7200}`)(w, r)
		case "/cgi-bin/ticket/getticket":
			if q := r.URL.Query(); r.Method != "GET" || q.Encode() != "access_token=AT_1&type=jsapi" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			answers(`{"errcode":0,"errmsg":"ok","ticket":"T_1","expires_in":7000}`)(w, r)
		default:
			t.Errorf("%s", r.URL)
		}
	})
	token, err := o.AccessToken(t.Context())
	if err != nil || token.Value.Reveal() != "AT_1" || token.Expires != 2*time.Hour {
		t.Fatal(token, err)
	}
	ticket, err := o.Ticket(t.Context(), token.Value.Reveal())
	if err != nil || ticket.Value.Reveal() != "T_1" || ticket.Expires != 7000*time.Second {
		t.Fatal(ticket, err)
	}
	for body, kind := range map[string]Kind{
		`{"errcode":40164,"errmsg":"invalid ip 1.2.3.4, not in whitelist"}`: Misconfigured,
		`{"errcode":45009,"errmsg":"reach max api daily quota limit"}`:      Busy,
		`{"errcode":40001,"errmsg":"invalid credential AT_secret"}`:         Rejected,
		`{"errcode":0,"errmsg":"ok"}`:                                       Unavailable,
		`{"ticket":"T","access_token":"T"}`:                                 Unavailable,
		`{"ticket":"T","access_token":"T","expires_in":0}`:                  Unavailable,
		`{"ticket":"T","access_token":"T","expires_in":1e3}`:                Unavailable,
		`{"ticket":"a b","access_token":"a b","expires_in":7200}`:           Unavailable,
		`{"ticket":7,"access_token":7,"expires_in":7200}`:                   Unavailable,
	} {
		o := official(t, answers(body))
		for name, ask := range map[string]func() (Token, error){
			"token":  func() (Token, error) { return o.AccessToken(t.Context()) },
			"ticket": func() (Token, error) { return o.Ticket(t.Context(), "AT_secret") },
		} {
			_, err := ask()
			var e *Error
			if !errors.As(err, &e) || e.Kind != kind || strings.Contains(err.Error(), secret) || name == "ticket" && strings.Contains(err.Error(), "AT_secret") {
				t.Errorf("%s: %s: %v, want %s", name, body, err, kind)
			}
			if e != nil && e.TokenInvalid() != (e.Code == 40001) {
				t.Errorf("%s: TokenInvalid is %v", body, e.TokenInvalid())
			}
		}
	}
}

// The vectors are WeChat's own.
func TestSignPage(t *testing.T) {
	const ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
	for page, want := range map[string]string{
		"http://mp.weixin.qq.com?params=value":       "0f9de62fce790f9a083d5c99e95740ceb90c27ed",
		"http://mp.weixin.qq.com?params=value#/pay?": "0f9de62fce790f9a083d5c99e95740ceb90c27ed",
		"http://mp.weixin.qq.com":                    "f4d90daf4b3bca3078ab155816175ba34c443a7b",
	} {
		if got := SignPage(ticket, "Wm3WZYTPz0wzccnW", "1414587457", page); got != want {
			t.Errorf("%s: got %s, want %s", page, got, want)
		}
	}
}

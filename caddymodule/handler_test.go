package caddymodule

import (
	"crypto/tls"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// secondBlock is a pay block of another app, mini program and session key.
func secondBlock(t testing.TB, dir string) string {
	return strings.NewReplacer("app_test1", "app_test2", "wx0123456789abcdef", "wx2222222222222222",
		testSessionKey, "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=").Replace(payBlock(t, dir, "/second", "allow_http"))
}

// token makes a session at the pay block with a prefix.
func token(t testing.TB, prefix string, id session.Identity) string {
	t.Helper()
	_, found := running(t)
	for _, h := range found {
		if h.resolved.Prefix != prefix {
			continue
		}
		id.Scope = h.resolved.Scope
		switch id.Kind {
		case "":
			id.Kind = session.WxLite
			if id.AppID == "" {
				id.AppID = h.resolved.WxLite.AppID()
			}
		case session.WxPub:
			id.AppID = h.resolved.WxPub.AppID()
		}
		if id.Expires.IsZero() {
			id.Expires = time.Now().Add(time.Hour)
		}
		s, err := h.resolved.Sessions.Seal(t.Context(), "session", id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Fatal("no pay block with the prefix", prefix)
	return ""
}

// The backend learns who the user is from us alone.
func TestIdentity(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	echo := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	})
	run(t, globals(dir)+"http://"+addr+" {\n\troot * "+dir+"\n\ttry_files {path} /index.html\n"+payBlock(t, dir, "", "allow_http")+secondBlock(t, dir)+
		"\treverse_proxy "+echo+" {\n\t\theader_up X-Seen-Openid {http.pay.openid}\n\t\theader_up X-Seen-Appid {http.pay.appid}\n\t}\n}\n")
	first := token(t, "/pay", session.Identity{OpenID: "o-first", UnionID: "u-first"})
	second := token(t, "/second", session.Identity{OpenID: "o-second"})
	visitor := token(t, "/pay", session.Identity{Kind: session.Anonymous, Visitor: "anon:x"})
	with := func(headers map[string]string, name, value string) map[string]string {
		headers = maps.Clone(headers)
		headers[name] = value
		return headers
	}
	none := map[string]string{"X-Wx-Openid": "", "X-Wx-Appid": "", "X-Wx-Unionid": "", "X-Wx-Source": "", "X-Pay-Session": "", "X-Pay-Token": "", "X-Seen-Openid": ""}
	isFirst := map[string]string{"X-Wx-Openid": "o-first", "X-Wx-Appid": "wx0123456789abcdef", "X-Wx-Unionid": "u-first", "X-Wx-Source": "wx_client",
		"X-Pay-Session": "", "X-Pay-Token": "", "X-Seen-Openid": "o-first", "X-Seen-Appid": "wx0123456789abcdef"}
	isSecond := map[string]string{"X-Wx-Openid": "o-second", "X-Wx-Appid": "wx2222222222222222", "X-Wx-Unionid": "", "X-Wx-Source": "wx_client",
		"X-Pay-Session": "", "X-Seen-Openid": "o-second", "X-Seen-Appid": "wx2222222222222222"}
	for _, tc := range []struct {
		name   string
		header map[string]string
		want   map[string]string
	}{
		{"nobody", nil, none},
		{"forged", map[string]string{"X-WX-OPENID": "evil", "x-wx-unionid": "evil", "X-Wx-Source": "evil", "X-Wx-Appid": "evil", "X-Pay-Token": "evil", "X-Pay-Event": "charge.succeeded"}, none},
		{"first", map[string]string{"X-Pay-Session": first}, isFirst},
		{"first and forged", map[string]string{"X-Pay-Session": first, "X-WX-OPENID": "evil", "X-Pay-Token": "evil"}, isFirst},
		{"first as bearer", map[string]string{"Authorization": "Bearer " + first}, isFirst},
		{"second", map[string]string{"X-Pay-Session": second}, isSecond},
		{"second and forged", map[string]string{"X-Pay-Session": second, "X-WX-UNIONID": "evil"}, isSecond},
		{"first by cookie", map[string]string{"Cookie": "a=b; pay_session=" + first + "; c=d"}, with(isFirst, "Cookie", "a=b; c=d")},
		{"first by cookie alone", map[string]string{"Cookie": "pay_session=" + first, "X-WX-OPENID": "evil"}, with(isFirst, "Cookie", "")},
		{"second by cookie", map[string]string{"Cookie": "second_session=" + second + "; pay_oauth=x; pay_sessions=y"}, with(isSecond, "Cookie", "pay_sessions=y")},
		{"another block's cookie", map[string]string{"Cookie": "pay_session=" + second}, with(none, "Cookie", "")},
		{"a visitor", map[string]string{"Cookie": "pay_session=" + visitor}, with(none, "Cookie", "")},
		{"a visitor as bearer", map[string]string{"Authorization": "Bearer " + visitor}, none},
		{"expired", map[string]string{"X-Pay-Session": token(t, "/pay", session.Identity{OpenID: "o", Expires: time.Now().Add(-time.Second)})}, none},
		{"of another mini program", map[string]string{"X-Pay-Session": token(t, "/pay", session.Identity{OpenID: "o", AppID: "wxother"})}, none},
		{"spoiled", map[string]string{"X-Pay-Session": first[:len(first)-4] + "AAAA"}, none},
		{"not a session", map[string]string{"X-Pay-Session": "hello", "Authorization": "Basic aGk6aGk="}, map[string]string{"Authorization": "Basic aGk6aGk=", "X-Wx-Openid": ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/shop/cart", nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tc.header {
				req.Header[name] = []string{value} // as spelled
			}
			resp, err := client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var got http.Header
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			for name, want := range tc.want {
				if v := strings.Join(got.Values(name), " and "); v != want {
					t.Errorf("the backend sees %s: %q", name, v)
				}
			}
			if got.Get("X-Pay-Event") != "" {
				t.Error("the backend sees a forged event")
			}
		})
	}
}

// Two blocks answer under their own prefixes, whichever comes first, and close the paths of both backends.
func TestTwoBlocks(t *testing.T) {
	dir, addr, s := t.TempDir(), freeAddr(t), newShop(t)
	withEvents := func(block, path string) string {
		return strings.Replace(block, "allow_http", "allow_http\n\t\tupstream "+s.addr+"\n\t\torders GET "+path+"/{order_no}\n\t\tevents POST "+path, 1)
	}
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+withEvents(payBlock(t, dir, "", "allow_http"), "/internal/one")+
		withEvents(secondBlock(t, dir), "/internal/two")+"\trespond \"the shop\"\n}\n")
	first, second := token(t, "/pay", session.Identity{OpenID: "o-first"}), token(t, "/second", session.Identity{OpenID: "o-second"})
	for _, tc := range []struct {
		path, login string
		status      int
		code        string
	}{
		{"/", "", 200, "the shop"},
		{"/payment", "", 200, "the shop"},
		{"/seconds", "", 200, "the shop"},
		{"/pay", "", 404, `"not_found"`},
		{"/pay/nothing", "", 404, `"not_found"`},
		{"/second/nothing", "", 404, `"not_found"`},
		{"/pay/webhooks", "", 405, `"method_not_allowed"`},
		{"/second/webhooks", "", 405, `"method_not_allowed"`},
		{"/pay/charges/ch_1", "", 401, `"session_missing"`},
		{"/second/charges/ch_1", "", 401, `"session_missing"`},
		{"/pay/charges/ch_1", first, 404, `"charge_not_found"`},
		{"/second/charges/ch_1", second, 404, `"charge_not_found"`},
		{"/pay/charges/ch_1", second, 401, `"session_invalid"`},
		{"/second/charges/ch_1", first, 401, `"session_invalid"`},
		{"/internal/one", "", 404, `"not_found"`},
		{"/internal/two", "", 404, `"not_found"`},
		{"/internal/two/order1", "", 404, `"not_found"`},
		{"/internal/%6fne/order1", "", 404, `"not_found"`},
		{"/internal/three", "", 200, "the shop"},
	} {
		req, err := http.NewRequest(http.MethodGet, "http://"+addr+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.login != "" {
			req.Header.Set("X-Pay-Session", tc.login)
		}
		rec := httptest.NewRecorder()
		servers, _ := running(t)
		for _, srv := range servers {
			srv.ServeHTTP(rec, req)
		}
		if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.code) {
			t.Errorf("%s: %d %s", tc.path, rec.Code, rec.Body)
		}
	}
}

// A site's error pages, logins and rewrites do not touch what is under the prefix.
func TestSiteCannotAnswer(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	write(t, dir, "index.html", "the single page")
	run(t, globals(dir)+"http://"+addr+" {\n\troot * "+dir+"\n\thandle_errors {\n\t\trespond \"sorry\" 200\n\t}\n\tbasic_auth {\n\t\toperator $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n"+
		"\ttry_files {path} /index.html\n\tfile_server\n\trespond /pay/* \"mine\"\n"+payBlock(t, dir, "", "allow_http")+"}\n")
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/pay/webhooks", 401}, // signature_missing, not the login's
		{http.MethodGet, "/pay/nothing", 404},
		{http.MethodGet, "/pay/charges/ch_1", 401},
	} {
		req, err := http.NewRequest(tc.method, "http://"+addr+tc.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tc.status || resp.Header.Get("Content-Type") != "application/problem+json" || strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic") {
			t.Errorf("%s: %d %v", tc.path, resp.StatusCode, resp.Header)
		}
	}
}

func TestSecure(t *testing.T) {
	const trusted = "servers {\n\t\ttrusted_proxies static 192.0.2.0/24\n\t}"
	for _, tc := range []struct {
		name, global, option string
		tls                  bool
		remote, proto        string
		secure               bool
	}{
		{"plain", "", "", false, "192.0.2.1:1", "", false},
		{"TLS", "", "", true, "192.0.2.1:1", "", true},
		{"TLS and a strange header", "", "", true, "192.0.2.1:1", "http", true},
		{"untrusted proxy says https", "", "", false, "192.0.2.1:1", "https", false},
		{"trusted proxy says https", trusted, "", false, "192.0.2.1:1", "https", true},
		{"trusted proxies say https and http", trusted, "", false, "192.0.2.1:1", "https,http", true},
		{"trusted proxies say https twice", trusted, "", false, "192.0.2.1:1", "https, https", true},
		{"trusted proxy says HTTPS", trusted, "", false, "192.0.2.1:1", " HTTPS ,http", true},
		{"trusted proxies say http and https", trusted, "", false, "192.0.2.1:1", "http, https", false},
		{"trusted proxy says another thing", trusted, "", false, "192.0.2.1:1", "httpsx", false},
		{"untrusted proxies say https", "", "", false, "192.0.2.1:1", "https,http", false},
		{"trusted proxy says http", trusted, "", false, "192.0.2.1:1", "http", false},
		{"trusted proxy says nothing", trusted, "", false, "192.0.2.1:1", "", false},
		{"another proxy says https", trusted, "", false, "198.51.100.1:1", "https", false},
		{"allowed", "", "allow_http", false, "198.51.100.1:1", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, addr := t.TempDir(), freeAddr(t)
			run(t, globals(dir, tc.global)+"http://"+addr+" {\n"+payBlock(t, dir, "", tc.option)+"}\n")
			defer func() { _ = os.Remove(filepath.Join(dir, "log")) }()
			req := httptest.NewRequest(http.MethodGet, "http://"+addr+"/pay/charges/ch_1", nil)
			req.RemoteAddr = tc.remote
			if tc.tls {
				req.TLS = &tls.ConnectionState{HandshakeComplete: true}
			}
			if tc.proto != "" {
				req.Header.Set("X-Forwarded-Proto", tc.proto)
			}
			rec := httptest.NewRecorder()
			servers, _ := running(t)
			for _, srv := range servers {
				srv.ServeHTTP(rec, req)
			}
			want, code := http.StatusUnauthorized, `"session_missing"`
			if !tc.secure {
				want, code = http.StatusForbidden, `"https_required"`
			}
			if rec.Code != want || !strings.Contains(rec.Body.String(), code) {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}

// The access log shows neither the login codes nor the sessions of requests under the prefix.
func TestAccessLog(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir)+"http://"+addr+" {\n\tlog\n"+payBlock(t, dir, "", "allow_http")+"\trespond ok\n}\n")
	login := token(t, "/pay", session.Identity{OpenID: "o-Mark-openid", Scope: ledger.Scope{}})
	for _, target := range []string{"/pay/nothing?code=Mark-code", "/pay/openid?x=1&code=Mark-code", "/pay/openid", "/shop?page=1"} {
		req, err := http.NewRequest(http.MethodPut, "http://"+addr+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(target, "/pay") {
			req.Header.Set("X-Pay-Session", login)
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	read := func() string {
		raw, err := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	eventually(t, "the shop's request is logged", func() bool { return strings.Contains(read(), "/shop?page=1") })
	log := read()
	if n := strings.Count(log, `"path":"/pay/openid"`); n != 2 {
		t.Errorf("%d lines of ours about /pay/openid:\n%s", n, log)
	}
	for _, secret := range []string{"Mark-code", "o-Mark-openid", login} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %.12s…:\n%s", secret, log)
		}
	}
}

// A shop whose every page is one file stays open, but for the pages between us and the backend.
func TestFrontControllerStaysOpen(t *testing.T) {
	dir, addr, s := t.TempDir(), freeAddr(t), newShop(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http\n\t\tupstream "+s.addr+
		"\n\t\torders GET /index.php?s=/pay/quote&no={order_no}\n\t\tevents POST /index.php?s=/pay/events")+"\trespond \"the shop\"\n}\n")
	for target, want := range map[string]int{
		"/": 200, "/index.php": 200, "/index.php?s=/home": 200, "/index.php?no=1": 200,
		"/index.php?s=/pay/quote&no=1": 404, "/index.php?no=1&s=%2Fpay%2Fevents": 404, "/?s=pay/events": 404, "/index.php/pay/events": 404,
	} {
		req, err := http.NewRequest(http.MethodGet, "http://"+addr+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", target, resp.StatusCode)
		}
	}
}

package caddymodule

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/session"
)

// longMethod is refused by Caddy before any route of a site is asked.
var longMethod = strings.Repeat("A", 33)

// fails checks that a request that fails before pay, made by ask from a path and header lines, hands no backend anything through the
// error routes that it should not have.
func fails(t *testing.T, ask func(path, header string) (status int, body string), want int) {
	t.Helper()
	login := token(t, "/pay", session.Identity{OpenID: "o-first"})
	status, body := ask("/shop", "X-WX-OPENID: evil\nX_wx_appid: evil\nX-Pay-Token: evil\nX-Pay-Session: "+login+"\nAuthorization: Bearer "+login+
		"\nCookie: pay_session="+login+"; a=b\nX-Original-URL: /internal/pay/events\nX-Fine: yes\n")
	got := report(t, status, body)
	for _, name := range []string{"X-Wx-Openid", "X_wx_appid", "X-Pay-Token", "X-Pay-Session", "Authorization", "X-Original-Url"} {
		if got.Header[name] != nil {
			t.Errorf("the error routes' backend sees %s: %q", name, got.Header[name])
		}
	}
	if got.Header.Get("X-Fine") != "yes" || got.Header.Get("Cookie") != "a=b" || len(got.Trailer) > 0 {
		t.Errorf("the error routes' backend sees %v and the trailers %v", got.Header, got.Trailer)
	}
	for _, path := range []string{"/internal/pay/events", "/internal;a/pay/orders/1", "/pay/webhooks", "/PAY", "x:http://b/internal/pay/events", "/members/1", "/members;a/1"} {
		if status, body := ask(path, ""); status != want || body != "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// A request that fails before it comes to pay goes through the site's error routes as if pay had seen it.
func TestErrorRoutes(t *testing.T) {
	dir, addr, echo := t.TempDir(), freeAddr(t), reporter(t)
	site := payBlock(t, dir, "", "allow_http", "upstream "+echo, "orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events")
	const rest = "\twechat_auth /members/*\n\thandle_errors {\n\t\treverse_proxy ECHO {\n\t\t\theader_up X-Seen-Openid {http.pay.openid}\n\t\t\tmethod GET\n\t\t}\n\t}\n\terror /broken 500\n\trespond \"the shop\"\n"
	global := globals(dir, ledgerIn(dir), "servers {\n\t\tstrict_sni_host on\n\t}")
	_, port, _ := strings.Cut(addr, ":")
	file := global + "http://" + addr + ", http://shop.example.com:" + port + " {\n" + site + strings.ReplaceAll(rest, "ECHO", echo) + "}\n" +
		"http://other.example.com:" + port + " {\n\thandle_errors {\n\t\treverse_proxy " + echo + " {\n\t\t\tmethod GET\n\t\t}\n\t}\n}\n"
	run(t, file)
	t.Run("long method", func(t *testing.T) {
		fails(t, func(path, header string) (int, string) {
			return raw(t, addr, longMethod+" "+path+" HTTP/1.1\nHost: "+addr+"\nTransfer-Encoding: chunked\nTrailer: X-WX-OPENID\nConnection: close\n"+header+"\n4\nbody\n0\nX-WX-OPENID: evil\n\n")
		}, http.StatusMethodNotAllowed)
	})
	t.Run("strict SNI", func(t *testing.T) {
		fails(t, func(path, header string) (int, string) {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.Host, req.RequestURI = "shop.example.com", path
			req.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: "else.example.com"}
			for line := range strings.Lines(header) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
				req.Header.Add(name, value)
			}
			rec := httptest.NewRecorder()
			servers, _ := running(t)
			for _, srv := range servers {
				srv.ServeHTTP(rec, req)
			}
			return rec.Code, rec.Body.String()
		}, http.StatusMisdirectedRequest)
	})
	// What pay has seen keeps its identity, and is the site's to answer.
	status, body := raw(t, addr, "GET /broken HTTP/1.1\nHost: "+addr+"\nX-WX-OPENID: evil\nX-Pay-Session: "+token(t, "/pay", session.Identity{OpenID: "o-first"})+"\nConnection: close\n\n")
	if got := report(t, status, body); got.Header.Get("X-Wx-Openid") != "o-first" || got.Header.Get("X-Seen-Openid") != "o-first" || got.URI != "/broken" {
		t.Errorf("the error routes' backend sees %v", got)
	}
	// Another site on the same listener has its own.
	status, body = raw(t, addr, longMethod+" /pay/webhooks HTTP/1.1\nHost: other.example.com\nX-WX-OPENID: its own\nConnection: close\n\n")
	if got := report(t, status, body); got.URI != "/pay/webhooks" || got.Header.Get("X-Wx-Openid") != "its own" {
		t.Errorf("the other site's backend sees %v", got)
	}
}

// The error routes of a subroute are guarded too.
func TestErrorRoutesOfASubroute(t *testing.T) {
	dir, addr, echo := t.TempDir(), freeAddr(t), reporter(t)
	site := payBlock(t, dir, "", "allow_http", "upstream "+echo, "orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events") + "\twechat_auth /members/*\n"
	var cfg map[string]any
	if err := json.Unmarshal(adapt(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+site+"}\n"), &cfg); err != nil {
		t.Fatal(err)
	}
	for _, srv := range cfg["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any) {
		route := srv.(map[string]any)["routes"].([]any)[0].(map[string]any)
		sub := route["handle"].([]any)[0].(map[string]any)
		sub["routes"] = append([]any{map[string]any{
			"match":  []any{map[string]any{"header": map[string]any{"X-Fail": []string{"1"}}}},
			"handle": []any{map[string]any{"handler": "error", "status_code": "418"}},
		}}, sub["routes"].([]any)...)
		sub["errors"] = map[string]any{"routes": []any{map[string]any{
			"handle": []any{map[string]any{"handler": "reverse_proxy", "upstreams": []any{map[string]any{"dial": echo}}}},
		}}}
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	runJSON(t, config)
	fails(t, func(path, header string) (int, string) {
		return raw(t, addr, "POST "+path+" HTTP/1.1\nHost: "+addr+"\nX-Fail: 1\nTransfer-Encoding: chunked\nTrailer: X-WX-OPENID\nConnection: close\n"+header+
			"\n4\nbody\n0\nX-WX-OPENID: evil\n\n")
	}, http.StatusTeapot)
}

// In a named route pay is too late for the error routes: the site is refused with what to write instead.
func TestErrorRoutesAndANamedRoute(t *testing.T) {
	dir := t.TempDir()
	named := "&(shop) {\n" + payBlock(t, dir, "", "allow_http") + "}\n"
	err := validate(t, globals(dir)+named+"http://shop.example.com {\n\tinvoke shop\n\thandle_errors {\n\t\treverse_proxy localhost:1\n\t}\n}\n")
	if err == nil || !strings.Contains(err.Error(), "handle_errors: would hand requests to a backend that pay has not seen") || !placeAtEnd.MatchString(err.Error()) {
		t.Errorf("with handle_errors: %v", err)
	}
	if err := validate(t, globals(dir)+named+"http://shop.example.com {\n\tinvoke shop\n}\n"); err != nil {
		t.Errorf("without: %v", err)
	}
}

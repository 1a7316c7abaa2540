package caddymodule

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"strings"
	"testing"
)

// What reverse_proxy can do, upstream can.
func TestUpstreamConfigurations(t *testing.T) {
	t.Setenv("TEST_SHOP", "tea house")
	serve, last := recorder()
	addr := backend(t, serve)
	secure := httptest.NewUnstartedServer(serve)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tc := range []struct {
		name, directive string
		fails           string
	}{
		{"header_up", addr + " {\n\t\t\theader_up X-Shop {env.TEST_SHOP}\n\t\t}", ""},
		{"method and path rewritten", addr + " {\n\t\t\trewrite /other{uri}\n\t\t\theader_up X-Shop {env.TEST_SHOP}\n\t\t}", ""},
		{"TLS unchecked", secure.URL + " {\n\t\t\theader_up X-Shop {env.TEST_SHOP}\n\t\t\ttransport http {\n\t\t\t\ttls_insecure_skip_verify\n\t\t\t}\n\t\t}", ""},
		{"TLS checked", secure.URL, "certificate"},
		{"second of two", freeAddr(t) + " " + addr + " {\n\t\t\tlb_policy round_robin\n\t\t\tlb_try_duration 5s\n\t\t\theader_up X-Shop {env.TEST_SHOP}\n\t\t}", ""},
		{"dynamic", "{\n\t\t\tdynamic a 127.0.0.1 " + addr[strings.LastIndex(addr, ":")+1:] + "\n\t\t\theader_up X-Shop {env.TEST_SHOP}\n\t\t}", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := upstreamOf(t, tc.directive)
			for i := range 4 { // each backend's turn comes
				sent := fmt.Sprintf(`{"try":%d}`, i)
				resp, body, err := ask(t.Context(), u, sent)
				if tc.fails != "" {
					if err == nil || !strings.Contains(err.Error(), tc.fails) {
						t.Fatal(err)
					}
					continue
				}
				if err != nil || resp.StatusCode != 200 || body != "success" {
					t.Fatal(resp, err)
				}
				if got := last(); got.Header.Get("X-Shop") != "tea house" || got.body != sent {
					t.Error(got.Header, got.body)
				}
			}
		})
	}
}

// A PHP backend sees a request over HTTPS, with its body.
func TestUpstreamFastCGI(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve, last := recorder()
	done := make(chan struct{})
	var env map[string]string
	go func() {
		defer close(done)
		_ = fcgi.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			env = fcgi.ProcessEnv(r)
			serve(w, r)
		}))
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	u := upstreamOf(t, ln.Addr().String()+` {
			transport fastcgi {
				root /srv/shop
				split .php
			}
			rewrite /pay.php{uri}
		}`)
	resp, body, err := ask(t.Context(), u, `{"a":1}`)
	if err != nil || resp.StatusCode != 200 || body != "success" {
		t.Fatal(resp, body, err)
	}
	got := last()
	if got.body != `{"a":1}` || got.Host != "shop.example.com" || got.Header.Get("X-Pay-Token") != testToken || got.TLS == nil {
		t.Error(got.Host, got.Header, got.body, got.TLS)
	}
	if env["SCRIPT_FILENAME"] != "/srv/shop/pay.php" || env["PATH_TRANSLATED"] != "/srv/shop/internal/pay/events" {
		t.Error(env)
	}
}

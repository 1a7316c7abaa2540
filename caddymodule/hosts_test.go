package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func TestHostsOfASite(t *testing.T) {
	for _, tc := range []struct {
		sites string // its addresses
		hosts map[string]string
	}{
		{"http://Shop.example.com:PORT", map[string]string{
			"shop.example.com": "shop.example.com", "SHOP.example.com": "shop.example.com", "SHOP.Example.Com:PORT": "shop.example.com:PORT", "shop.example.com:443": "shop.example.com",
			"shop.example.com:1": "shop.example.com", "shop.example.com:": "shop.example.com", "shop.example.com.": "shop.example.com",
			"evil.example": "shop.example.com", "": "shop.example.com", "shop.example.com@evil.example": "shop.example.com",
		}},
		{"http://*.example.com:PORT", map[string]string{"A.Example.com:1": "a.example.com", "b.example.com": "b.example.com"}},
		{"http://:PORT", map[string]string{
			"SHOP.localhost:1": "shop.localhost", "shop.localhost:PORT": "shop.localhost:PORT", "10.0.0.7:PORT": "10.0.0.7:PORT", "[FD00::7]:PORT": "[fd00::7]:PORT", "[::1]": "[::1]",
			"": "", "a b": "", "a/b": "", "x\u202ey": "", "user@shop": "", "-": "", strings.Repeat("a", 300): "",
		}},
	} {
		dir := t.TempDir()
		_, port, _ := strings.Cut(freeAddr(t), ":")
		run(t, strings.ReplaceAll(globals(dir)+tc.sites+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n", "PORT", port))
		_, found := running(t)
		for given, want := range tc.hosts {
			given, want = strings.ReplaceAll(given, "PORT", port), strings.ReplaceAll(want, "PORT", port)
			if got := found[0].resolved.Host(&http.Request{Host: given}); got != want {
				t.Errorf("%s: %q is kept as %q, want %q", tc.sites, given, got, want)
			}
		}
	}
}

// What a request says in Host is not what the backend sees with its event.
func TestEventsHost(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	run(t, strings.Replace(d.site(t, dir, addr), "http://"+addr+" {", "http://shop.localhost:"+strings.Split(addr, ":")[1]+" {", 1))
	_, port, _ := strings.Cut(addr, ":")
	for id, host := range map[string]string{"one": "SHOP.localhost:1", "two": "Shop.localhost:" + port} {
		req := httptest.NewRequest(http.MethodPost, "http://"+addr+"/pay/webhooks", strings.NewReader(string(webhookEvent(id))))
		req.Host = host
		req.Header.Set("X-Pingplusplus-Signature", signature(t, webhookEvent(id)))
		rec := httptest.NewRecorder()
		servers, _ := running(t)
		for _, srv := range servers {
			srv.ServeHTTP(rec, req)
		}
		if rec.Code != 200 {
			t.Fatalf("%s: %d %s", host, rec.Code, rec.Body)
		}
	}
	for id, want := range map[string]string{"one": "shop.localhost", "two": "shop.localhost:" + port} {
		e, err := ledgerOf(t).Event(t.Context(), ledger.Scope{App: "app_test1", Mode: ledger.Test}, "evt_"+id)
		if err != nil || e.Host != want {
			t.Errorf("%s: %q, %v", id, e.Host, err)
		}
	}
}

// A quote names the client as the site's own requests do.
func TestQuoteNamesTheClient(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path] = strings.Join(r.Header.Values("X-Forwarded-For"), " and ")
		w.WriteHeader(http.StatusNotFound)
	})
	dir, addr := t.TempDir(), freeAddr(t)
	block := strings.Replace(payBlock(t, dir, "", "allow_http\n\t\tupstream "+shop+"\n\t\torders GET /quote/{order_no}"), "pingpp {", "pingpp {\n\t\t\tchannels wx_pub_qr", 1)
	run(t, globals(dir, ledgerIn(dir), "servers {\n\t\ttrusted_proxies static 192.0.2.0/24\n\t}")+"http://"+addr+" {\n"+block+"\treverse_proxy "+shop+"\n}\n")
	for _, tc := range []struct{ name, peer, header, want string }{
		{"no proxy", "198.51.100.7:1", "", "198.51.100.7"},
		{"a claim", "198.51.100.7:1", "203.0.113.9", "198.51.100.7"},
		{"behind a proxy", "192.0.2.1:1", "203.0.113.9", "203.0.113.9, 192.0.2.1"},
		{"behind two", "192.0.2.1:1", "203.0.113.9, 192.0.2.8", "203.0.113.9, 192.0.2.8, 192.0.2.1"},
		{"a proxy of few words", "192.0.2.1:1", "", "192.0.2.1"},
	} {
		for _, target := range []string{"/pay/charges", "/site"} {
			body, _ := json.Marshal(map[string]string{"order_no": "1001", "channel": "wx_pub_qr"})
			req := httptest.NewRequest(http.MethodPost, "http://"+addr+target, strings.NewReader(string(body)))
			req.RemoteAddr = tc.peer
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Origin", "http://"+addr)
			if tc.header != "" {
				req.Header.Set("X-Forwarded-For", tc.header)
			}
			rec := httptest.NewRecorder()
			servers, _ := running(t)
			for _, srv := range servers {
				srv.ServeHTTP(rec, req)
			}
			if rec.Code != 404 {
				t.Fatalf("%s %s: %d %s", tc.name, target, rec.Code, rec.Body)
			}
		}
		mu.Lock()
		if seen["/quote/1001"] != tc.want || seen["/site"] != tc.want {
			t.Errorf("%s: the quote says %q and the site's request %q, want %q", tc.name, seen["/quote/1001"], seen["/site"], tc.want)
		}
		clear(seen)
		mu.Unlock()
	}
}

// A proxy that nobody named hides who calls: its own address is no leave to use the merchant API.
func TestMerchantAPIBehindAnUnknownProxy(t *testing.T) {
	const merchant = "merchant-token-0123456789abcdefghij"
	for _, tc := range []struct {
		name, global, peer, header, value, code string
	}{
		{"the backend itself", "", "10.0.0.7:1", "", "", "order_not_found"},
		{"from outside", "", "198.51.100.7:1", "", "", "source_forbidden"},
		{"an unknown proxy", "", "10.0.0.7:1", "X-Forwarded-For", "198.51.100.7", "source_forbidden"},
		{"an unknown proxy of a private client", "", "10.0.0.7:1", "X-Forwarded-For", "10.0.0.8", "source_forbidden"},
		{"an unknown proxy of another kind", "", "10.0.0.7:1", "X-Real-IP", "198.51.100.7", "source_forbidden"},
		{"an unknown proxy by the standard", "", "10.0.0.7:1", "Forwarded", "for=198.51.100.7", "source_forbidden"},
		{"a header of its own", "servers {\n\t\tclient_ip_headers True-Client-Ip\n\t}", "10.0.0.7:1", "True-Client-Ip", "198.51.100.7", "source_forbidden"},
		{"a known proxy", "servers {\n\t\ttrusted_proxies static 10.0.0.7\n\t}", "10.0.0.7:1", "X-Forwarded-For", "10.0.0.8", "order_not_found"},
		{"a known proxy, from outside", "servers {\n\t\ttrusted_proxies static 10.0.0.7\n\t}", "10.0.0.7:1", "X-Forwarded-For", "198.51.100.7", "source_forbidden"},
		{"a known proxy that adds to what the client made up", "servers {\n\t\ttrusted_proxies static 10.0.0.7\n\t}", "10.0.0.7:1", "X-Forwarded-For", "10.0.0.8, 198.51.100.7", "source_forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, addr := t.TempDir(), freeAddr(t)
			run(t, globals(dir, ledgerIn(dir), tc.global)+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http\n\t\tmerchant_api {\n\t\t\ttoken "+merchant+"\n\t\t}")+"}\n")
			ask := func(connection, code string) {
				req := httptest.NewRequest(http.MethodGet, "http://"+addr+"/pay/orders/1001", nil)
				req.RemoteAddr = tc.peer
				req.Header.Set("Authorization", "Bearer "+merchant)
				req.Header.Set("Connection", connection)
				if tc.header != "" {
					req.Header.Set(tc.header, tc.value)
				}
				rec := httptest.NewRecorder()
				servers, _ := running(t)
				for _, srv := range servers {
					srv.ServeHTTP(rec, req)
				}
				if !strings.Contains(rec.Body.String(), `"`+code+`"`) {
					t.Errorf("Connection: %s: %d %s", connection, rec.Code, rec.Body)
				}
			}
			ask("keep-alive", tc.code)
			if tc.header != "" { // some proxies pass a client's Connection on, and it would have the header deleted
				ask("keep-alive, "+strings.ToLower(tc.header), "source_forbidden")
			}
		})
	}
}

// What may be called a host is what this says, byte for byte.
func FuzzHostName(f *testing.F) {
	said := regexp.MustCompile(`^([a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?|[0-9a-f]{0,4}:[0-9a-f:.]{1,42})$`)
	for _, s := range []string{"", "shop.example.com", "a", "-a", "a-", "a.", ".a", "a b", "shop\n", "::1", "fe80::1", ":", "fffff::", "1:", "2001:db8::10.0.0.1", "a_b", "g::1",
		strings.Repeat("a", 254), strings.Repeat("a", 255), "::" + strings.Repeat("0", 41), "::" + strings.Repeat("0", 42), "1.2:3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if isHostName(s) != said.MatchString(s) {
			t.Errorf("%q: %t", s, isHostName(s))
		}
	})
}

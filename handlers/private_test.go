package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/handlers/percent"
)

func private() *Site { return closing("/internal/pay/orders/{order_no}", "/internal/pay/events") }

// closing is a site with private paths.
func closing(targets ...string) *Site {
	s := New(Config{Prefix: "/pay"})
	for _, target := range targets {
		closed, err := PrivatePaths(target)
		if err != nil {
			panic(err)
		}
		s.private = append(s.private, closed...)
	}
	return s
}

func TestIsPrivate(t *testing.T) {
	s := private()
	for _, p := range []string{
		"/internal/pay/events", "/internal/pay/orders/1001",
		"/internal/pay/events/", "/internal/pay/events/sub/path", "/internal/pay/orders/1001/x",
		"/Internal/PAY/Events", "/internal/pay/%65vents", "/internal%2Fpay%2fevents", "/internal%252Fpay/events", "/internal/pay/%252565vents",
		"/internal%2Fpay/orders/a%zz", "/%zz/../internal%2Fpay/events", "/internal%2Fpay/events/%",
		"//internal//pay///events", "/./internal/./pay/events", "/x/../internal/pay/events", "/../../internal/pay/events",
		"/internal/pay/x/../events", "/internal/%2e%2e/internal/pay/events", "/internal/pay/events/..%2f",
		`\internal\pay\events`, `/internal\pay/events`, "/internal%5cpay%5Cevents", `/x/..\internal/pay/events`,
		"/internal;a=b/pay;/events;jsessionid=1", "/internal/pay/events;.css", "/x/..;/internal/pay/events", "/internal/pay/events%3b/x",
		"/internal/pay/events/..;", "/internal/pay/events/..;/..;/x", "/internal/pay/events/../x",
		"/internal/pay/events%00", "/internal/pay/events%00.css", "/internal/pay/events%20", "/internal/pay/events.",
		"/internal/pay/events.json", "/internal/pay/events.php/x", "/index.php/internal/pay/events", "/Index.PHP//internal/pay/orders/1", "/internal/pay/orders/%30",
		"/internal/pay/orders/x?y", "/internal/pay/orders/ ",
		"/internal/pay/events::$DATA", "/internal/pay/events:$i30:$INDEX_ALLOCATION", "/internal::$INDEX_ALLOCATION/pay/events", "/internal/pay/events%3A%3A$DATA",
		"/internal/pay/events%3Fno=1", "/internal/pay/events%23x", "/internal%00/pay/events", "/internal/pay;/..;/pay/events",
		"//x/internal/pay/events", "///x/internal/pay/events", `/\x/internal/pay/events`, "//x:80/internal;a/pay/events", "//user@x/internal/pay/orders/1",
	} {
		if !s.IsPrivate(p, "") {
			t.Errorf("%s is open", p)
		}
	}
	for _, p := range []string{
		"", "/", "/internal", "/internal/pay", "/internal/pay/", "/internal/pay/orders", "/internal/pay/orders/", "/internal/pay/orders/.",
		"/internal/pay/event", "/internal/pay/eventss", "/internal/pay/events2/x", "/shop/internal/pay/events", "/internal/payevents", "/pay/events",
		"/internal/pay-events", "/internal/pay/eventsjson", "/internal/pay/events%", "/index.php", "/index.php/orders/1", "/internal/../pay/events", "/%", "/%zz", "/orders/1001", "/内部",
		"/x/internal/pay/events", "//x/y/internal/pay/events", "/a;b/internal/pay/events", "/internal/pay/eve;nts", "/internal/pay/eve:nts",
	} {
		if s.IsPrivate(p, "") {
			t.Errorf("%s is closed", p)
		}
	}
	if New(Config{}).IsPrivate("/internal/pay/events", "") {
		t.Error("a site without private paths closes one")
	}
}

func TestIsPrivateWithinASegment(t *testing.T) {
	s := closing("/order-{order_no}.json")
	for p, want := range map[string]bool{
		"/order-1001.json": true, "/ORDER-1001.JSON": true, "/order-%31.json": true, "/order-1.json/x": true,
		"/": false, "/index.html": false, "/order-1001": false, "/orders": false, "/a/order-1001.json": false,
	} {
		if s.IsPrivate(p, "") != want {
			t.Errorf("%s: %v", p, !want)
		}
	}
}

func TestStripRewrites(t *testing.T) {
	s := private()
	for value, stays := range map[string]bool{
		"/internal/pay/events": false, "/internal/pay/events?x=1": false, "internal/pay/orders/1": false, "//x/internal/pay/events": false, "https://shop.example.com/internal/pay/events": false,
		"https://shop.example.com/Internal%2fpay/events?a": false, "/shop": true, "/shop?next=/internal/pay/events": true, "": true,
	} {
		for _, name := range []string{"X-Original-Url", "X-Rewrite-Url", "X_ORIGINAL_URL", "x-rewrite.url"} {
			h := http.Header{name: {"/shop", value}, "X-Original": {value}}
			StripRewrites(h, s.IsPrivate)
			if _, there := h[name]; there != stays || len(h["X-Original"]) != 1 {
				t.Errorf("%s: %s: %v", name, value, h)
			}
		}
	}
}

func TestPrivatePathsAnswer404(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"/internal/pay/events", "/internal%2fpay/orders/1", "/INTERNAL/pay//orders/1"} {
		wantProblem(t, w.do("POST", p, "{}"), 404, "not_found")
	}
	if a := w.do("GET", "/internal/pay", ""); string(a.body) != "the site" {
		t.Errorf("a neighbour answered %d %s", a.status, a.body)
	}
}

func TestOwns(t *testing.T) {
	for _, prefix := range []string{"/pay", "/shop/pay"} {
		s := New(Config{Prefix: prefix})
		for rest, want := range map[string]bool{"": true, "/": true, "/openid": true, "/x/y": true, "ment": false, ".php": false, "-x/openid": false} {
			if s.Owns(prefix+rest) != want {
				t.Errorf("%s: %v", prefix+rest, !want)
			}
		}
		for _, p := range []string{"", "/", "/x", "*", "/x" + prefix, "/payment/..", "/shoppay", `\` + prefix} {
			if s.Owns(p) {
				t.Errorf("%s is owned by %s", p, prefix)
			}
		}
	}
	// What Caddy's own path matcher takes for the prefix must not reach the site.
	for _, p := range []string{"/PAY/openid", "/Pay", "//pay", "/./pay/x", "/x/../pay/webhooks", "/pay//webhooks", "/pay/./webhooks", "/\u212apay/../pay", "/p\u0061y/"} {
		if !New(Config{Prefix: "/pay"}).Owns(p) {
			t.Errorf("%s is the site's", p)
		}
	}
	w := newWorld(t)
	if a := w.do("GET", "/payment", ""); string(a.body) != "the site" {
		t.Errorf("/payment answered %d %s", a.status, a.body)
	}
	for _, p := range []string{"/pay", "/pay/", "/pay/nowhere", "/pay/openid/", "/pay/charges/", "/pay/charges/a/b", "/pay/charges/a%2fb"} {
		wantProblem(t, w.do("GET", p, ""), 404, "not_found")
	}
}

func FuzzIsPrivate(f *testing.F) {
	for _, p := range []string{
		"/internal/pay/events", "/internal%252fpay/orders/1", "/x/..;/internal/pay/events", "%%32%35", "%4%31", `\internal\pay\events`, "/internal/pay/events%zz", "/", "",
		"/index.php/internal/pay/events", "/internal/pay/orders/\x00", "%c0%af", "/İnternal/pay/eventſ",
	} {
		f.Add(p)
	}
	s := private()
	f.Fuzz(func(t *testing.T, p string) {
		got := s.IsPrivate(p, "")
		if again := s.IsPrivate(strings.ReplaceAll(url.PathEscape(p), "%2F", "/"), ""); again != got {
			t.Errorf("%q is private: %v, and encoded once more: %v", p, got, again)
		}
		if s.IsPrivate(url.PathEscape(url.PathEscape(p)), "") != got {
			t.Errorf("%q encoded twice is not private: %v", p, got)
		}
		if d := percent.Decode(p); percent.Decode(d) != d {
			t.Errorf("%q is decoded to %q, and that to %q", p, d, percent.Decode(d))
		}
		if !s.IsPrivate("/internal/pay/events/"+p, "") {
			t.Errorf("%q below a private path is open", p)
		}
	})
}

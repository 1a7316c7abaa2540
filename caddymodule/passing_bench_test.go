//go:build unix

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// cpuTime is what this process has used: unlike the clock, it does not count what a busy machine does besides.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPassOn is what pay adds to a request that is not its own: a browser's, of a visitor and of a user who has logged in.
func BenchmarkPassOn(b *testing.B) {
	dir, shop := b.TempDir(), freeAddr(b)
	run(b, globals(dir, ledgerIn(dir))+"http://"+freeAddr(b)+" {\n"+payBlock(b, dir, "", "allow_http", "upstream "+shop,
		"orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events")+"}\n")
	_, found := running(b)
	pay := found[0]
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	for _, bench := range []struct{ name, target, method, cookie string }{
		{"without pay", "/static/css/app.3f2a.css", http.MethodGet, ""},
		{"asset", "/static/css/app.3f2a.css", http.MethodGet, ""},
		{"page", "/goods/list?category=tea&page=2&sort=price_asc", http.MethodGet, "PHPSESSID=4f1c0e8a; lang=zh"},
		{"form", "/cart/add", http.MethodPost, "PHPSESSID=4f1c0e8a; lang=zh"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			u, err := url.ParseRequestURI(bench.target)
			if err != nil {
				b.Fatal(err)
			}
			header := http.Header{
				"Accept": {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "Accept-Encoding": {"gzip, deflate, br"},
				"Accept-Language": {"zh-CN,zh;q=0.9,en;q=0.8"}, "User-Agent": {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.42"},
				"Connection": {"keep-alive"}, "Referer": {"https://shop.example.com/"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"},
				"Sec-Fetch-Site": {"same-origin"}, "Upgrade-Insecure-Requests": {"1"},
			}
			if bench.cookie != "" {
				header["Cookie"] = []string{bench.cookie}
			}
			w := httptest.NewRecorder()
			srv := &caddyhttp.Server{}
			b.ReportAllocs()
			begin := cpuTime(b)
			for b.Loop() {
				r := &http.Request{Method: bench.method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header.Clone(), Host: "shop.example.com",
					RequestURI: bench.target, RemoteAddr: "192.0.2.1:40000", Body: http.NoBody}
				repl := caddy.NewReplacer()
				r = caddyhttp.PrepareRequest(r, repl, w, srv)
				if bench.name == "without pay" {
					_ = next(w, r)
				} else if err := pay.ServeHTTP(w, r, next); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestPrivateQuery: the pages of a shop whose every page is /index.php stay open.
func TestPrivateQuery(t *testing.T) {
	for target, requests := range map[string]struct{ closed, open []string }{
		"/index.php?s=/api/quote&no={order_no}": { // ThinkPHP
			closed: []string{
				"/index.php?s=/api/quote&no=1001", "/index.php?no=1001&s=/api/quote", "/index.php?s=/api/quote", "/index.php?s=%2Fapi%2Fquote", "/index.php?s=%252fapi%252fquote",
				"/index.php?%73=/api/quote", "/index.php?s=/api/%71uote", "/index.php?s=/home&s=/api/quote", "/index.php?s=/api/quote&s=/home", "/index.php?s[]=/api/quote",
				"/index.php?s%5B0%5D=/api/quote", "/index.php?S=/API/Quote", "/index.php?s=api/quote", "/index.php?s=//api//quote/", "/index.php?s=/api/quote.html", "/index.php?s=/api/quote/no/1",
				"/index.php?s=/home/../api/quote", "/index.php?s=/api/quote;x", "/index.php?a=1;s=/api/quote", "/index.php?s=/api/quote%00", "/index.php?s=+/api/quote+", "/index.php?+s=/api/quote",
				"/index.php?x=%26s=/api/quote", "/index.php?x=1%23&s=/api/quote%23y", `/index.php?s=\api\quote`, "/index.php?&&s=/api/quote&", "/index.php?s%00x=/api/quote",
				"/?s=/api/quote", "/Index.PHP?s=/api/quote", "/index.php/x?s=/api/quote", "/%69ndex.php?s=/api/quote", "/x/../index.php?s=/api/quote",
				"/whatever?s=/api/quote", "/whatever&s=/api/quote", "/whatever%26s=/api/quote", "/whatever%3Fs=/api/quote", "/s=/api/quote", // as rewrites pass it on
				"/index.php/api/quote", "/index.php/api/quote/no/1", "/api/quote", "/api/quote.html?no=1",
			},
			open: []string{
				"/", "/index.php", "/index.php?", "/index.php?s=", "/index.php?s", "/index.php?s=/", "/index.php?s=/home", "/index.php?s=/api", "/index.php?s=/api/quotes", "/index.php?s=/shop/api/quote",
				"/index.php?no=1001", "/index.php?ss=/api/quote", "/index.php?x=/api/quote", "/index.php/home", "/api", "/index.php?s=/home&q=s", "/index.php?%", "/index.php?s=%zz",
				"/static/app.js?v=1", "/index.php?q=a=b&c=%26",
			},
		},
		"/index.php?r=pay/quote&id={order_no}": { // Yii
			closed: []string{"/index.php?r=pay/quote&id=1", "/?r=pay%2Fquote", "/index.php/pay/quote", "/pay/quote"},
			open:   []string{"/", "/index.php?r=site/index", "/index.php?r=pay/other", "/index.php?id=1"},
		},
		"/?wc-api=Pay_Quote&order={order_no}": { // WordPress
			closed: []string{"/?wc-api=pay_quote", "/?wc-api=Pay_Quote&order=1", "/index.php?wc-api=pay_quote", "/shop/?wc-api=pay_quote", "/?wc-api[]=pay_quote"},
			open:   []string{"/", "/?wc-api=wc_gateway_alipay", "/?order=1", "/shop/", "/?p=1", "/wp-login.php"},
		},
		"/index.php?s=pay%3Bquote%26x&no={order_no}": { // a value that holds what parts values
			closed: []string{"/index.php?s=pay%3Bquote%26x", "/index.php?no=1&s=pay%3bquote%26x"},
			open:   []string{"/index.php?s=pay", "/index.php?s=pay%3Bquote", "/index.php"},
		},
		"/?pay_quote&order={order_no}": {
			closed: []string{"/?pay_quote", "/?order=1&pay_quote=1", "/?pay.quote", "/?x&pay%5fquote=", "/?pay_quote[a]=b"},
			open:   []string{"/", "/?pay_quotes", "/?x=pay_quote", "/?order=1"},
		},
		"/index.php?/pay/quote/{order_no}": { // CodeIgniter
			closed: []string{"/index.php?/pay/quote/1", "/index.php?pay/quote/1&x=1", "/?/pay/quote/1", "/index.php/pay/quote/1", "/pay/quote/1"},
			open:   []string{"/index.php?/home", "/index.php?/pay/quote", "/index.php", "/pay/quote"},
		},
		"/index.php?s=/pay/quote/no/{order_no}": {
			closed: []string{"/index.php?s=/pay/quote/no/1", "/index.php/pay/quote/no/1"},
			open:   []string{"/index.php?s=/pay/quote/no", "/index.php?s=/pay/quote/other/1"},
		},
		"/shop.php?act=2&op=quote&no={order_no}": { // both
			closed: []string{"/shop.php?act=2&op=quote", "/shop.php?op=quote&act=02", "/shop.php?act=2.0&op=quote", "/shop.php?act=%2b2&op=quote", "/shop.php?act=2x&op=QUOTE", "/shop.php?act=1&op=x&act=2&op=quote"},
			open:   []string{"/shop.php", "/shop.php?act=2", "/shop.php?op=quote", "/shop.php?act=20&op=quote", "/shop.php?act=3&op=quote", "/?act=2&op=quote", "/index.php?act=2&op=quote"},
		},
		"/shop/index.php?no={order_no}": { // nothing fixed, and not the whole site
			closed: []string{"/shop/index.php", "/shop/index.php?s=/home", "/shop/", "/shop?no=1", "/shop/index.php/x"},
			open:   []string{"/", "/index.php", "/shop/style.css", "/shop/other.php"},
		},
		"/index.php/pay/quote/{order_no}": {
			closed: []string{"/index.php/pay/quote/1", "/pay/quote/1", "/index.php/pay/quote/1/x?y"},
			open:   []string{"/index.php/pay/quote", "/index.php", "/", "/pay/quote"},
		},
		"/p%61y_quote.php?no={order_no}": {
			closed: []string{"/pay_quote.php", "/pay%5fquote.php?no=1"},
			open:   []string{"/", "/pay.php"},
		},
		"/quote.php?for=&m={order_no}": { // nothing fixed: an empty value may be left out
			closed: []string{"/quote.php", "/quote.php?m=1", "/quote.php?for=&m=1"},
			open:   []string{"/", "/quotes.php"},
		},
	} {
		s := closing(target)
		for want, all := range map[bool][]string{true: requests.closed, false: requests.open} {
			for _, request := range all {
				u := &url.URL{}
				var path string
				path, u.RawQuery, _ = strings.Cut(request, "?")
				u.Path = path
				if decoded, err := url.PathUnescape(path); err == nil {
					u.Path = decoded
				}
				if s.IsPrivate(u.Path, u.RawQuery) != want {
					t.Errorf("of %s, %s is closed: %v", target, request, !want)
				}
			}
		}
	}
}

func TestPrivatePathsOfTheWholeSite(t *testing.T) {
	for _, target := range []string{
		"/", "/?no={order_no}", "/index.php?no={order_no}", "/Index.php", "/default.aspx?id={order_no}", "/{order_no}", "/{order_no}/", "/./?x={order_no}", "/x/..?no={order_no}",
		"/?s=&no={order_no}", "/?s=/&no={order_no}", "/index.php?{order_no}", "/index.php/{order_no}", "/{order_no}?a={order_no}",
	} {
		if closed, err := PrivatePaths(target); err == nil || !strings.Contains(err.Error(), "rest of the site") {
			t.Errorf("%s closes %v: %v", target, closed, err)
		}
	}
}

func TestPrivateQueryOverHTTP(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.Private = closing("/index.php?s=/pay/quote&no={order_no}").private })
	for _, target := range []string{"/index.php?s=/pay/quote&no=1", "/?s=%2fpay%2fquote"} {
		wantProblem(t, w.do("GET", target, ""), 404, "not_found")
	}
	for _, target := range []string{"/index.php", "/index.php?s=/home", "/"} {
		if a := w.do("GET", target, ""); string(a.body) != "the site" {
			t.Errorf("%s answered %d %s", target, a.status, a.body)
		}
	}
}

// FuzzPrivateQuery: nothing that is added to a closed request opens it, and neither order nor encoding does.
func FuzzPrivateQuery(f *testing.F) {
	for _, q := range []string{"no=1", "s=/home", "s", ";", "%", "%26s=", "&&", "s[]=", "=", "a=b;c"} {
		f.Add(q)
	}
	s := closing("/index.php?s=/api/quote&no={order_no}")
	f.Fuzz(func(t *testing.T, q string) {
		for _, query := range []string{"s=/api/quote&" + q, q + "&s=/api/quote", q + "&s=%2Fapi%2fquote", "s=/api/quote&x=" + url.QueryEscape(q)} {
			if !s.IsPrivate("/index.php", query) {
				t.Errorf("%q is open", query)
			}
		}
	})
}

// A header that some servers take for the path is read with its query, too.
func TestStripRewritesWithAQuery(t *testing.T) {
	s := closing("/index.php?s=/api/quote&no={order_no}")
	for value, stays := range map[string]bool{"/index.php?s=/api/quote": false, "https://shop.example.com/?s=api%2fquote": false, "/index.php?s=/home": true, "/index.php": true} {
		h := http.Header{"X-Original-Url": {value}}
		if StripRewrites(h, s.IsPrivate); len(h) > 0 != stays {
			t.Errorf("%s: %v", value, h)
		}
	}
}

package handlers

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/handlers/webhook"
	"github.com/caddypay/caddypay/wechat"
)

// docs/http-api.md lists the routes that there are, in both languages, and no others: each answers with its method, and each word of a path in routes.go
// stands in one. What the payment page itself loads is no part of the interface.
func TestHTTPAPIRoutes(t *testing.T) {
	s := &Site{Prefix: "/pay", Webhooks: &webhook.Webhooks{}, Login: &login.Logins{WxLite: &wechat.MiniProgram{}, WxPub: &wechat.OfficialAccount{}},
		Payments: &payment.Payments{ClientAmount: &payment.ClientAmount{}, Checkout: &payment.Checkout{}}, Merchant: &merchant.API{Ships: true}}
	source, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:below|parts\[\d\]|sub) == "/?([a-z][^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		for word := range strings.SplitSeq(m[1], "/") {
			words[word] = true
		}
	}
	for _, asset := range []string{"checkout.js", "checkout.css"} {
		if !words[asset] {
			t.Errorf("routes.go has no %s", asset)
		}
		delete(words, asset)
	}
	if len(words) < 12 {
		t.Fatalf("routes.go has the words %v", slices.Sorted(maps.Keys(words)))
	}
	row := regexp.MustCompile("(?m)^\\| (`(?:GET|POST)`.*?|`(?:GET|POST) .*?) \\|")
	for _, page := range []string{"../docs/http-api.md", "../docs/http-api.zh-CN.md"} {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		rows := row.FindAllStringSubmatch(string(raw), -1)
		if len(rows) < 12 {
			t.Errorf("%s lists %d routes", page, len(rows))
		}
		missing := maps.Clone(words)
		for _, m := range rows {
			methods := regexp.MustCompile(`\b(GET|POST)\b`).FindAllString(m[1], -1)
			first := ""
			for _, path := range regexp.MustCompile("[`/][a-z_/{}.]*[a-z}]").FindAllString(strings.ReplaceAll(m[1], "/pay", ""), -1) {
				path, sibling := strings.CutPrefix(path, "`")
				if sibling && !strings.HasPrefix(path, "/") { // `qr.png` beside `…/qr.svg`
					path = first[:strings.LastIndex(first, "/")+1] + path
				}
				first = path
				for word := range strings.SplitSeq(path, "/") {
					delete(missing, word)
				}
				rt := s.route(regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x1"))
				for _, method := range methods {
					if rt.serve == nil || !slices.Contains(rt.methods, method) {
						t.Errorf("%s lists %s %s, and there is no such route", page, method, path)
					}
				}
			}
			if first == "" {
				t.Errorf("%s: this row names no path: %s", page, m[1])
			}
		}
		if len(missing) > 0 {
			t.Errorf("%s lists no route with %v", page, slices.Sorted(maps.Keys(missing)))
		}
	}
}

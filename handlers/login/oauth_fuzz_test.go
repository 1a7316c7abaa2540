package login

import (
	"net/url"
	"testing"

	"github.com/caddypay/caddypay/session"
)

// FuzzReturnPath looks for a path that a browser would read another host from.
func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/", "/a?b#c", "//x", `/\x`, "/x/..//y", "/%2f/x", "/%5cx", "/;/x", "/a:b@c", "/? ", "/%2fevil.example/ x", "/茶?名=绿茶#茶"} {
		f.Add(s)
	}
	s := &Logins{Visitors: &session.Visitors{Cookies: &session.Cookies{Prefix: "/pay"}}}
	base, _ := url.Parse("https://shop.example/pay/oauth/callback")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.ReturnPath(text)
		if err != nil {
			return
		}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || u.User != nil || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
			t.Errorf("%q became %q, which leads to %v, %v", text, got, u, err)
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c > '~' || c == '\\' {
				t.Errorf("%q became %q, which holds %q", text, got, c)
			}
		}
	})
}

package handlers

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/sandbox"
)

// loginBackend is a shop that logs its users in by ours.
func (w *world) loginBackend(h http.HandlerFunc) {
	w.set(func(c *Config) { c.Login = &login.Tell{Path: "/internal/pay/login", Timeout: 5 * time.Second} })
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/internal/pay/login" {
			h(rw, r)
			return
		}
		w.answerQuote(nil)(rw, r)
	})
}

func TestLoginHook(t *testing.T) {
	w := newOpenWorld(t)
	w.loginBackend(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Add("Set-Cookie", "shop=1; HttpOnly")
		rw.Header().Add("Set-Cookie", "lang=zh")
		rw.Header().Set("X-Internal", "no")
		_, _ = rw.Write([]byte("\ufeff {\"user\": 7}\n"))
	})
	a := w.do("POST", "/pay/openid", `{"code":"`+w.sandbox.NewCode(payer)+`"}`, "Cookie", "cart=9; __Host-pay_session=x", "X-WX-OPENID", stranger, "X-Pay-Token", "forged",
		"Referer", "https://servicewechat.com/wx0/devtools/page-frame.html", "Sec-Fetch-Site", "cross-site")
	if a.status != 200 || !bytes.Contains(a.body, []byte(`"login":{"user":7}`)) || a.text("session") == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := a.header.Values("Set-Cookie"); !slices.Equal(got, []string{"shop=1; HttpOnly", "lang=zh"}) || a.header.Get("X-Internal") != "" {
		t.Errorf("the client gets %v", a.header)
	}
	told := w.backend.exchanges("/internal/pay/login")
	if len(told) != 1 || told[0].method != "POST" {
		t.Fatalf("told: %+v", told)
	}
	want := `{"openid":"` + payer + `","appid":"` + w.sandbox.WxLite().AppID + `","app":"` + w.sandbox.App() + `","mode":"test"}`
	h := told[0].header
	if string(told[0].sent) != want || h.Get("X-Pay-Token") != backendToken || h.Get("X-Wx-Openid") != payer || h.Get("X-Pay-Mode") != "test" || h.Get("Cookie") != "cart=9" || h.Get("Content-Type") != "application/json" {
		t.Errorf("told %s with %v", told[0].sent, h)
	}
	if told[0].host != strings.TrimPrefix(w.server.URL, "https://") {
		t.Errorf("told under the host %s", told[0].host)
	}

	wantProblem(t, w.do("GET", "/pay/openid?code=x", ""), 405, "method_not_allowed")

	// A page's login comes to the backend too, and its cookies to the browser.
	w.sandbox.SetWebUser(sandbox.WebUser{OpenID: stranger, UnionID: "uSecret"})
	b := w.browser()
	done := b.get(b.begin("/me"))
	if cookies := strings.Join(done.header.Values("Set-Cookie"), " | "); done.status != 302 || !strings.Contains(cookies, "shop=1; HttpOnly") || !strings.Contains(cookies, "__Host-pay_session=") {
		t.Errorf("%d %s %s", done.status, cookies, done.body)
	}
	told = w.backend.exchanges("/internal/pay/login")
	if want := `{"openid":"` + stranger + `","unionid":"uSecret","appid":"` + w.sandbox.WxPub().AppID + `",`; len(told) != 2 || !strings.HasPrefix(string(told[1].sent), want) {
		t.Errorf("told %s", told[len(told)-1].sent)
	}
}

// Nobody can make a browser log in from another site.
func TestLoginFromAnotherSite(t *testing.T) {
	w := newOpenWorld(t)
	w.loginBackend(func(rw http.ResponseWriter, r *http.Request) { rw.Header().Set("Set-Cookie", "shop=1") })
	code := w.sandbox.NewCode(payer)
	for _, header := range [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", "https://evil.example", "Content-Type", "text/plain"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Referer", "https://servicewechat.com.evil.example/"},
		{"Origin", "https://evil.example", "Referer", "http://servicewechat.com/wx/"},
	} {
		for _, a := range []answer{
			w.do("POST", "/pay/openid", `{"code":"`+code+`"}`, header...),
			w.do("POST", "/pay/openid?code="+code, "", header...),
		} {
			wantProblem(t, a, 403, "origin_forbidden")
			if a.header.Get("Set-Cookie") != "" {
				t.Errorf("%v: sets a cookie", header)
			}
		}
	}
	if n := w.calls("jscode2session") + len(w.backend.exchanges("/")); n != 0 {
		t.Errorf("%d calls came of it", n)
	}
	for _, header := range [][]string{nil, {"Origin", w.origin()}, {"Sec-Fetch-Site", "same-origin", "Origin", w.origin()}} {
		if a := w.do("POST", "/pay/openid", `{"code":"`+code+`"}`, header...); a.status != 200 {
			t.Errorf("%v: %d %s", header, a.status, a.body)
		}
	}
}

// When the backend fails, the code stays good, and no cookie of a failed answer gets through.
func TestLoginBackendFails(t *testing.T) {
	w := newOpenWorld(t)
	for name, h := range map[string]http.HandlerFunc{
		"500": func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(500) },
		"403": func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(403) },
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/login?token=secret", http.StatusFound)
		},
		"html": func(rw http.ResponseWriter, r *http.Request) { _, _ = rw.Write([]byte("<html>")) },
		"large": func(rw http.ResponseWriter, r *http.Request) {
			_, _ = rw.Write([]byte(`"` + strings.Repeat("a", 64<<10) + `"`))
		},
		"gone": func(rw http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			w.loginBackend(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Set-Cookie", "shop=1")
				h(rw, r)
			})
			before := w.calls("jscode2session")
			body := `{"code":"` + w.sandbox.NewCode(payer) + `"}`
			a := w.do("POST", "/pay/openid", body)
			wantProblem(t, a, 502, "backend_unavailable")
			b := w.browser()
			callback := b.begin("/")
			web := b.get(callback)
			wantProblem(t, web, 502, "backend_unavailable")
			if a.header.Get("Set-Cookie")+web.header.Get("Set-Cookie") != "" {
				t.Errorf("cookies: %q, %q", a.header.Get("Set-Cookie"), web.header.Get("Set-Cookie"))
			}
			w.loginBackend(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(204) })
			if a := w.do("POST", "/pay/openid", body); a.status != 200 || a.field("login") != nil {
				t.Errorf("again: %d %s", a.status, a.body)
			}
			if web := b.get(callback); web.status != 302 {
				t.Errorf("the page again: %d %s", web.status, web.body)
			}
			if n := w.calls("jscode2session") - before; n != 1 {
				t.Errorf("%d exchanges", n)
			}
		})
	}
}

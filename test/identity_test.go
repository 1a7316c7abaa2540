package test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The site's backend believes X-WX-* and X-Pay-*: they come from pay alone.
func TestIdentityHeaders(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(strings.Replace(plainSite, "reverse_proxy <backend>", "reverse_proxy <backend> {\n\t\theader_up X-Who {http.pay.openid}\n\t}", 1))
	openid, session := s.login()
	forged := []string{"X-WX-OPENID", "forged", "X-Wx-Unionid", "forged", "x-wx-anything", "forged", "X-Pay-Token", "forged", "X-PAY-Mode", "live",
		"X-Pay-Event", "charge.succeeded", "X-Pay-Anything", "forged"}
	for _, tt := range []struct {
		name    string
		headers []string
		openid  string
		bearer  string // what is left of Authorization
	}{
		{"nobody", nil, "", ""},
		{"X-Pay-Session", []string{"X-Pay-Session", session}, openid, ""},
		{"bearer", []string{"Authorization", "Bearer " + session}, openid, ""}, // ours goes to no backend
		{"a shop's own bearer", []string{"Authorization", "Bearer shop-token"}, "", "Bearer shop-token"},
		{"both", []string{"Authorization", "Bearer shop-token", "X-Pay-Session", session}, openid, "Bearer shop-token"},
		{"a changed session", []string{"X-Pay-Session", flip(session)}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.call("GET", "/shop?x=1", nil, append(tt.headers, forged...)...)
			var got seen
			a.into(t, &got)
			if got.Header.Get("X-Wx-Openid") != tt.openid || got.Header.Get("Authorization") != tt.bearer {
				t.Errorf("X-WX-OPENID is %q, Authorization %q", got.Header.Get("X-Wx-Openid"), got.Header.Get("Authorization"))
			}
			for name, values := range got.Header {
				upper := strings.ToUpper(name)
				switch {
				case upper == "X-WX-OPENID", upper == "X-WX-APPID" && tt.openid != "", upper == "X-WX-SOURCE" && tt.openid != "":
				case strings.HasPrefix(upper, "X-WX-"), strings.HasPrefix(upper, "X-PAY-"):
					t.Errorf("%s reaches the backend: %q", name, values)
				}
			}
			if tt.openid != "" && (got.Header.Get("X-Wx-Appid") != s.box.WxLite().AppID || got.Header.Get("X-Who") != openid) {
				t.Errorf("X-WX-APPID is %q, {http.pay.openid} %q", got.Header.Get("X-Wx-Appid"), got.Header.Get("X-Who"))
			}
		})
	}
}

// flip changes one character in the middle of a session.
func flip(session string) string {
	i := len(session) / 2
	c := byte('A')
	if session[i] == c {
		c = 'B'
	}
	return session[:i] + string(c) + session[i+1:]
}

// The paths that are between pay and the backend are closed to the outside, however they are written.
func TestPrivatePaths(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	for _, target := range []string{
		"/internal/pay/events",
		"/internal/pay/events/",
		"/internal/pay/events?a=b",
		"/internal/pay/events;v=1",
		"/internal;x/pay/events",
		"/internal//pay///events",
		"//internal/pay/events",
		"/./internal/pay/./events",
		"/shop/../internal/pay/events",
		"/internal/pay/x/../events",
		"/INTERNAL/Pay/Events",
		"/internal/pay/%65vents",
		"/internal%2fpay%2Fevents",
		"/%69%6e%74%65%72%6e%61%6c/pay/events",
		"/internal/pay/%2565vents",
		"/internal%252fpay/events",
		"/%2e/internal/pay/events",
		"/shop/%2e%2e/internal/pay/events",
		"/shop/%2e%2e%2finternal/pay/events",
		`/internal\pay\events`,
		"/internal%5cpay%5Cevents",
		"/internal/pay/events%00",
		"/internal/pay/events%00.txt",
		"/internal/pay/events/more",
		"/internal/pay/orders/A10001",
		"/internal/pay/orders/A10001/",
		"/internal/pay/orders/%41",
		"/internal/pay/orders/a/b",
		"/Internal/pay/orders//A10001",
		"https://localhost/internal/pay/events", // the absolute form
	} {
		for _, method := range []string{"GET", "POST"} {
			status, code := s.raw(t, method, target)
			if status != http.StatusNotFound || code != "not_found" {
				t.Errorf("%s %s: %d %s", method, target, status, code)
			}
		}
	}
	for _, target := range []string{"/internal/pay", "/internal/pay/orders", "/internal/payevents", "/internal/pay/events2", "/shop/internal/pay/events"} {
		if status, body := s.raw(t, "GET", target); status != http.StatusOK {
			t.Errorf("GET %s: %d %s; it is the site's", target, status, body)
		}
	}
	if heard := s.backend.events(""); len(heard) != 0 {
		t.Errorf("the backend heard %d events", len(heard))
	}
}

// raw sends a request line as it is, and returns the status and the code of the problem, or the body.
func (s *stage) raw(t *testing.T, method, target string) (status int, code string) {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", s.port), s.trusted(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", method, target, s.port)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{resp, body}
	if code := a.code(); code != "" {
		return resp.StatusCode, code
	}
	return resp.StatusCode, string(body)
}

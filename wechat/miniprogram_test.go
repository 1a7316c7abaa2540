package wechat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/redact"
)

// Caddy's storage lets the goroutine of a lock that is free again sleep to its end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

const (
	appID    = "wx0123456789abcdef"
	secret   = "0badc0de0badc0de0badc0de0badc0de"
	code     = "0a1B+c/D=e_F-01234567890123456789"
	openID   = "oABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	wxAnswer = `{"session_key":"c2Vzc2lvbktleVNlc3Npb24=","openid":"` + openID + `"}`
)

// server starts a TLS server in WeChat's place, and a mini program that knows its certificate.
func server(t *testing.T, h http.HandlerFunc) (*MiniProgram, *httptest.Server) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return newMini(t, Config{Endpoint: s.URL, Transport: s.Client().Transport}), s
}

func newMini(t *testing.T, cfg Config) *MiniProgram {
	t.Helper()
	cfg.AppID, cfg.Secret = appID, redact.New(secret)
	m, err := NewMiniProgram(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fails exchanges the code, and checks that it fails with the kind and says nothing that must not be said.
func fails(t *testing.T, ctx context.Context, m *MiniProgram, kind Kind) *Error {
	t.Helper()
	id, err := m.Exchange(ctx, code)
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || id != (Identity{}) {
		t.Fatalf("got %+v, %#v, want the kind %q", id, err, kind)
	}
	checkSilent(t, err)
	return e
}

// checkSilent greps every way to print an error, and everything that it wraps.
func checkSilent(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			text := fmt.Sprintf(verb, err)
			for _, hidden := range []string{secret, code, url.QueryEscape(code), "c2Vzc2lvbktleVNlc3Npb24", openID, "js_code", "jscode2session?"} {
				if strings.Contains(text, hidden) {
					t.Errorf("%s shows %q: %s", verb, hidden, text)
				}
			}
		}
	}
}

func TestExchange(t *testing.T) {
	var got *http.Request
	m, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		w.Header().Set("Content-Type", "text/plain") // as WeChat does
		io.WriteString(w, wxAnswer)
	})
	id, err := m.Exchange(t.Context(), code)
	if err != nil || id != (Identity{OpenID: openID}) {
		t.Fatalf("got %+v, %v", id, err)
	}
	want := url.Values{"appid": {appID}, "secret": {secret}, "js_code": {code}, "grant_type": {"authorization_code"}}
	if got.Method != "GET" || got.URL.Path != "/sns/jscode2session" || got.URL.Query().Encode() != want.Encode() {
		t.Errorf("WeChat was asked %s %s", got.Method, got.URL)
	}
	if got.Header.Get("Referer") != "" || got.ContentLength != 0 {
		t.Errorf("unexpected header or body: %v", got.Header)
	}
	if m.AppID() != appID {
		t.Errorf("AppID() = %q", m.AppID())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, m); strings.Contains(text, secret) || !strings.Contains(text, appID) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

func TestExchangeKeepsTheEndpointsPath(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wechat/sns/jscode2session" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, wxAnswer)
	}))
	defer s.Close()
	for _, endpoint := range []string{s.URL + "/wechat", s.URL + "/wechat/"} {
		m := newMini(t, Config{Endpoint: endpoint})
		if id, err := m.Exchange(t.Context(), code); err != nil || id.OpenID != openID {
			t.Errorf("%s: got %+v, %v", endpoint, id, err)
		}
	}
}

func TestExchangeCodeSyntax(t *testing.T) {
	var calls atomic.Int32
	m, _ := server(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		io.WriteString(w, wxAnswer)
	})
	for _, bad := range []string{"", " ", "a b", "a\nb", "a\x00", "码", "a\x7f", "a\xff", strings.Repeat("a", maxCode+1)} {
		_, err := m.Exchange(t.Context(), bad)
		var e *Error
		if !errors.As(err, &e) || e.Kind != CodeInvalid || e.Used() {
			t.Errorf("%q: got %#v", bad, err)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("WeChat was called %d times", n)
	}
	for _, good := range []string{"a", "the", strings.Repeat("~", maxCode)} {
		if _, err := m.Exchange(t.Context(), good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestExchangeErrors(t *testing.T) {
	echo := fmt.Sprintf("code %s and %s of %s with c2Vzc2lvbktleVNlc3Npb24= for %s", code, url.QueryEscape(code), secret, openID)
	for _, c := range []struct {
		name, body string
		status     int
		kind       Kind
	}{
		{"refused, HTTP 200", `{"errcode":40029,"errmsg":"invalid code, rid: 1-2-3"}`, 200, CodeInvalid},
		{"refused, HTTP 412", `{"errcode":"40125","errmsg":"invalid appsecret"}`, 412, Misconfigured},
		{"refused, echoing everything", `{"errcode":-1,"openid":"` + openID + `","session_key":"c2Vzc2lvbktleVNlc3Npb24=","errmsg":"` + echo + `"}`, 200, Busy},
		{"HTML", `<html>` + echo + `</html>`, 502, Unavailable},
		{"openid of no form", `{"openid":"` + echo + `"}`, 200, Unavailable},
		{"empty", ``, 200, Unavailable},
		{"too large", `{"openid":"` + openID + `","pad":"` + strings.Repeat("x", maxAnswer) + `"}`, 200, Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := server(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			fails(t, t.Context(), m, c.kind)
		})
	}
}

func TestExchangeEndlessBody(t *testing.T) {
	m, _ := server(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 4<<10)); err != nil {
				return
			}
		}
	})
	if e := fails(t, t.Context(), m, Unavailable); !strings.Contains(e.Message, "larger than 64 KiB") {
		t.Error(e)
	}
}

func TestExchangeFollowsNoRedirect(t *testing.T) {
	var calls atomic.Int32
	m, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > 1 {
			io.WriteString(w, wxAnswer)
			return
		}
		http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusFound)
	})
	fails(t, t.Context(), m, Unavailable)
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestExchangeTimeouts(t *testing.T) {
	released := make(chan struct{})
	stall := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Stall") == "" {
			w.WriteHeader(http.StatusOK)
			io.WriteString(w, `{"openid":`)
			http.NewResponseController(w).Flush()
		}
		<-released
	}
	s := httptest.NewTLSServer(http.HandlerFunc(stall))
	defer s.Close()
	defer close(released)

	header := roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("X-Stall", "before the header")
		return s.Client().Transport.RoundTrip(r)
	})
	for name, transport := range map[string]http.RoundTripper{"header": header, "body": s.Client().Transport} {
		t.Run(name, func(t *testing.T) {
			m := newMini(t, Config{Endpoint: s.URL, Transport: transport, Timeout: 50 * time.Millisecond})
			if e := fails(t, t.Context(), m, Unavailable); !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("%#v is no deadline", e)
			}
		})
		t.Run(name+", canceled", func(t *testing.T) {
			m := newMini(t, Config{Endpoint: s.URL, Transport: transport})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if e := fails(t, ctx, m, Unavailable); !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("%#v is no deadline", e)
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if e := fails(t, gone, m, Unavailable); !errors.Is(e, context.Canceled) {
				t.Errorf("%#v does not say that it was canceled", e)
			}
		})
	}
}

// A request that WeChat may have seen is not sent again, also not by net/http on a connection that served before.
func TestExchangeNeverRepeats(t *testing.T) {
	var calls atomic.Int32
	m, s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%2 == 1 {
			io.WriteString(w, wxAnswer)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	for range 3 {
		if _, err := m.Exchange(t.Context(), code); err != nil {
			t.Fatal(err)
		}
		fails(t, t.Context(), m, Unavailable)
	}
	if n := calls.Load(); n != 6 {
		t.Errorf("6 exchanges made %d calls", n)
	}
	s.CloseClientConnections()
}

// Garbage on the wire instead of HTTP.
func TestExchangeNotHTTP(t *testing.T) {
	for name, say := range map[string]string{
		"nothing": "", "half a header": "HTTP/1.1 200 OK\r\nContent-", "not HTTP": "SSH-2.0-OpenSSH\r\n",
		"huge header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 2*maxAnswer) + "\r\n\r\n",
		"cut body":    "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"openid\":\"" + openID + "\"}",
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var conns atomic.Int32
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					conns.Add(1)
					http.ReadRequest(bufio.NewReader(conn))
					io.WriteString(conn, say)
					conn.Close()
				}
			}()
			fails(t, t.Context(), newMini(t, Config{Endpoint: "http://" + ln.Addr().String()}), Unavailable)
			ln.Close()
			<-done
			if n := conns.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestExchangeRetriesOnlyTheDial(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	leak := &url.Error{Op: "Get", URL: "https://x/sns/jscode2session?secret=" + secret, Err: errors.New("EOF for " + code)}
	answered := func() (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(wxAnswer))}, nil
	}
	for _, c := range []struct {
		name   string
		errs   []error
		calls  int
		result Kind // empty: success
	}{
		{"dial fails once", []error{dial}, 2, ""},
		{"wrapped dial fails once", []error{&url.Error{Op: "Get", URL: leak.URL, Err: dial}}, 2, ""},
		{"dial fails twice", []error{dial, dial}, 2, Unavailable},
		{"broken after the dial", []error{dial, leak}, 2, Unavailable},
		{"broken while reading", []error{&net.OpError{Op: "read", Err: errors.New("reset by peer")}}, 1, Unavailable},
		{"broken while writing", []error{&net.OpError{Op: "write", Err: errors.New("broken pipe")}}, 1, Unavailable},
		{"an error that holds the URL", []error{leak}, 1, Unavailable},
		{"an error that wraps one", []error{fmt.Errorf("asking: %w", leak)}, 1, Unavailable},
		{"EOF", []error{io.EOF}, 1, Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			m := newMini(t, Config{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				if calls++; calls <= len(c.errs) {
					return nil, c.errs[calls-1]
				}
				return answered()
			})})
			if c.result != "" {
				fails(t, t.Context(), m, c.result)
			} else if _, err := m.Exchange(t.Context(), code); err != nil {
				t.Error(err)
			}
			if calls != c.calls {
				t.Errorf("%d calls, want %d", calls, c.calls)
			}
		})
	}
}

func TestExchangeNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	e := fails(t, t.Context(), newMini(t, Config{Endpoint: "https://" + ln.Addr().String()}), Unavailable)
	if !strings.Contains(e.Message, "refused") {
		t.Error(e)
	}
}

// A server that WeChat's name does not belong to gets nothing.
func TestExchangeUnknownCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request was sent")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if e := fails(t, t.Context(), newMini(t, Config{Endpoint: s.URL}), Unavailable); !strings.Contains(e.Message, "certificate") {
		t.Error(e)
	}
}

func TestNewMiniProgram(t *testing.T) {
	ok := Config{AppID: appID, Secret: redact.New(secret)}
	with := func(change func(*Config)) Config {
		c := ok
		change(&c)
		return c
	}
	for _, endpoint := range []string{"", "https://api.weixin.qq.com", "https://api2.weixin.qq.com/", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:8080/wechat"} {
		if _, err := NewMiniProgram(with(func(c *Config) { c.Endpoint = endpoint })); err != nil {
			t.Errorf("endpoint %q: %v", endpoint, err)
		}
	}
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{with(func(c *Config) { c.AppID = "" }), "app_id"},
		{with(func(c *Config) { c.AppID = "wx 1" }), "app_id"},
		{with(func(c *Config) { c.Secret = redact.New("") }), "secret is missing"},
		{with(func(c *Config) { c.Secret = redact.New(secret + "\n") }), "line break"},
		{with(func(c *Config) { c.Timeout = -1 }), "timeout"},
		{with(func(c *Config) { c.Endpoint = "api.weixin.qq.com" }), "not a URL"},
		{with(func(c *Config) { c.Endpoint = "https:api.weixin.qq.com" }), "not a URL"},
		{with(func(c *Config) { c.Endpoint = "https://%zz" + secret }), "not a URL"},
		{with(func(c *Config) { c.Endpoint = "http://api.weixin.qq.com" }), "in the clear"},
		{with(func(c *Config) { c.Endpoint = "http://127.0.0.1.example.com" }), "in the clear"},
		{with(func(c *Config) { c.Endpoint = "ftp://localhost" }), "scheme"},
		{with(func(c *Config) { c.Endpoint = "https://a:" + secret + "@h" }), "neither user"},
		{with(func(c *Config) { c.Endpoint = "https://h/?secret=" + secret }), "neither user"},
		{with(func(c *Config) { c.Endpoint = "https://h/#x" }), "neither user"},
	} {
		_, err := NewMiniProgram(c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v", c.says, err)
			continue
		}
		checkSilent(t, err)
	}
}

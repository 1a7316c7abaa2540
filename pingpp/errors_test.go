package pingpp

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
)

// withoutLeaks fails if err shows a secret, a control character or an endless text, anywhere in its chain.
func withoutLeaks(t testing.TB, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := e.Error()
		for _, secret := range []string{testKey, liveKey, openID} {
			if strings.Contains(text, secret) {
				t.Errorf("the error holds a secret: %s", text)
			}
		}
	}
	text := err.Error()
	if strings.ContainsFunc(text, unicode.IsControl) || len([]rune(text)) > 900 {
		t.Errorf("the error's text is not clean: %.1000q", text)
	}
}

func TestAnswers(t *testing.T) {
	const html = "<html><body>502 Bad Gateway</body></html>"
	good := string(charge(nil))
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   ErrorKind
		text   string // part of the error
		posts  int    // requests that a create makes
		gets   int    // requests that a query makes
	}{
		{"400", 400, `{"error":{"type":"invalid_request_error","message":"bad","param":"extra"}}`, InvalidRequest, "HTTP 400, invalid_request_error, param extra): bad", 1, 1},
		{"401", 401, `{"error":{"type":"invalid_request_error","message":"Invalid API Key: sk_test_****"}}`, Authentication, "sk_test_****", 1, 1},
		{"402", 402, `{"error":{"type":"channel_error","code":"channel_request_error","message":"invalid out_trade_no"}}`, Channel, "channel_request_error): invalid out_trade_no", 1, 1},
		{"400 of the channel", 400, `{"error":{"type":"channel_error"}}`, Channel, "channel_error", 1, 1},
		{"403", 403, `{"error":{"type":"rate_limit"}}`, RateLimit, "too many", 3, 3},
		{"429", 429, ``, RateLimit, "HTTP 429", 3, 3},
		{"404", 404, `{"error":{"type":"invalid_request_error","message":"未找到 charge : ch_1。","param":"id"}}`, NotFound, "未找到", 1, 1},
		{"404 of a proxy", 404, html, Malformed, "endpoint", 1, 1},
		{"404 of another API", 404, `{"message":"no route"}`, Malformed, "endpoint", 1, 1},
		{"408", 408, ``, Timeout, "HTTP 408", 1, 1},
		{"409", 409, `{}`, InvalidRequest, "HTTP 409", 1, 1},
		{"500", 500, `{"error":{"type":"api_error"}}`, Server, "api_error", 1, 3},
		{"502 html, always", 502, html, Server, "not Ping++'s JSON", 1, 3},
		{"502 json, always", 502, `{}`, Server, "HTTP 502", 1, 3},
		{"502 with a charge", 502, good, Server, "HTTP 502", 1, 3},
		{"503", 503, ``, Server, "HTTP 503", 1, 3},
		{"504", 504, `null`, Server, "HTTP 504", 1, 3},
		{"301", 301, good, Malformed, "redirect", 1, 1},
		{"304", 304, ``, Malformed, "redirect", 1, 1},

		{"error a string", 400, `{"error":"no"}`, InvalidRequest, ": no", 1, 1},
		{"error an array", 402, `{"error":["no"]}`, Channel, "not described", 1, 1},
		{"error a number", 500, `{"error":7}`, Server, ": 7", 1, 3},
		{"error true", 400, `{"error":true}`, InvalidRequest, ": true", 1, 1},
		{"error null", 400, `{"error":null}`, InvalidRequest, "HTTP 400)", 1, 1},
		{"error empty", 400, `{"error":{}}`, InvalidRequest, "HTTP 400)", 1, 1},
		{"fields null", 402, `{"error":{"type":null,"message":null,"code":null,"param":null}}`, Channel, "HTTP 402)", 1, 1},
		{"fields of other types", 402, `{"error":{"type":[1],"message":{"a":1},"code":12,"param":true}}`, Channel, "12, param true", 1, 1},
		{"error twice", 400, `{"error":{"message":"a"},"error":{"message":"b"}}`, InvalidRequest, "not Ping++'s JSON", 1, 1},
		{"control characters", 400, `{"error":{"message":"a\u0000\u001b[31m\nb\u202e"}}`, InvalidRequest, "a  [31m b", 1, 1},
		{"endless message", 400, `{"error":{"message":"` + strings.Repeat("长", 5000) + `"}}`, InvalidRequest, "长…", 1, 1},
		{"endless error", 400, `{"error":{"message":"` + strings.Repeat("x", 2<<20) + `"}}`, InvalidRequest, "HTTP 400", 1, 1},
		{"echoed key", 401, `{"error":{"message":"bad key ` + testKey + `","code":"` + testKey + `","param":"` + testKey + `","type":"` + testKey + `"}}`, Authentication, "bad key ***", 1, 1},
		{"echoed key at the cut", 401, `{"error":{"message":"` + strings.Repeat("x", 290) + testKey + `"}}`, Authentication, "x***", 1, 1},

		{"200 with error", 200, `{"error":{"type":"api_error","message":"oops"}}`, Malformed, "api_error): oops", 1, 1},
		{"200 with error string", 200, `{"error":"oops"}`, Malformed, "oops", 1, 1},
		{"200 charge and error", 200, strings.Replace(good, `{`, `{"error":{},`, 1), Malformed, "HTTP 200", 1, 1},
		{"200 null", 200, `null`, Malformed, "not a JSON object", 1, 1},
		{"200 array", 200, `[]`, Malformed, "not a JSON object", 1, 1},
		{"200 string", 200, `"ok"`, Malformed, "not a JSON object", 1, 1},
		{"200 empty object", 200, `{}`, Malformed, "charge has no", 1, 1},
		{"200 empty", 200, ``, Malformed, "empty body", 1, 1},
		{"204", 204, ``, Malformed, "empty body", 1, 1},
		{"200 html", 200, html, Malformed, "not JSON", 1, 1},
		{"200 cut JSON", 200, good[:len(good)-20], Malformed, "not JSON", 1, 1},
		{"200 trailing data", 200, good + good, Malformed, "not JSON", 1, 1},
		{"200 wrapped", 200, `{"charge":` + good + `}`, Malformed, "charge has no id", 1, 1},
		{"200 too large", 200, good + strings.Repeat(" ", maxAnswer), Malformed, "1 MiB", 1, 1},
		{"200 another object", 200, string(charge(map[string]any{"object": "refund"})), Malformed, "object", 1, 1},
		{"200 without id", 200, string(charge(map[string]any{"id": nil})), Malformed, "no id", 1, 1},
		{"200 amount a fraction", 200, string(charge(map[string]any{"amount": "12.5"})), Malformed, "whole number", 1, 1},
		{"200 id with a path", 200, string(charge(map[string]any{"id": "../x"})), Malformed, "charge.id", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int64
			cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				w.Header().Set("Location", "/elsewhere")
				answer(c.status, c.body)(w, r)
			})
			check := func(got *Charge, err error, requests int) {
				t.Helper()
				var e *Error
				if !errors.As(err, &e) || got != nil {
					t.Fatalf("got %v, %v, want an error of ours and no charge", got, err)
				}
				if e.Kind != c.kind || e.Status != c.status || !strings.Contains(err.Error(), c.text) {
					t.Errorf("got %s %d %q, want %s %d …%s…", e.Kind, e.Status, err, c.kind, c.status, c.text)
				}
				if unknown := c.kind == Server || c.kind == Malformed || c.kind == Timeout; e.Unknown() != unknown {
					t.Errorf("Unknown is %v", e.Unknown())
				}
				if got := int(n.Swap(0)); got != requests {
					t.Errorf("%d requests, want %d", got, requests)
				}
				withoutLeaks(t, err)
			}
			ch, err := cl.CreateCharge(t.Context(), params())
			check(ch, err, c.posts)
			ch, err = cl.GetCharge(t.Context(), "ch_1")
			check(ch, err, c.gets)
		})
	}
}

func TestOpenIDStaysOutOfErrors(t *testing.T) {
	cl := serve(t, answer(402, `{"error":{"message":"openid `+openID+` is not of this appid"}}`))
	_, err := cl.CreateCharge(t.Context(), params())
	if err == nil || !strings.Contains(err.Error(), "openid *** is not") {
		t.Errorf("got %v", err)
	}
	withoutLeaks(t, err)
}

// raw serves connections by hand, for what net/http would not send.
func raw(t *testing.T, n *atomic.Int64, conn func(net.Conn, string)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		conn(c, r.Header.Get("Authorization"))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestBrokenConnections(t *testing.T) {
	for _, c := range []struct {
		name        string
		send        func(auth string) string
		posts, gets int64
	}{
		{"nothing", func(string) string { return "" }, 1, 3},
		{"half a header", func(string) string { return "HTTP/1.1 200 OK\r\nContent-" }, 1, 3},
		{"half a body", func(string) string { return "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"id\":\"ch_1\"" }, 1, 3},
		{"half a chunk", func(string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{" }, 1, 3},
		{"no HTTP, and our key in it", func(auth string) string { return auth + " " + testKey + "\r\n\r\n" }, 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int64
			cl := client(t, raw(t, &n, func(conn net.Conn, auth string) { _, _ = io.WriteString(conn, c.send(auth)) }))
			_, err := cl.CreateCharge(t.Context(), params())
			wantKind(t, err, Lost, true)
			if got := n.Swap(0); got != c.posts {
				t.Errorf("%d creates, want %d", got, c.posts)
			}
			_, err = cl.GetCharge(t.Context(), "ch_1")
			wantKind(t, err, Lost, true)
			if got := n.Load(); got != c.gets {
				t.Errorf("%d queries, want %d", got, c.gets)
			}
		})
	}
}

func wantKind(t testing.TB, err error, kind ErrorKind, unknown bool) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error of kind %s", err, kind)
	}
	if e.Kind != kind || e.Unknown() != unknown {
		t.Errorf("got kind %s, unknown %v (%v), want %s, %v", e.Kind, e.Unknown(), err, kind, unknown)
	}
	withoutLeaks(t, err)
	return e
}

func TestUnavailable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, err = client(t, "http://"+ln.Addr().String()).CreateCharge(t.Context(), params())
	wantKind(t, err, Unavailable, false)

	srv := httptest.NewTLSServer(answer(200, string(charge(nil)))) // nobody trusts its certificate
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer srv.Close()
	_, err = client(t, srv.URL).CreateCharge(t.Context(), params())
	wantKind(t, err, Unavailable, false)
}

func TestDialIsTriedAgain(t *testing.T) {
	var dials atomic.Int64
	tr := newTransport()
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) < 3 {
			return nil, errors.New("no route")
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	defer tr.CloseIdleConnections()
	cl := serve(t, answer(200, string(charge(nil))), func(c *Config) { c.Transport = tr })
	if _, err := cl.CreateCharge(t.Context(), params()); err != nil {
		t.Errorf("the third dial works: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A transport that does not say whether it connected gives no proof that nothing was sent.
func TestForeignTransportIsNotTrusted(t *testing.T) {
	cl := client(t, "", func(c *Config) {
		c.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("who knows") })
	})
	_, err := cl.CreateCharge(t.Context(), params())
	wantKind(t, err, Lost, true)
}

func TestTimeoutAndCancel(t *testing.T) {
	arrived := make(chan struct{}, 8)
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the client leave
		arrived <- struct{}{}
		<-r.Context().Done()
	}
	cl := serve(t, slow, func(c *Config) { c.Timeout = 100 * time.Millisecond })
	_, err := cl.CreateCharge(t.Context(), params())
	if wantKind(t, err, Timeout, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is no deadline", err)
	}
	<-arrived

	cl = serve(t, slow)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err = cl.CreateCharge(ctx, params())
	if wantKind(t, err, Canceled, true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is no cancellation", err)
	}
	_, err = cl.CreateCharge(ctx, params()) // canceled before it began
	wantKind(t, err, Canceled, false)
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, err = cl.CreateCharge(expired, params())
	wantKind(t, err, Unavailable, false)
}

// An endless body ends at the limit when it is fast, and at the deadline when it is slow.
func TestEndlessBodies(t *testing.T) {
	endless := func(chunk string, gap time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(gap):
				}
			}
		}
	}
	_, err := serve(t, endless(strings.Repeat("{", 64<<10), 0)).CreateCharge(t.Context(), params())
	wantKind(t, err, Malformed, true)
	drip := serve(t, endless("{", 10*time.Millisecond), func(c *Config) { c.Timeout = 150 * time.Millisecond })
	_, err = drip.CreateCharge(t.Context(), params())
	wantKind(t, err, Timeout, true)
}

func TestRetryAfter(t *testing.T) {
	now := time.Unix(1795420800, 0)
	for value, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "1.5": 0, "3": 3 * time.Second, "4294967295": 24 * time.Hour, "99999999999999": 0,
		now.Add(5 * time.Second).UTC().Format(http.TimeFormat): 5 * time.Second,
		now.Add(-time.Hour).UTC().Format(http.TimeFormat):      0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After: %q gives %v, want %v", value, got, want)
		}
	}

	var n atomic.Int64
	busyOnce := func(seconds string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("Retry-After", seconds)
				w.WriteHeader(429)
				return
			}
			_, _ = w.Write(charge(nil))
		}
	}
	begin := time.Now()
	if _, err := serve(t, busyOnce("1")).CreateCharge(t.Context(), params()); err != nil || time.Since(begin) < time.Second {
		t.Errorf("a second try after a second should work: %v after %v", err, time.Since(begin))
	}
	n.Store(0)
	_, err := serve(t, busyOnce("60")).CreateCharge(t.Context(), params())
	if e := wantKind(t, err, RateLimit, false); e.RetryAfter != time.Minute || n.Load() != 1 {
		t.Errorf("a wait beyond the deadline is the caller's: RetryAfter %v, %d requests", e.RetryAfter, n.Load())
	}
}

func TestQueryRecovers(t *testing.T) {
	var n atomic.Int64
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(502)
			return
		}
		_, _ = w.Write(charge(nil))
	})
	if _, err := cl.GetCharge(t.Context(), "ch_1"); err != nil {
		t.Errorf("two 502s, then a charge: %v", err)
	}
}

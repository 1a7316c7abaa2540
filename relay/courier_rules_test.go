package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// attempted makes one attempt through rt.
func attempted(t *testing.T, rt transport, adapt func(*courier)) answer {
	t.Helper()
	cfg := config(t, nil, rt)
	cfg.Method = http.MethodPost
	cfg.defaults()
	c := cfg.courier(&url.URL{Path: cfg.Path})
	if adapt != nil {
		adapt(c)
	}
	return c.attempt(t.Context(), newEvent("evt_1", time.Now()), 1, time.Now())
}

func answering(status int, body string) transport {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func failing(err error) transport {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// How far an attempt came, and what is said of it.
func TestAttemptRules(t *testing.T) {
	torn := func(status int) transport {
		return func(*http.Request) (*http.Response, error) {
			body := io.MultiReader(strings.NewReader("success"), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
			return &http.Response{StatusCode: status, Body: io.NopCloser(body)}, nil
		}
	}
	silent := func(end error) transport {
		return func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, end }
	}
	for name, c := range map[string]struct {
		rt    transport
		reach reach
		why   string // "": it is a receipt
	}{
		"a receipt":           {answering(200, "success"), succeeded, ""},
		"the last that is":    {answering(299, "success"), succeeded, ""},
		"an error":            {answering(500, "oops"), answered, "your backend answered 500"},
		"status 1":            {answering(1, ""), unreachable, "the request was broken off before your backend answered"},
		"status 99":           {answering(99, ""), unreachable, "the request was broken off before your backend answered"},
		"status 100":          {answering(100, ""), answered, "your backend answered 100"},
		"torn":                {torn(200), answered, "your backend answered 200 but closed the connection in the middle of its answer"},
		"torn at 299":         {torn(299), answered, "your backend answered 299 but closed the connection in the middle of its answer"},
		"an error, torn":      {torn(500), answered, "your backend answered 500"},
		"a redirect, torn":    {torn(300), answered, "your backend answered 300 (a redirect is not a receipt)"},
		"an odd status, torn": {torn(199), answered, "your backend answered 199"},
		"aborted": {func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }, unreachable,
			"your backend closed the connection in the middle of its answer"},
		"a fault of ours": {func(*http.Request) (*http.Response, error) { panic(errors.New("bug")) }, answered,
			"the delivery failed inside the server; its log has the details"},
		"a fault of ours in words": {func(*http.Request) (*http.Response, error) { panic("bug") }, answered,
			"the delivery failed inside the server; its log has the details"},
		"nothing":                    {func(*http.Request) (*http.Response, error) { return nil, nil }, unreachable, "the request was broken off before your backend answered"},
		"silence":                    {silent(errors.New("timeout")), unreachable, "your backend did not answer within 10ms"},
		"silence by its own account": {failing(fmt.Errorf("proxy: %w", context.DeadlineExceeded)), unreachable, "your backend did not answer within 15s"},
		"canceled":                   {failing(context.Canceled), unreachable, "the request was broken off before your backend answered"},
		"refused": {failing(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), unsent,
			"your backend does not listen (connection refused); is it running, and is the upstream's port right?"},
		"refused, in words": {failing(fmt.Errorf("%w: connection refused", ErrUnsent)), unsent,
			"your backend does not listen (connection refused); is it running, and is the upstream's port right?"},
		"refused, in another's words": {failing(errors.New("connection refused by policy")), unreachable,
			"your backend could not be reached: connection refused by policy"},
		"unsent, for another reason": {failing(fmt.Errorf("%w: no route", ErrUnsent)), unsent,
			"your backend could not be reached: the backend could not be connected to: no route"},
		"reset, as by php-fpm": {failing(fmt.Errorf("%w: %w", ErrReset, syscall.ECONNRESET)), unreachable,
			"your backend closed the connection without an answer (connection reset); if php-fpm listens there, write transport fastcgi in the upstream block"},
		"reset":        {failing(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), unreachable, "your backend closed the connection without an answer"},
		"broken pipe":  {failing(&net.OpError{Op: "write", Err: syscall.EPIPE}), unreachable, "your backend closed the connection without an answer"},
		"end":          {failing(io.EOF), unreachable, "your backend closed the connection without an answer"},
		"end too soon": {failing(io.ErrUnexpectedEOF), unreachable, "your backend closed the connection without an answer"},
		"abort, told":  {failing(http.ErrAbortHandler), unreachable, "your backend closed the connection without an answer"},
		"no such name": {failing(&net.DNSError{Err: "no such host", Name: "legacy"}), unsent, `the upstream's host name "legacy" cannot be resolved`},
		"not trusted": {failing(&tls.CertificateVerificationError{Err: errors.New("unknown authority")}), unsent,
			"your backend's TLS certificate is not trusted: unknown authority"},
		"too slow to connect": {failing(&net.OpError{Op: "read", Err: slowError{}}), unreachable,
			"your backend did not take the connection or answer in time: read: i/o slow"},
		"of the network, and not slow": {failing(&net.OpError{Op: "read", Err: syscall.EHOSTUNREACH}), unreachable,
			"your backend could not be reached: read: no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			a := attempted(t, c.rt, func(c *courier) {
				if name == "silence" {
					c.timeout = 10 * time.Millisecond
				}
			})
			if a.reach != c.reach || a.ok() != (c.reach == succeeded) || a.why != c.why {
				t.Errorf("came %d, want %d: %q, want %q", a.reach, c.reach, a.why, c.why)
			}
		})
	}
}

type slowError struct{}

func (slowError) Error() string { return "i/o slow" }
func (slowError) Timeout() bool { return true }

// What an answer says besides its receipt, and what is made of it.
func TestAttemptKeeps(t *testing.T) {
	a := attempted(t, answering(503, "<html>busy</html>"), nil)
	if a.status != 503 || a.snippet != "<html>busy</html>" || a.retryAfter != 7*time.Second || a.detail != "" {
		t.Errorf("%+v", a)
	}
	if a := attempted(t, answering(404, ""), nil); a.detail != "it was asked POST /internal/pay/events" {
		t.Errorf("%+v", a)
	}
	a = attempted(t, answering(200, ""), func(c *courier) { c.method = "NO SUCH" })
	if a.reach != answered || !strings.HasPrefix(a.why, "the request to your backend could not be made: ") {
		t.Errorf("%+v", a)
	}
	core, seen := observer.New(zap.ErrorLevel)
	attempted(t, func(*http.Request) (*http.Response, error) { panic("bug") }, func(c *courier) { c.logger = zap.New(core) })
	if seen.FilterMessage("panic while delivering an event").FilterField(zap.String("panic", "bug")).Len() != 1 {
		t.Errorf("%v", seen.All())
	}
}

// A span has the attempt's context, gives the backend its name, and is told how it ended, however that was.
func TestAttemptSpan(t *testing.T) {
	type key struct{}
	for name, c := range map[string]struct {
		rt     transport
		status int
		why    string
	}{
		"answered": {answering(500, ""), 500, "your backend answered 500"},
		"panicked": {func(*http.Request) (*http.Response, error) { panic("bug") }, 0, "the delivery failed inside the server"},
		"unsent":   {failing(ErrUnsent), 0, "your backend could not be reached"},
	} {
		for _, traceParent := range []string{"", "00-11111111111111111111111111111111-2222222222222222-01"} {
			ended := 0
			attempted(t, func(r *http.Request) (*http.Response, error) {
				if r.Context().Value(key{}) != "span" {
					t.Errorf("%s: another context", name)
				}
				if got, own := r.Header.Get("Traceparent"), newEvent("evt_1", time.Now()).TraceParent; traceParent != "" && got != traceParent || traceParent == "" && got != own {
					t.Errorf("%s: traceparent %q", name, got)
				}
				return c.rt(r)
			}, func(cr *courier) {
				cr.span = func(ctx context.Context, ev *ledger.Event, n int) (context.Context, string, func(int, string)) {
					if ev.ID != "evt_1" || n != 1 {
						t.Errorf("%s: %s, attempt %d", name, ev.ID, n)
					}
					return context.WithValue(ctx, key{}, "span"), traceParent, func(status int, why string) {
						if ended++; status != c.status || !strings.HasPrefix(why, c.why) {
							t.Errorf("%s: %d %q", name, status, why)
						}
					}
				}
			})
			if ended != 1 {
				t.Errorf("%s: it ended %d times", name, ended)
			}
		}
	}
}

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
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
)

// courier brings an event to the backend once.
type courier struct {
	backend http.RoundTripper
	method  string
	path    string   // as it was configured, for people
	target  *url.URL // the same, read
	secrets []Secret
	token   redact.Secret
	expect  Expect
	timeout time.Duration
	span    func(ctx context.Context, ev *ledger.Event, attempt int) (_ context.Context, traceParent string, end func(status int, why string))
	now     func() time.Time
	logger  *zap.Logger
}

// courier is who makes the attempts, of a configuration with its defaults.
func (c *Config) courier(target *url.URL) *courier {
	return &courier{
		backend: c.Backend, method: c.Method, path: c.Path, target: target, secrets: c.Secrets, token: c.Token,
		expect: c.Expect, timeout: c.Timeout, span: c.Span, now: c.Now, logger: c.Logger,
	}
}

// answer is what came of one attempt.
type answer struct {
	verdict
	reach      reach
	status     int
	snippet    string
	body       []byte // the start of a receipt
	retryAfter time.Duration
}

// attempt sends the event once and judges the answer. Whatever the transport does, it returns.
func (c *courier) attempt(ctx context.Context, ev *ledger.Event, n int, at time.Time) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, traceParent, end := c.span(ctx, ev, n)
	defer func() { end(a.status, a.why) }()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		a.verdict, a.reach = refused("your backend closed the connection in the middle of its answer"), reached(a.status)
		if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			a.verdict, a.reach = refused("the delivery failed inside the server; its log has the details"), answered
			c.logger.Error("panic while delivering an event", zap.String("event", ev.ID), zap.String("panic", fmt.Sprintf("%.200v", p)), zap.Stack("stack"))
		}
	}()

	req, err := c.request(ctx, ev, n, at)
	if err != nil {
		return answer{reach: answered, verdict: refused("the request to your backend could not be made: %s", printable([]byte(err.Error()), 200))}
	}
	if traceParent != "" {
		req.Header.Set("Traceparent", traceParent)
	}
	resp, err := c.backend.RoundTrip(req)
	if err != nil {
		a.verdict, a.reach = c.diagnose(ctx, err), unreachable
		if isUnsent(err) {
			a.reach = unsent
		}
		return a
	}
	if resp == nil {
		return answer{reach: unreachable, verdict: refused("the request was broken off before your backend answered")}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()

	a.status, a.reach = resp.StatusCode, reached(resp.StatusCode)
	a.retryAfter = retryAfter(resp.Header, c.now())
	body, err := readAnswer(resp, c.expect.limit())
	said := redact.Contacts(string(body), err != nil || len(body) >= c.expect.limit()) // nobody's telephone number goes further than this
	a.snippet = printable([]byte(said), snippetLen)
	if a.status >= 200 && a.status <= 299 { // else the status says more than how the body ended
		if ctx.Err() != nil {
			a.verdict = refused("your backend answered %d but did not finish within %s", a.status, c.timeout)
			return a
		}
		if err != nil {
			a.verdict = refused("your backend answered %d but closed the connection in the middle of its answer", a.status)
			return a
		}
	}
	if a.verdict = judge(a.status, resp.Header, body, c.expect); a.ok() {
		a.reach, a.body, a.snippet = succeeded, body, printable([]byte(said), receiptLen)
	}
	a.detail = redact.Contacts(a.detail, false)
	if turnedAway(a.status) {
		a.detail = fmt.Sprintf("it was asked %s %s", c.method, c.path)
	}
	return a
}

// reached says how far an attempt came by the status that it got: 502, 503 and 504 are what proxies, and sites under
// maintenance, answer in place of the backend.
func reached(status int) reach {
	switch {
	case status < 100, status == 499, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return unreachable
	}
	return answered
}

// isUnsent says whether an error means that not even a connection came about.
func isUnsent(err error) bool {
	var (
		op   *net.OpError
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
	)
	return errors.Is(err, ErrUnsent) || errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.As(err, &cert)
}

// diagnose says in the operator's words why no answer came.
func (c *courier) diagnose(ctx context.Context, err error) verdict {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		wait net.Error
	)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return refused("your backend did not answer within %s", c.timeout)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, ErrUnsent) && strings.Contains(err.Error(), "connection refused"): // Caddy's hides what it wraps
		return refused("your backend does not listen (connection refused); is it running, and is the upstream's port right?")
	case errors.Is(err, ErrReset):
		return refused("your backend closed the connection without an answer (connection reset); if php-fpm listens there, write transport fastcgi in the upstream block")
	case errors.As(err, &dns):
		return refused("the upstream's host name %q cannot be resolved", printable([]byte(dns.Name), 100))
	case errors.As(err, &cert):
		return refused("your backend's TLS certificate is not trusted: %s", printable([]byte(cert.Err.Error()), 200))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, http.ErrAbortHandler):
		return refused("your backend closed the connection without an answer")
	case errors.Is(err, context.Canceled):
		return refused("the request was broken off before your backend answered")
	case errors.As(err, &wait) && wait.Timeout():
		return refused("your backend did not take the connection or answer in time: %s", printable([]byte(err.Error()), 200))
	}
	return refused("your backend could not be reached: %s", printable([]byte(err.Error()), 200))
}

// turnedAway reports whether a backend is there and wants nothing of this path or of us: no later attempt changes that, a person does.
func turnedAway(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
}

package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
)

const (
	settleTimeout = 5 * time.Second // for one try to record an outcome
	lastSettle    = time.Second     // the same once the relay has been told to stop
	lastSettles   = 3               // tries then
)

// answer is what came of one attempt.
type answer struct {
	verdict
	reach      reach
	status     int
	snippet    string
	retryAfter time.Duration
}

// deliver makes one attempt and records its outcome. The end of ctx breaks neither off.
func (r *Relay) deliver(ctx context.Context, t task, p pass) {
	ev, start := t.event, r.cfg.Now()
	a := r.attempt(context.WithoutCancel(ctx), ev, t.attempt, start)
	end := r.cfg.Now()
	w, resume := r.sent(ctx, ev.ID, a, p, start, end)

	d := ledger.Delivery{
		Scope: ev.Scope, EventID: ev.ID, Attempt: t.attempt, At: start, Took: end.Sub(start),
		Status: a.status, Error: a.why, Snippet: a.snippet, State: ledger.Delivered,
	}
	if a.detail != "" {
		d.Error += "; " + a.detail
	}
	switch {
	case a.ok():
	case a.reach == answered:
		r.again(&d, ev.Tries+1, end, a.retryAfter)
	default:
		r.unreached(&d, ev, w, end, a.retryAfter)
	}
	r.log(ev, d, a.why)
	r.observe(ev, d, a.reach, end)
	r.settle(ctx, t.hold, d)
	r.release(t.hold)
	if resume {
		r.resume(ctx)
	}
	if d.State == ledger.Pending {
		signal(r.retimed)
	}
}

// attempt sends the event once and judges the answer. Whatever the transport does, it returns.
func (r *Relay) attempt(ctx context.Context, ev *ledger.Event, n int, at time.Time) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		a.verdict, a.reach = refused("your backend closed the connection in the middle of its answer"), reached(a.status)
		if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			a.verdict, a.reach = refused("the delivery failed inside the server; its log has the details"), answered
			r.cfg.Logger.Error("panic while delivering an event", zap.String("event", ev.ID), zap.String("panic", fmt.Sprintf("%.200v", p)), zap.Stack("stack"))
		}
	}()

	req, err := r.request(ctx, ev, n, at)
	if err != nil {
		return answer{reach: answered, verdict: refused("the request to your backend could not be made: %s", printable([]byte(err.Error()), 200))}
	}
	resp, err := r.cfg.Backend.RoundTrip(req)
	if err != nil {
		a.verdict, a.reach = r.diagnose(ctx, err), unreachable
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
	a.retryAfter = retryAfter(resp.Header, r.cfg.Now())
	body, err := readAnswer(resp, r.cfg.Expect.limit())
	a.snippet = printable(body, snippetLen)
	if a.status >= 200 && a.status <= 299 { // else the status says more than how the body ended
		if ctx.Err() != nil {
			a.verdict = refused("your backend answered %d but did not finish within %s", a.status, r.cfg.Timeout)
			return a
		}
		if err != nil {
			a.verdict = refused("your backend answered %d but closed the connection in the middle of its answer", a.status)
			return a
		}
	}
	if a.verdict = judge(a.status, resp.Header, body, r.cfg.Expect); a.ok() {
		a.reach = succeeded
	}
	if turnedAway(a.status) {
		a.detail = fmt.Sprintf("it was asked %s %s", r.cfg.Method, r.cfg.Path)
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
func (r *Relay) diagnose(ctx context.Context, err error) verdict {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		wait net.Error
	)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return refused("your backend did not answer within %s", r.cfg.Timeout)
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

// settle records an outcome. As long as the relay runs it tries until the ledger takes it: the backend may have the event
// already, and would get it a second time. After that it tries a few times more.
func (r *Relay) settle(ctx context.Context, h hold, d ledger.Delivery) {
	detached := context.WithoutCancel(ctx)
	stranded := false
	for failures, last := 0, 0; ; {
		timeout := settleTimeout
		if ctx.Err() != nil {
			timeout = lastSettle
			last++
		}
		sctx, cancel := context.WithTimeout(detached, timeout)
		err := r.cfg.Ledger.Settle(sctx, r.owner(h), d)
		cancel()
		if err == nil {
			return
		}
		failures++
		if !stranded && errors.Is(err, ledger.ErrDamaged) {
			stranded = true
			r.strand(1)
			defer r.strand(-1)
		}
		fields := []zap.Field{zap.String("event", d.EventID), zap.Int("attempt", d.Attempt), zap.String("outcome", string(d.State)),
			zap.Int("failures", failures), zap.Error(err)}
		if last >= lastSettles || errors.Is(err, ledger.ErrNotFound) {
			r.cfg.Logger.Error("the outcome of a delivery could not be recorded; the event may be delivered again", fields...)
			return
		}
		r.cfg.Logger.Warn("cannot record the outcome of a delivery, trying again", fields...)
		if ctx.Err() != nil {
			time.Sleep(lastSettle / 10) // bounded: there are only a few of these
			continue
		}
		sleep(ctx, r.backoff(failures))
	}
}

// strand counts events that wait for a sound page: they hold up no others.
func (r *Relay) strand(n int) {
	r.mu.Lock()
	r.stranded += n
	r.mu.Unlock()
	signal(r.freed)
}

// resume makes due what waits for the backend, this relay's events and those that others left. Where that fails they are due by
// themselves: within half an hour, or when Retry-After ends.
func (r *Relay) resume(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := r.cfg.Ledger.Resume(ctx, r.cfg.Scope); err != nil {
		r.cfg.Logger.Warn("events that wait for the backend could not be made due; each comes at its own time", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
}

// turnedAway reports whether a backend is there and wants nothing of this path or of us: no later attempt changes that, a person does.
func turnedAway(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
}

const shownWords = 120 // bytes of an answer that a log line holds

var longWord = regexp.MustCompile(`[A-Za-z0-9_-]{16,}`)

// redacted returns the first words of an answer for the log. Long ones, which may be an openid or a token, are cut short.
func redacted(snippet string) string {
	return printable([]byte(longWord.ReplaceAllStringFunc(snippet, func(word string) string { return word[:6] + "…" })), shownWords)
}

// log writes the one line of an attempt. The backend's own words are in it only where it turned us away, else only in the ledger.
func (r *Relay) log(ev *ledger.Event, d ledger.Delivery, why string) {
	level, msg := zapcore.InfoLevel, "event delivered"
	fields := []zap.Field{
		zap.String("event", ev.ID), zap.String("order_no", ev.OrderNo), zap.String("type", ev.Type),
		zap.Int("attempt", d.Attempt), zap.Int("status", d.Status), zap.Duration("took", d.Took),
	}
	switch {
	case d.Uncounted:
		level, msg = zapcore.WarnLevel, "event not delivered, the backend is unreachable; this attempt does not count"
		fields = append(fields, zap.String("why", why), zap.Time("next", d.Due))
	case d.State == ledger.Pending:
		level, msg = zapcore.WarnLevel, "event not delivered, will try again"
		fields = append(fields, zap.String("why", why), zap.Time("next", d.Due))
	case d.State == ledger.Dead:
		level, msg = zapcore.ErrorLevel, "event not delivered, no attempts are left; replay it when the backend works again"
		fields = append(fields, zap.String("why", why))
	}
	if turnedAway(d.Status) {
		level = zapcore.ErrorLevel
		fields = append(fields, zap.String("asked", r.cfg.Method+" "+r.cfg.Path), zap.String("answer", redacted(d.Snippet)))
	}
	r.cfg.Logger.Log(level, msg, fields...)
}

// observe counts an attempt.
func (r *Relay) observe(ev *ledger.Event, d ledger.Delivery, how reach, end time.Time) {
	switch {
	case d.State == ledger.Delivered && ev.Replay:
		r.cfg.Observe("delivered", 0)
	case d.State == ledger.Delivered:
		r.cfg.Observe("delivered", end.Sub(ev.Received))
	case d.State == ledger.Dead:
		r.cfg.Observe("dead", 0)
	case how == unreachable, how == unsent:
		r.cfg.Observe("unreachable", 0)
	default:
		r.cfg.Observe("failed", 0)
	}
}

package pingpp

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddypay/caddypay/redact"
)

const (
	maxAnswer = 1 << 20 // bytes; a list of 100 charges is far below
	maxTries  = 3
	firstWait = 250 * time.Millisecond // upper end of the random wait before the second try; doubles
)

// caller sends requests, signed, again where that can do no harm, and tells what went wrong.
type caller struct {
	key       redact.Secret
	signer    *rsa.PrivateKey
	base      string // scheme and host, no trailing slash
	transport http.RoundTripper
	own       *http.Transport // transport, when the client made it
	closed    atomic.Bool
	timeout   time.Duration
	now       func() time.Time
	rand      func() float64
	language  string
	userAgent string
}

// request is one API call. Its body is encoded once, so that every try sends and signs the same bytes.
type request struct {
	op     string
	method string
	target string // path and query
	body   []byte
	err    error          // why it cannot be sent
	payer  map[string]any // what the channel is told about the payer: Ping++'s messages like to quote it

	secrets secrets // what no error may hold
}

// secretsOf are the key, and what a channel's parameters say about the payer.
func secretsOf(key string, payer map[string]any) secrets {
	x := secrets{key}
	for _, name := range []string{"open_id", "scan_code", "phone", "mobile", "id_no"} {
		if s, ok := payer[name].(string); ok && len(s) >= 6 { // shorter ones would blot out ordinary words
			x = append(x, s)
		}
	}
	return x
}

// ask is do for a request that may be wrong, with ids in its path, which their form makes safe there.
func (c *caller) ask(ctx context.Context, r request, ids ...string) ([]byte, *Error) {
	if r.err != nil {
		return nil, r.invalid(r.err)
	}
	for _, id := range ids {
		if !validID(id) {
			return nil, &Error{Kind: InvalidRequest, Op: r.op, Message: "the id is not one of Ping++: 1 to 64 letters, digits and underscores"}
		}
	}
	return c.do(ctx, r)
}

// do sends a request, again where that can do no harm, and returns the body of a success that is JSON without an error.
func (c *caller) do(ctx context.Context, r request) ([]byte, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer c.rest()
	for try := 0; ; try++ {
		body, err := c.once(ctx, r)
		if err == nil {
			return body, nil
		}
		if try+1 == maxTries || !err.repeatable(r.method) || !c.pause(ctx, try, err.RetryAfter) {
			return nil, err
		}
	}
}

// repeatable says whether the request may be sent again: always if nothing can have come of it, and after a failure of
// the other side or of the network only if it is a query. There is no idempotency key at Ping++, so what
// changes something is never repeated while its outcome is unknown.
func (e *Error) repeatable(method string) bool {
	switch e.Kind {
	case RateLimit:
		return true
	case Unavailable:
		var untrusted *tls.CertificateVerificationError // will not be trusted a moment later either
		return !errors.As(e.err, &untrusted)
	case Server, Lost:
		return method == http.MethodGet
	}
	return false
}

// pause waits before the next try and says whether there is time for one.
func (c *caller) pause(ctx context.Context, try int, asked time.Duration) bool {
	wait := max(asked, time.Duration(c.rand()*float64(firstWait<<try)))
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once is one try. It calls the transport itself: http.Client would follow redirects, key in hand.
func (c *caller) once(ctx context.Context, r request) ([]byte, *Error) {
	if ctx.Err() != nil {
		return nil, r.failure(ctx, ctx.Err(), false)
	}
	var asked, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, r.invalid(err)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		// A transport that reports neither is not net/http's: then there is no proof that nothing was sent.
		return nil, r.failure(ctx, err, connected.Load() || !asked.Load())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if resp.StatusCode/100 == 2 {
		if err != nil {
			e := r.failure(ctx, err, true)
			e.Status = resp.StatusCode
			return nil, e
		}
		return r.accept(resp.StatusCode, body)
	}
	return nil, r.refusal(resp, body, c.now())
}

func (c *caller) newRequest(ctx context.Context, r request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.target, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Authorization", "Bearer "+c.key.Reveal())
	h.Set("Accept", "application/json")
	h.Set("Accept-Encoding", "identity") // the answer is handed on byte for byte, and its limit is the wire's
	h.Set("User-Agent", c.userAgent)
	if len(r.body) > 0 {
		h.Set("Content-Type", "application/json; charset=UTF-8")
	}
	if c.language != "" {
		h.Set("Accept-Language", c.language)
	}
	timestamp := strconv.FormatInt(c.now().Unix(), 10)
	h.Set(RequestTimestampHeader, timestamp)
	if c.signer == nil {
		return req, nil
	}
	sig, err := Sign(c.signer, r.body, []byte(req.URL.RequestURI()), []byte(timestamp))
	if err != nil {
		return nil, err
	}
	h.Set(RequestSignatureHeader, sig)
	return req, nil
}

// failure is the error for a call that ended without a whole answer.
func (r request) failure(ctx context.Context, err error, sent bool) *Error {
	e := &Error{Kind: Lost, Op: r.op, sent: sent, err: err}
	var slow net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Kind, e.err = Canceled, context.Canceled
	case !sent:
		e.Kind = Unavailable
	case ctx.Err() != nil:
		e.Kind, e.err = Timeout, ctx.Err()
	case errors.As(err, &slow) && slow.Timeout():
		e.Kind = Timeout
	}
	e.err = r.secrets.hideError(e.err)
	return e
}

// accept takes the body of a 2xx unless it is plainly no success.
func (r request) accept(status int, body []byte) ([]byte, *Error) {
	if len(body) > maxAnswer {
		return nil, r.malformed(status, errors.New("it is larger than 1 MiB"))
	}
	o, err := parseObject(body)
	if err != nil {
		return nil, r.malformed(status, err)
	}
	if o.has("error") {
		e := &Error{Kind: Malformed, Op: r.op, Status: status}
		r.describe(e, o.get("error"))
		return nil, e
	}
	return body, nil
}

func (r request) malformed(status int, err error) *Error {
	return &Error{Kind: Malformed, Op: r.op, Status: status, sent: true, Message: r.secrets.hide(err.Error(), maxMessage)}
}

// refusal is the error for an answer with a status other than 2xx.
func (r request) refusal(resp *http.Response, body []byte, now time.Time) *Error {
	e := &Error{Op: r.op, Status: resp.StatusCode, sent: true, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
	o, _ := parseObject(body[:min(len(body), maxAnswer)])
	if o.has("error") {
		r.describe(e, o.get("error"))
	}
	e.Kind = kindOf(e.Status, e.Type)
	if e.Kind == NotFound && !o.has("error") {
		// A proxy's or another site's 404 says nothing about the object.
		e.Kind, e.Message = Malformed, "a 404 page that is not Ping++'s: is the endpoint right?"
	}
	if e.Status/100 == 3 {
		e.Message = "a redirect, which is not followed: is the endpoint right?"
	}
	if e.Message == "" && o == nil {
		e.Message = "the answer is not Ping++'s JSON"
	}
	return e
}

func kindOf(status int, typ string) ErrorKind {
	switch {
	case status == http.StatusUnauthorized:
		return Authentication
	case status == http.StatusPaymentRequired:
		return Channel
	case status == http.StatusForbidden, status == http.StatusTooManyRequests:
		return RateLimit
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusRequestTimeout:
		return Timeout
	case status >= 500:
		return Server
	case status < 400:
		return Malformed
	case typ == "channel_error":
		return Channel
	}
	return InvalidRequest
}

// describe fills e from the value of "error", which is an object in the documentation and anything at all in the wild.
func (r request) describe(e *Error, given value) {
	o, err := split(given)
	if err != nil {
		e.Message = loose(given)
		if e.Message == "" {
			e.Message = "an error that is not described"
		}
		e.Message = r.secrets.hide(e.Message, maxMessage)
		return
	}
	e.Type = r.secrets.hide(loose(o.get("type")), maxWord)
	e.Code = r.secrets.hide(loose(o.get("code")), maxWord)
	e.Param = r.secrets.hide(loose(o.get("param")), maxWord)
	e.Message = r.secrets.hide(loose(o.get("message")), maxMessage)
}

// retryAfter reads seconds or a date; anything else, and the past, is 0.
func retryAfter(value string, now time.Time) time.Duration {
	const longest = 24 * time.Hour // a bound against overflow
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, longest)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longest)
}

// mismatch says that an answer is about something else than what was asked.
func mismatch(what string, got, want any) error {
	return fmt.Errorf("its %s is %v, asked was %v", what, got, want)
}

package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/fastcgi"

	"github.com/caddypay/caddypay/relay"
)

// maxAnswer is how much of a backend's answer is kept; no caller reads more.
const maxAnswer = 128 << 10 // bytes

// upstream reaches the merchant's backend through Caddy's own reverse_proxy, so that its TLS, FastCGI, load balancing and
// health checks apply. It is an http.RoundTripper for requests of our own making.
type upstream struct {
	proxy caddyhttp.MiddlewareHandler
	ended atomic.Bool
}

// newUpstream takes over a proxy that Caddy has provisioned.
func newUpstream(proxy caddyhttp.MiddlewareHandler) *upstream {
	if p, ok := proxy.(*reverseproxy.Handler); ok {
		if t, ok := p.Transport.(*fastcgi.Transport); ok {
			p.Transport = timedFastCGI{t}
		}
	}
	return &upstream{proxy: proxy}
}

var errAborted = errors.New("the backend closed the connection in the middle of its answer")

// RoundTrip sends one request, and returns when its time is over even where the proxy's transport does not.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	type outcome struct {
		resp *http.Response
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		resp, err := u.roundTrip(req)
		done <- outcome{resp, err}
	}()
	select {
	case o := <-done:
		return o.resp, o.err
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// roundTrip sends one request. The proxy reports some failures as success or as a panic; here each is an error: only a
// status that the backend really wrote comes back as a response.
func (u *upstream) roundTrip(req *http.Request) (resp *http.Response, err error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	rec := &answer{header: make(http.Header), full: func() { cancel(errAnswerTooLong) }}
	defer func() {
		if u.ended.Load() {
			u.closeIdle()
		}
	}()
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler && rec.overflow:
			resp, err = rec.response(req), nil
		case p == http.ErrAbortHandler && req.Context().Err() != nil:
			resp, err = nil, req.Context().Err()
		case p == http.ErrAbortHandler:
			resp, err = nil, errAborted
		default:
			resp, err = nil, fmt.Errorf("the proxy to the backend panicked: %v", p)
		}
	}()
	r := u.prepare(req.Clone(ctx), rec)
	err = u.proxy.ServeHTTP(rec, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errors.New("the upstream block passed the request on instead of answering it")
	}))
	switch {
	case rec.overflow:
		return rec.response(req), nil
	case req.Context().Err() != nil:
		return nil, req.Context().Err()
	case err != nil:
		return nil, u.proxyError(err)
	case rec.status == 0 || rec.status == statusClientClosed:
		return nil, errors.New("the backend did not answer")
	}
	return rec.response(req), nil
}

// end closes the connections that are idle, and leaves none of the requests still to come: those under way outlive their
// configuration, and each old one would keep connections for minutes.
func (u *upstream) end() {
	u.ended.Store(true)
	u.closeIdle()
}

func (u *upstream) closeIdle() {
	proxy, ok := u.proxy.(*reverseproxy.Handler)
	if !ok {
		return
	}
	if t, ok := proxy.Transport.(*reverseproxy.HTTPTransport); ok && t.Transport != nil {
		t.Transport.CloseIdleConnections()
	}
}

// statusClientClosed is what the proxy writes by itself when the request's context ends.
const statusClientClosed = 499

// prepare makes a request look like the site's own: over HTTPS, from loopback unless it is made for a client.
func (u *upstream) prepare(r *http.Request, w http.ResponseWriter) *http.Request {
	if r.RemoteAddr == "" {
		r.RemoteAddr = "127.0.0.1:0"
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.RequestURI = r.URL.RequestURI()
	// reverse_proxy tells the backend X-Forwarded-Proto: https by this; without it old backends redirect for ever.
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, Version: tls.VersionTLS13, ServerName: r.Host}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "caddypay")
	}
	v := visitOf(r)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, &caddyhttp.Server{})
	if v != nil && len(v.chain) > 0 { // the client is named as in the site's own requests: the proxy appends to the chain of one that is trusted
		r.Header["X-Forwarded-For"] = slices.Clone(v.chain)
		caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
	}
	return r
}

// proxyError says what went wrong without Caddy's error id and status, which belong to a client's request.
func (u *upstream) proxyError(err error) error {
	herr, ok := errors.AsType[caddyhttp.HandlerError](err)
	if ok && herr.Err != nil {
		err = herr.Err
	}
	_, dial := errors.AsType[reverseproxy.DialError](err)
	if dial || ok && herr.StatusCode == http.StatusServiceUnavailable { // the second: all upstreams are known to be down
		return fmt.Errorf("%w: %w", relay.ErrUnsent, err)
	}
	// What it looks like depends on how much was sent when it happened; the last is net/http's word for it.
	reset := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
	if reset && u.speaksHTTP() {
		return fmt.Errorf("%w: %w", relay.ErrReset, err)
	}
	return err
}

func (u *upstream) speaksHTTP() bool {
	proxy, ok := u.proxy.(*reverseproxy.Handler)
	if !ok {
		return false
	}
	_, ok = proxy.Transport.(*reverseproxy.HTTPTransport)
	return ok
}

var errAnswerTooLong = errors.New("the backend's answer is too long")

// answer records what the backend answers, up to maxAnswer bytes; the rest is cut off.
type answer struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	overflow bool
	full     func()
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if room := maxAnswer - a.body.Len(); len(p) > room {
		a.body.Write(p[:room])
		a.overflow = true
		a.full()
		return room, errAnswerTooLong
	}
	return a.body.Write(p)
}

// Flush satisfies proxies that stream.
func (a *answer) Flush() {}

func (a *answer) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: req,
	}
}

// Interface guards
var (
	_ http.RoundTripper   = (*upstream)(nil)
	_ http.ResponseWriter = (*answer)(nil)
	_ http.Flusher        = (*answer)(nil)
)

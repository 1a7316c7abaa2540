// Package wechat asks WeChat who a user is: it exchanges the login code of a mini program, or that of a web page's OAuth round,
// for the user's openid, and signs pages for WeChat's JS-SDK. It reports the shipping of a mini program's payments, whose money WeChat
// may hold until then.
//
// WeChat takes the app's secret and the user's code in the URL's query, and answers with a session_key or tokens that must never
// leave the server. So nothing in this package prints a URL, errors carry only text in which all of these have been blanked, and a
// session_key is not even decoded into anything that is returned.
package wechat

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddypay/caddypay/redact"
)

const (
	defaultEndpoint = "https://api.weixin.qq.com"
	defaultTimeout  = 10 * time.Second

	maxCode   = 128      // bytes; WeChat's codes have 32
	maxAnswer = 64 << 10 // bytes of body, and of header; an answer has a few hundred
)

// Config is what a WeChat account needs to be known by.
type Config struct {
	AppID  string        // the account's AppID: wx…
	Secret redact.Secret // its AppSecret

	// Endpoint is where WeChat's API is: https, or plain http to a loopback address (a sandbox). A path in it is kept.
	// Default: https://api.weixin.qq.com.
	Endpoint string
	// Authorize is where the page is on which a user of an official account agrees to log in. Default: https://open.weixin.qq.com, or Endpoint
	// where that is set.
	Authorize string
	// Transport sends the requests. Default: one of its own that honours the proxy variables of the environment.
	Transport http.RoundTripper
	// Wrap returns what stands around the transport, to measure it for example, and passes requests on unchanged. Nil: nothing.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Timeout bounds one call, its retry included. Default: 10s.
	Timeout time.Duration
}

// account is what WeChat's kinds of accounts have in common: their credentials, and the way to ask WeChat.
type account struct {
	kind      string // for String
	appID     string
	secret    redact.Secret
	endpoint  *url.URL
	transport http.RoundTripper
	timeout   time.Duration
}

// newAccount checks the configuration. It opens no connection.
func newAccount(kind string, cfg Config) (account, error) {
	if !validID(cfg.AppID) {
		return account{}, errors.New("wechat: app_id is missing or not an AppID: copy it from the account's console, it begins with wx")
	}
	if cfg.Secret.Empty() {
		return account{}, errors.New("wechat: secret is missing: write the account's AppSecret")
	}
	if !printable(cfg.Secret.Reveal()) {
		return account{}, errors.New("wechat: secret holds white space or other characters that no AppSecret has: look for a line break at its end")
	}
	if cfg.Timeout < 0 {
		return account{}, fmt.Errorf("wechat: timeout %s is negative", cfg.Timeout)
	}
	endpoint, err := parseEndpoint("endpoint", cmp.Or(cfg.Endpoint, defaultEndpoint))
	if err != nil {
		return account{}, err
	}
	a := account{
		kind:      kind,
		appID:     cfg.AppID,
		secret:    cfg.Secret,
		endpoint:  endpoint,
		transport: cfg.Transport,
		timeout:   cmp.Or(cfg.Timeout, defaultTimeout),
	}
	if a.transport == nil {
		a.transport = newTransport(a.timeout)
	}
	if cfg.Wrap != nil {
		a.transport = cfg.Wrap(a.transport)
	}
	return a, nil
}

// newTransport gives a dial half of the time, so that a second one has a chance.
func newTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: timeout / 2}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    timeout,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

// parseEndpoint keeps the endpoint's text out of its errors: somebody may have pasted a whole URL with a secret in it.
func parseEndpoint(option, s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, fmt.Errorf("wechat: %s is not a URL: write https://host", option)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("wechat: %s may hold neither user, query nor fragment: write https://host", option)
	}
	switch {
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("wechat: %s http://%s would send the secret in the clear: use https (http only to a loopback address)", option, u.Host)
	}
	return nil, fmt.Errorf("wechat: %s has the scheme %q: use https", option, u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// AppID returns the account's AppID.
func (a *account) AppID() string { return a.appID }

// String names the account without its secret.
func (a *account) String() string { return "wechat." + a.kind + "(" + a.appID + ")" }

// GoString is String, so that no print verb shows the secret.
func (a *account) GoString() string { return a.String() }

// call sends one request to an API, like sns/jscode2session, and judges the answer by its body alone: WeChat sends errors with HTTP 200,
// and JSON as text/plain. Every error is an *Error.
func (a *account) call(ctx context.Context, api, method string, query url.Values, body []byte, hide redactor) (*answer, error) {
	return a.callUpTo(maxAnswer, ctx, api, method, query, body, hide)
}

// callUpTo is call for an API whose answers may be larger, in bytes.
func (a *account) callUpTo(limit int64, ctx context.Context, api, method string, query url.Values, body []byte, hide redactor) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	name := apiName(api)
	if err := ctx.Err(); err != nil {
		e := unreachable(ctx, name, hide, err)
		e.unsent = true
		return nil, e
	}
	resp, err := a.send(ctx, api, method, query, body)
	if err != nil {
		return nil, unreachable(ctx, name, hide, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, unreachable(ctx, name, hide, fmt.Errorf("the answer broke off: %w", err))
	}
	if int64(len(raw)) > limit {
		return nil, unavailable(name, "the answer is larger than %d KiB (HTTP %d)", limit>>10, resp.StatusCode)
	}
	return parseAnswer(name, resp.StatusCode, raw, hide)
}

// apiName is what errors call an API: the path without its first segment.
func apiName(api string) string {
	_, name, _ := strings.Cut(api, "/")
	return name
}

// send asks the transport itself: a client would follow redirects, and put the URL into its errors.
func (a *account) send(ctx context.Context, api, method string, query url.Values, body []byte) (*http.Response, error) {
	u := a.endpoint.JoinPath(api)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	// On a connection that served before, net/http itself sends a GET again when the other side hangs up, although that side
	// may have taken the code by then. A connection per login costs a handshake and knows no such doubt.
	req.Close = true

	resp, err := a.transport.RoundTrip(req)
	if err != nil && notConnected(err) && ctx.Err() == nil {
		again := req.Clone(ctx)
		again.Body, _ = req.GetBody() // of bytes, which can always be read again
		resp, err = a.transport.RoundTrip(again)
	}
	return resp, err
}

// notConnected reports whether not even a connection was made.
func notConnected(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// notSent reports whether the request surely never left: there was no connection, or none to somebody who is WeChat.
func notSent(err error) bool {
	_, stranger := errors.AsType[*tls.CertificateVerificationError](err)
	return stranger || notConnected(err)
}

// unreachable says why there was no answer. Of the cause it keeps the redacted text and whether it was the context's end,
// nothing else: a transport's error may hold the URL.
func unreachable(ctx context.Context, api string, hide redactor, err error) *Error {
	e := &Error{Kind: Unavailable, API: api, cause: ctx.Err(), unsent: notSent(err)}
	switch {
	case errors.Is(e.cause, context.DeadlineExceeded):
		e.Message = "no answer in time"
	case e.cause != nil:
		e.Message = "the caller went away before the answer"
	default:
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		e.Message = hide.clean(err.Error())
	}
	return e
}

// AccessToken asks for the token that the account's other APIs are called with. It is WeChat's stable one, in its normal mode: asking again,
// here or on another server, does not make an earlier one invalid. Who calls more than now and then asks [ShareToken].
func (a *account) AccessToken(ctx context.Context) (Token, error) {
	body, err := json.Marshal(map[string]string{"grant_type": "client_credential", "appid": a.appID, "secret": a.secret.Reveal()})
	if err != nil {
		return Token{}, err // of three strings, which always encode
	}
	answer, err := a.call(ctx, "cgi-bin/stable_token", http.MethodPost, nil, body, redactor{a.secret.Reveal()})
	if err != nil {
		return Token{}, err
	}
	return answer.token("access_token")
}

// printable reports whether s is one or more printable ASCII characters without a space.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

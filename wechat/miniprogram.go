// Package wechat asks WeChat who a user is: it exchanges the login code of a mini program for the user's openid.
//
// WeChat takes the app's secret and the user's code in the URL's query, and answers with a session_key that must never leave
// the server. So nothing in this package prints a URL, errors carry only text in which all of these have been blanked, and the
// session_key is not even decoded into anything that is returned.
package wechat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultEndpoint = "https://api.weixin.qq.com"
	defaultTimeout  = 10 * time.Second

	maxCode   = 128      // bytes; WeChat's codes have 32
	maxAnswer = 64 << 10 // bytes of body, and of header; an answer has a few hundred
)

// Config is what a mini program needs to be known by.
type Config struct {
	AppID  string // the mini program's AppID: wx…
	Secret string // its AppSecret

	// Endpoint is where WeChat's API is: https, or plain http to a loopback address (a sandbox). A path in it is kept.
	// Default: https://api.weixin.qq.com.
	Endpoint string
	// Transport sends the requests. Default: one of its own that honours the proxy variables of the environment.
	Transport http.RoundTripper
	// Timeout bounds one exchange, its retry included. Default: 10s.
	Timeout time.Duration
}

// MiniProgram is one mini program as its server sees it. It is safe for concurrent use.
type MiniProgram struct {
	appID, secret string
	endpoint      *url.URL // of jscode2session, without a query
	transport     http.RoundTripper
	timeout       time.Duration
}

// Identity is a user of a mini program.
type Identity struct {
	OpenID  string // the user within this mini program
	UnionID string // the user within the merchant's Open Platform account; empty when the mini program is not bound to one
}

// NewMiniProgram checks the configuration. It opens no connection.
func NewMiniProgram(cfg Config) (*MiniProgram, error) {
	if !validID(cfg.AppID) {
		return nil, errors.New("wechat: app_id is missing or not an AppID: copy it from the mini program's console, it begins with wx")
	}
	if cfg.Secret == "" {
		return nil, errors.New("wechat: secret is missing: write the mini program's AppSecret")
	}
	if !printable(cfg.Secret) {
		return nil, errors.New("wechat: secret holds white space or other characters that no AppSecret has: look for a line break at its end")
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("wechat: timeout %s is negative", cfg.Timeout)
	}
	endpoint, err := parseEndpoint(cmp.Or(cfg.Endpoint, defaultEndpoint))
	if err != nil {
		return nil, err
	}
	m := &MiniProgram{
		appID:     cfg.AppID,
		secret:    cfg.Secret,
		endpoint:  endpoint.JoinPath("sns", "jscode2session"),
		transport: cfg.Transport,
		timeout:   cmp.Or(cfg.Timeout, defaultTimeout),
	}
	if m.transport == nil {
		m.transport = newTransport(m.timeout)
	}
	return m, nil
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
func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("wechat: endpoint is not a URL: write https://host")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("wechat: endpoint may hold neither user, query nor fragment: write https://host")
	}
	switch {
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("wechat: endpoint http://%s would send the secret in the clear: use https (http only to a loopback address)", u.Host)
	}
	return nil, fmt.Errorf("wechat: endpoint has the scheme %q: use https", u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// AppID returns the mini program's AppID.
func (m *MiniProgram) AppID() string { return m.appID }

// String names the mini program without its secret.
func (m *MiniProgram) String() string { return "wechat.MiniProgram(" + m.appID + ")" }

// GoString is String, so that no print verb shows the secret.
func (m *MiniProgram) GoString() string { return m.String() }

// Exchange turns a login code of wx.login into the user's identity (WeChat's jscode2session). A code is good once, for five
// minutes, so a request that may have reached WeChat is never sent again; only a connection that could not be made is tried a
// second time. Every error is an *Error; one that ended because ctx did also matches context.Canceled or
// context.DeadlineExceeded.
func (m *MiniProgram) Exchange(ctx context.Context, code string) (Identity, error) {
	if len(code) > maxCode || !printable(code) {
		return Identity{}, &Error{Kind: CodeInvalid, Message: fmt.Sprintf("a login code is 1 to %d printable ASCII characters", maxCode)}
	}
	hide := redactor{m.secret, code}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()

	resp, err := m.send(ctx, code)
	if err != nil {
		return Identity{}, m.unreachable(ctx, hide, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return Identity{}, m.unreachable(ctx, hide, fmt.Errorf("the answer broke off: %w", err))
	}
	if len(body) > maxAnswer {
		return Identity{}, unavailable("the answer is larger than %d KiB (HTTP %d)", maxAnswer>>10, resp.StatusCode)
	}
	return parseAnswer(resp.StatusCode, body, hide)
}

// send asks the transport itself: a client would follow redirects, and put the URL into its errors.
func (m *MiniProgram) send(ctx context.Context, code string) (*http.Response, error) {
	u := *m.endpoint
	u.RawQuery = url.Values{
		"appid":      {m.appID},
		"secret":     {m.secret},
		"js_code":    {code},
		"grant_type": {"authorization_code"},
	}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// On a connection that served before, net/http itself sends a GET again when the other side hangs up, although that side
	// may have taken the code by then. A connection per login costs a handshake and knows no such doubt.
	req.Close = true

	resp, err := m.transport.RoundTrip(req)
	if err != nil && notConnected(err) && ctx.Err() == nil {
		resp, err = m.transport.RoundTrip(req.Clone(ctx))
	}
	return resp, err
}

// notConnected reports whether not even a connection was made.
func notConnected(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// unreachable says why there was no answer. Of the cause it keeps the redacted text and whether it was the context's end,
// nothing else: a transport's error may hold the URL.
func (m *MiniProgram) unreachable(ctx context.Context, hide redactor, err error) *Error {
	e := &Error{Kind: Unavailable, cause: ctx.Err()}
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

// printable reports whether s is one or more printable ASCII characters without a space.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

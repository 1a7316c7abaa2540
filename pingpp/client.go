// Package pingpp speaks the API of Ping++ (pingxx.com): it creates, queries, reverses and refunds charges and orders, queries
// events, and verifies and reads webhooks.
//
// A [Client] is one merchant's app with its own key; there is no package state, so one process serves any number of
// merchants. Every call takes a context, every failure is an [*Error] whose Kind says what happened, and
// [Error.Unknown] says whether a charge may exist at Ping++ all the same. A call never succeeds with an empty object or
// with one that was not asked for.
//
// Amounts are in the currency's smallest unit (fen), times in Unix seconds.
package pingpp

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/caddypay/caddypay/redact"
)

const (
	defaultEndpoint = "https://api.pingxx.com"
	defaultTimeout  = 15 * time.Second
	modulePath      = "github.com/caddypay/caddypay"
)

// Config is what one merchant's client needs.
type Config struct {
	// App is the Ping++ app id, app_…; required.
	App string

	// Key is the secret API key. Its prefix decides the mode: sk_test_ moves no money, sk_live_ does. Required.
	Key redact.Secret

	// SigningKey is the merchant's private key, whose public half the merchant has given to Ping++. Nil: requests are not
	// signed, which Ping++ accepts until the merchant turns the check on.
	SigningKey *rsa.PrivateKey

	// Endpoint is scheme and host of the API, https://api.pingxx.com by default. Plain http is refused unless the key is
	// a test key or the host is this machine.
	Endpoint string

	// Transport carries the requests; by default a clone of http.DefaultTransport of the client's own. One that passes the
	// request's context on to an http.Transport lets the client tell a request that never left from one that got lost.
	Transport http.RoundTripper

	// Wrap returns what stands around the transport, to measure it for example, and passes requests on unchanged. Nil: nothing.
	Wrap func(http.RoundTripper) http.RoundTripper

	// Timeout bounds one call as a whole, with its retries; 15 seconds by default.
	Timeout time.Duration

	// Now is the clock for request timestamps and dates in Retry-After; time.Now by default.
	Now func() time.Time

	// Rand returns a number in [0,1) that spreads the waits between tries; from math/rand/v2 by default. It must be safe
	// for concurrent use.
	Rand func() float64

	// Language is sent as Accept-Language and picks the language of Ping++'s error messages; by default not sent.
	Language string
}

// Client calls Ping++ for one app. It is safe for concurrent use.
type Client struct {
	app  string
	live bool
	caller
}

// New checks cfg and returns a client for it. No error holds the key.
func New(cfg Config) (*Client, error) {
	c := &Client{
		app: cfg.App, live: strings.HasPrefix(cfg.Key.Reveal(), "sk_live_"),
		caller: caller{
			key: cfg.Key, signer: cfg.SigningKey, transport: cfg.Transport, timeout: cfg.Timeout,
			now: cfg.Now, rand: cfg.Rand, language: cfg.Language, userAgent: userAgent(),
		},
	}
	if strings.HasPrefix(c.app, "sk_") || strings.HasPrefix(c.app, "pk_") {
		return nil, errors.New("pingpp: app is a key: give the app id, which begins with app_ and is shown in the Ping++ dashboard")
	}
	if !validID(c.app) || !strings.HasPrefix(c.app, "app_") {
		return nil, fmt.Errorf("pingpp: app %q is not an app id: it begins with app_ and is shown in the Ping++ dashboard", clean(c.app, 40))
	}
	if err := checkKey(c.key.Reveal()); err != nil {
		return nil, err
	}
	if c.signer != nil {
		if err := checkPrivateKey(c.signer); err != nil {
			return nil, fmt.Errorf("pingpp: signing key: %w", err)
		}
	}
	base, err := checkEndpoint(cfg.Endpoint, c.live)
	if err != nil {
		return nil, err
	}
	c.base = base
	if c.timeout < 0 {
		return nil, fmt.Errorf("pingpp: timeout %v is negative: give a positive duration, or 0 for %v", c.timeout, defaultTimeout)
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if strings.ContainsFunc(c.language, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("pingpp: language is not an Accept-Language value: write for example zh-CN or en")
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.rand == nil {
		c.rand = rand.Float64
	}
	if c.transport == nil {
		c.own = newTransport()
		c.transport = c.own
	}
	if cfg.Wrap != nil {
		c.transport = cfg.Wrap(c.transport)
	}
	return c, nil
}

// App returns the Ping++ app id that the client charges for.
func (c *Client) App() string { return c.app }

// Live says whether the key moves real money.
func (c *Client) Live() bool { return c.live }

// Close leaves no connection open, if the client made its transport itself. Calls under way go on, later ones still work, and each
// takes its connection with it.
func (c *Client) Close() {
	c.closed.Store(true)
	c.rest()
}

// rest closes what a call has left open after the client was closed.
func (c *caller) rest() {
	if c.own != nil && c.closed.Load() {
		c.own.CloseIdleConnections()
	}
}

func checkKey(key string) error {
	secret, ok := strings.CutPrefix(key, "sk_test_")
	if !ok {
		secret, ok = strings.CutPrefix(key, "sk_live_")
	}
	switch {
	case key == "":
		return errors.New("pingpp: key is empty: give the secret key of the Ping++ dashboard, sk_test_… or sk_live_…")
	case strings.HasPrefix(key, "pk_"):
		return errors.New("pingpp: key is a publishable key (pk_…): give the secret key, sk_test_… or sk_live_…")
	case !ok:
		return errors.New("pingpp: key begins with neither sk_test_ nor sk_live_: give the secret key of the Ping++ dashboard")
	case !idPattern(secret, 128):
		return errors.New("pingpp: key is cut short or holds a character that no Ping++ key has (a line break or a quote?): copy it again")
	}
	return nil
}

func checkEndpoint(endpoint string, live bool) (string, error) {
	if endpoint == "" {
		return defaultEndpoint, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return "", errors.New("pingpp: endpoint is not a URL: write it like " + defaultEndpoint)
	}
	if u.User != nil || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("pingpp: endpoint has more than scheme and host: write it like " + defaultEndpoint)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return "", fmt.Errorf("pingpp: endpoint has the scheme %q: write https://%s", clean(u.Scheme, 20), u.Host)
	case live && !loopback(u.Hostname()):
		return "", fmt.Errorf("pingpp: endpoint http://%s would send a live key unencrypted: write https://%[1]s", u.Host)
	}
	return u.Scheme + "://" + u.Host, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func newTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if d, ok := http.DefaultTransport.(*http.Transport); ok { // somebody may have put another one there
		t = d.Clone()
	}
	t.IdleConnTimeout = 45 * time.Second // before the other side's, usually a minute: a charge that meets a closing connection has an unknown outcome
	t.MaxIdleConnsPerHost = 32           // all calls go to one host, and the default of 2 would redial under load
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// userAgent names the product and its version, and nothing about the machine.
func userAgent() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == modulePath && strings.HasPrefix(m.Version, "v") {
				return "caddypay/" + strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "caddypay/devel"
}

// validID says whether s has the form of a Ping++ id: it may go into a path, a log line and a database key.
func validID(s string) bool { return idPattern(s, 64) }

func idPattern(s string, max int) bool {
	for i := range len(s) {
		b := s[i]
		if b != '_' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= max
}

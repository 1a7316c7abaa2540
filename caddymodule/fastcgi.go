package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/fastcgi"

	"github.com/caddypay/caddypay/ledger"
)

// timedFastCGI is Caddy's FastCGI transport with an end: by itself that one knows no context, and goes on for as long as PHP likes when
// its request's time is over.
type timedFastCGI struct{ *fastcgi.Transport }

// cutAfter is how much later than its request a connection ends, so that what the caller sees is the end of its own time.
const cutAfter = time.Second

// RoundTrip implements http.RoundTripper.
func (t timedFastCGI) RoundTrip(r *http.Request) (*http.Response, error) {
	once := *t.Transport
	if deadline, ok := r.Context().Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return nil, context.DeadlineExceeded
		}
		left += cutAfter
		once.ReadTimeout, once.WriteTimeout = within(left, once.ReadTimeout), within(left, once.WriteTimeout)
	}
	return once.RoundTrip(r)
}

// within is the timeout that was set, if any, but no more than is left.
func within(left time.Duration, set caddy.Duration) caddy.Duration {
	if set > 0 {
		return min(set, caddy.Duration(left))
	}
	return caddy.Duration(left)
}

// checkFastCGI returns what is wrong with an upstream that PHP answers, or seems to: an error, or a warning.
func checkFastCGI(u *upstream, mode ledger.Mode) (warning string, err error) {
	proxy, ok := u.proxy.(*reverseproxy.Handler)
	if !ok {
		return "", nil
	}
	switch t := proxy.Transport.(type) {
	case timedFastCGI:
		// The site's own root directive is not asked in calls of ours, which pass through no route.
		if _, named := t.EnvVars["SCRIPT_FILENAME"]; !named && strings.Contains(t.Root, "{http.vars.root}") {
			return "", errors.New("transport fastcgi needs a root here, since the site's root does not reach these calls; write root /srv/shop (the shop's folder, as php-fpm sees it)")
		}
		// The guard of docs/backend.md compares it with X-Pay-Mode.
		switch has := caddy.NewReplacer().ReplaceAll(t.EnvVars["PAY_MODE"], ""); ledger.Mode(has) {
		case ledger.Live, ledger.Test:
			if ledger.Mode(has) != mode {
				return fmt.Sprintf("env PAY_MODE is %s, and pingpp key is of %s mode: a backend that compares the two refuses every question; write env PAY_MODE %[2]s in the upstream block", has, mode), nil
			}
		}
	case *reverseproxy.HTTPTransport:
		for _, addr := range dialed(proxy) {
			if speaksFastCGI.MatchString(addr) {
				return fmt.Sprintf("the upstream %s looks like php-fpm, which speaks no HTTP; if it is, write transport fastcgi { root <the shop's folder> split .php } in the upstream block", addr), nil
			}
		}
	}
	return "", nil
}

// speaksFastCGI knows where php-fpm listens as distributions, images and panels set it up.
var speaksFastCGI = regexp.MustCompile(`(?i):9000$|^unix.*(fpm|php|fcgi|fastcgi)`)

// dialed lists the addresses that a proxy is configured with.
func dialed(proxy *reverseproxy.Handler) (addrs []string) {
	repl := caddy.NewReplacer()
	for _, u := range proxy.Upstreams {
		addrs = append(addrs, repl.ReplaceAll(u.Dial, ""))
	}
	if a, ok := proxy.DynamicUpstreams.(*reverseproxy.AUpstreams); ok {
		addrs = append(addrs, repl.ReplaceAll(a.Name+":"+a.Port, ""))
	}
	return addrs
}

// Interface guards
var (
	_ http.RoundTripper                           = timedFastCGI{}
	_ reverseproxy.BufferedTransport              = timedFastCGI{}
	_ reverseproxy.ContentLengthRequiredTransport = timedFastCGI{}
)

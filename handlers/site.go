// Package handlers is what the routes under /pay do, one file per route, in plain net/http: caddymodule gives it Caddy's
// configuration, logger and upstream.
package handlers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/wechat"
)

// Site is one `pay` block, resolved: it answers what lies under its prefix. All fields are set before the first request
// and never changed.
type Site struct {
	Prefix   string       // whole path segments: /pay
	Scope    ledger.Scope // the Ping++ app and mode; every key in the ledger begins with it
	Pingpp   *pingpp.Client
	Verifier *pingpp.Verifier        // of webhooks
	Channels []string                // the payment channels that are offered
	WxLite   *wechat.MiniProgram     // nil: no mini program, and /pay/openid is not there
	WxPub    *wechat.OfficialAccount // nil: no official account, and /pay/oauth and /pay/jssdk are not there
	Sessions *Sessions
	Orders   *Orders // nil: no price can be had, and charges cannot be created
	Login    *Login  // nil: the backend is not told of logins
	Intake   *intake.Intake
	Budgets  *Budgets // of the calls that cost something

	// ClientAmount lets clients name what they pay; it stands in place of Orders. Nil: they may not.
	ClientAmount *ClientAmount
	// ReturnURLs is where channels send payers back to, by the names of the options: success_url, cancel_url, fail_url and
	// result_url. {order_no} in them is the merchant's order number.
	ReturnURLs map[string]string

	// Checkout is the hosted payment page; nil: there is none.
	Checkout *Checkout

	// Reconciler asks Ping++ about charges whose webhook is late, QueryAfter after they were created.
	Reconciler *reconcile.Reconciler
	QueryAfter time.Duration
	// Count is told what came of webhooks and of requests to create a charge; nil functions are not called.
	Count   Counters
	Private []PrivatePath // the backend's own paths, closed to the outside

	// Origins are the other origins whose pages may call the payer's routes, as browsers write them; see ParseOrigin.
	Origins []string

	// AllowHTTP serves clients too that did not come by HTTPS, as far as we can tell.
	AllowHTTP bool

	Merchant *Merchant // nil: the merchant API is not there

	Backend http.RoundTripper // reaches the merchant's backend
	Token   string            // sent to the backend as X-Pay-Token

	// Ticket returns the official account's jsapi ticket, as WeChat lends it to all nodes together.
	Ticket func(context.Context) (string, error)

	// Ledger opens the ledger on first use.
	Ledger func(context.Context) (ledger.Ledger, error)

	Session  func(*http.Request) string // the token that StripTrusted took from the request's headers
	Bearer   func(*http.Request) string // what BearerSession found in them
	ClientIP func(*http.Request) string // the client's address as the server trusts it
	Host     func(*http.Request) string // the host that it came to, as far as the site goes by that name: kept with charges and events
	Secure   func(*http.Request) bool   // whether the client surely came by HTTPS
	SkipLog  func(*http.Request)        // keeps the request out of the server's access log
	Closing  <-chan struct{}            // closed when this configuration is replaced: waiting requests then answer

	Logger *zap.Logger
	Now    func() time.Time
	Rand   io.Reader // randomness for order numbers

	exchanges singleflight.Group // one call to WeChat per code
	refusals  refusalLog
	unpriced  unpriced
}

// Counters are told of results. Their arguments never hold what a client sent.
type Counters struct {
	Charge  func(channel, result string) // created, reused, or a problem's code
	Webhook func(result string)          // why it was refused, rate_limited, or unavailable
	Refund  func(result string)          // made, repeated, unknown, failed, or a problem's code
}

func (c Counters) charge(channel, result string) {
	if c.Charge != nil {
		c.Charge(channel, result)
	}
}

func (c Counters) refund(result string) {
	if c.Refund != nil {
		c.Refund(result)
	}
}

func (c Counters) webhook(result string) {
	if c.Webhook != nil {
		c.Webhook(result)
	}
}

type route struct {
	name    string
	methods []string
	serve   func(w http.ResponseWriter, r *http.Request) error
}

// Owns reports whether a path lies under the prefix, by whole segments: /payment is the site's. It takes every spelling that Caddy's
// path matcher takes, in other case or with dots and doubled slashes, so that no other handler's 200 answers what was meant for us.
func (s *Site) Owns(p string) bool {
	return under(p, s.Prefix) || under(strings.ToLower(path.Clean(p)), strings.ToLower(s.Prefix))
}

func under(p, prefix string) bool {
	rest, ok := strings.CutPrefix(p, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// ServeHTTP answers a request under the prefix. It always answers: nothing under the prefix reaches the site behind it.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pace(w, r)
	rt := s.find(r.URL.Path)
	guest := s.welcome(w, r, rt) // whose answer may hold a session
	if guest || rt.name == "openid" || mayHoldCode(r.URL.RawQuery) || s.Session(r) != "" {
		s.SkipLog(r)
		rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		start := s.Now()
		defer func() {
			s.Logger.Info("handled request", zap.String("method", r.Method), zap.String("host", r.Host),
				zap.String("path", r.URL.Path), zap.Int("status", rec.status), zap.Duration("duration", s.Now().Sub(start)),
				zap.String("client_ip", s.ClientIP(r)))
		}()
		w = rec
	}
	if err := s.serve(w, r, rt); err != nil {
		p := asProblem(err)
		s.report(r, rt.name, p)
		turnAway(w, r, p)
	}
}

// mayHoldCode reports whether a query shows a login code, or cannot be read well enough to tell.
func mayHoldCode(query string) bool {
	values, err := url.ParseQuery(query)
	return err != nil || values.Has("code")
}

func (s *Site) serve(w http.ResponseWriter, r *http.Request, rt route) error {
	if !s.Secure(r) && !s.AllowHTTP {
		return problem("https_required", nil)
	}
	if s.preflight(w, r, rt) { // also an early one: it does nothing
		return nil
	}
	if early(r) {
		return problem("too_early", nil)
	}
	if rt.serve == nil {
		return problem("not_found", nil)
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if !slices.Contains(rt.methods, method) {
		return &Problem{Code: "method_not_allowed", Allow: strings.Join(rt.methods, ", ")}
	}
	return rt.serve(w, r)
}

// find is route for a whole path. Of the spellings that Owns takes it knows one more: slashes too many in the webhook's address, which
// somebody has typed into Ping++'s dashboard.
func (s *Site) find(p string) route {
	if below, ok := strings.CutPrefix(p, s.Prefix); ok {
		if rt := s.route(below); rt.serve != nil {
			return rt
		}
	}
	if webhooks := s.Prefix + "/webhooks"; len(p) > len(webhooks) && !strings.Contains(p, "/.") && path.Clean(p) == webhooks {
		return s.route("/webhooks")
	}
	return route{name: "unknown"}
}

// route finds what serves a path below the prefix; one without serve is not there.
func (s *Site) route(below string) route {
	get, post := http.MethodGet, http.MethodPost
	switch {
	case below == "/openid" && s.WxLite != nil:
		if s.Login != nil {
			return route{"openid", []string{post}, s.openid}
		}
		return route{"openid", []string{get, post}, s.openid}
	case below == "/oauth/start" && s.WxPub != nil:
		return route{"oauth", []string{get}, s.oauthStart}
	case below == "/oauth/callback" && s.WxPub != nil:
		return route{"oauth", []string{get}, s.oauthCallback}
	case below == "/jssdk" && s.WxPub != nil:
		return route{"jssdk", []string{get}, s.jssdk}
	case below == "/charges" && (s.Orders != nil || s.ClientAmount != nil):
		return route{"charges", []string{post}, s.createCharge}
	case below == "/checkout" && s.Checkout != nil:
		return route{"checkout", []string{get}, s.checkout}
	case below == "/checkout.js" && s.Checkout != nil:
		return route{"checkout", []string{get}, s.Checkout.asset("text/javascript; charset=utf-8", checkoutScript)}
	case below == "/checkout.css" && s.Checkout != nil:
		return route{"checkout", []string{get}, s.Checkout.asset("text/css; charset=utf-8", s.Checkout.style())}
	case below == "/webhooks":
		return route{"webhooks", []string{post}, s.webhook}
	}
	if s.Merchant != nil {
		if rt := s.merchantRoute(below); rt.serve != nil {
			return rt
		}
	}
	if rest, ok := strings.CutPrefix(below, "/charges/"); ok {
		id, sub, _ := strings.Cut(rest, "/")
		switch {
		case id == "":
		case sub == "" && rest == id:
			return route{"charge", []string{get}, func(w http.ResponseWriter, r *http.Request) error {
				return s.charge(w, r, id)
			}}
		case sub == "qr.svg" || sub == "qr.png":
			return route{"qr", []string{get}, func(w http.ResponseWriter, r *http.Request) error {
				return s.qr(w, r, id, sub)
			}}
		}
	}
	return route{name: "unknown"}
}

// NotFound answers for a path that is closed to the outside.
func (s *Site) NotFound(w http.ResponseWriter, r *http.Request) {
	turnAway(w, r, problem("not_found", nil))
}

// open returns the ledger, or the problem that it cannot be had.
func (s *Site) open(ctx context.Context) (ledger.Ledger, error) {
	l, err := s.Ledger(ctx)
	if err != nil {
		return nil, retryProblem("ledger_unavailable", 2*time.Second, fmt.Errorf("opening the ledger: %w", err))
	}
	return l, nil
}

// shortID shows enough of an openid to tell users apart in a log, and no more.
func shortID(openid string) string {
	if len(openid) <= 6 {
		return "…"
	}
	return openid[:6] + "…"
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Interface guards
var (
	_ http.Handler        = (*Site)(nil)
	_ http.ResponseWriter = (*statusRecorder)(nil)
)

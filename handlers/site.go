// Package handlers is what lies under /pay, in plain net/http: caddymodule gives it Caddy's configuration, logger and upstream. A site only
// routes; what the routes do is in its rooms, one file per route, each with no more than it needs: webhook, login, payment and merchant.
// They know the site as little as one another. What several of them need lies below: problem, body, reply, limits, backend and charge.
package handlers

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/webhook"
	"github.com/caddypay/caddypay/session"
)

// Site answers what lies under the prefix of one `pay` block.
type Site struct {
	Prefix   string // whole path segments: /pay
	Visitors *session.Visitors
	Webhooks *webhook.Webhooks
	Login    *login.Logins
	Payments *payment.Payments
	Merchant *merchant.API // nil: the merchant API is not there

	private  []PrivatePath
	origins  []string
	skipLog  func(*http.Request)
	problems *problem.Log
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
	body.Pace(w, r)
	rt := s.find(r.URL.Path)
	if guest := s.guest(r, rt); guest != "" { // whose answer may hold a session
		r = session.WithGuest(r, guest)
	}
	s.welcome(w, r, rt)
	if session.Guest(r) != "" || rt.name == "openid" || mayHoldCode(r.URL.RawQuery) || s.Visitors.Sent(r) != "" {
		s.skipLog(r)
		rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		start := s.problems.Now()
		defer func() {
			s.problems.Logger.Info("handled request", zap.String("method", r.Method), zap.String("host", r.Host),
				zap.String("path", r.URL.Path), zap.Int("status", rec.status), zap.Duration("duration", s.problems.Now().Sub(start)),
				zap.String("client_ip", s.problems.ClientIP(r)))
		}()
		w = rec
	}
	if err := s.serve(w, r, rt); err != nil {
		p := problem.As(err)
		s.problems.Report(r, rt.name, p)
		turnAway(w, r, p)
	}
}

// mayHoldCode reports whether a query shows a login code, or cannot be read well enough to tell.
func mayHoldCode(query string) bool {
	values, err := url.ParseQuery(query)
	return err != nil || values.Has("code")
}

func (s *Site) serve(w http.ResponseWriter, r *http.Request, rt route) error {
	if !s.Visitors.Secure(r) && !s.Visitors.AllowHTTP {
		return problem.New("https_required", nil)
	}
	if s.preflight(w, r, rt) { // also an early one: it does nothing
		return nil
	}
	if early(r) {
		return problem.New("too_early", nil)
	}
	if rt.serve == nil {
		return problem.New("not_found", nil)
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if !slices.Contains(rt.methods, method) {
		return &problem.Problem{Code: "method_not_allowed", Allow: strings.Join(rt.methods, ", ")}
	}
	return rt.serve(w, r)
}

// turnAway answers with a problem, whether the request's body has been read or not.
func turnAway(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	body.Unread(w, r)
	p.Write(w, r)
}

// NotFound answers for a path that is closed to the outside.
func (s *Site) NotFound(w http.ResponseWriter, r *http.Request) {
	turnAway(w, r, problem.New("not_found", nil))
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

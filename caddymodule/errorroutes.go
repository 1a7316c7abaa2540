package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddypay/caddypay/handlers"
)

// errorGuard stands before the error routes of a site (`handle_errors`). Caddy runs those without pay when a request has failed before it
// came there, as with strict SNI: a reverse_proxy among them would hand forged headers to the backend, and anybody
// what is behind wechat_auth and the backend's own paths.
type errorGuard struct{ pay *Handler }

// ServeHTTP lets go on what pay has seen, or would have passed on to a site that is open to all, and ends all else with the error's status.
func (g errorGuard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if visitOf(r) == nil {
		newVisit(r)
	}
	handlers.StripHops(r)
	if passageOf(r, g.pay.resolved.Prefix) != nil {
		return next.ServeHTTP(w, r)
	}
	if p := r.URL.Path; !handlers.PlainTarget(r.URL) || g.pay.site.Owns(p) || g.pay.site.IsPrivate(p, r.URL.RawQuery) || g.pay.guarded.before(r, p) {
		w.WriteHeader(statusOf(r))
		return nil
	}
	g.pay.strip(r)
	return next.ServeHTTP(w, r)
}

// statusOf is the status of the error that a request has ended with.
func statusOf(r *http.Request) int {
	err, _ := r.Context().Value(caddyhttp.ErrorCtxKey).(error)
	if herr, ok := errors.AsType[caddyhttp.HandlerError](err); ok && herr.StatusCode > 0 {
		return herr.StatusCode
	}
	return http.StatusInternalServerError
}

// guardErrors puts a guard before all error routes that a request for this block can come to. Caddy provisions them after its ordinary
// routes.
func (h *Handler) guardErrors(ctx caddy.Context, r *resolver) error {
	before := func(routes *caddyhttp.RouteList, matching caddyhttp.MatcherSets) {
		guard := caddyhttp.Route{MatcherSets: matching, Handlers: []caddyhttp.MiddlewareHandler{errorGuard{h}}}
		*routes = append(caddyhttp.RouteList{guard}, *routes...)
	}
	for _, m := range ctx.Modules() {
		if sub, ok := m.(*caddyhttp.Subroute); ok && sub.Errors != nil {
			before(&sub.Errors.Routes, nil)
		}
	}
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || srv.Errors == nil || len(srv.Errors.Routes) == 0 {
		return nil
	}
	route := underProvision(srv.Routes)
	if route == nil { // a named route, which comes after the error routes
		return r.errorf("handle_errors", "would hand requests to a backend that pay has not seen, since pay stands in a named route; put the pay block directly into the site, or leave handle_errors out")
	}
	before(&srv.Errors.Routes, route.MatcherSets)
	return nil
}

// Interface guards
var _ caddyhttp.MiddlewareHandler = errorGuard{}

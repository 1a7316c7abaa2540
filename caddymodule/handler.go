package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers"
	"github.com/caddypay/caddypay/session"
)

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.pay", New: func() caddy.Module { return new(Handler) }}
}

// ServeHTTP answers what lies under the prefix, closes the backend's own paths, and passes everything else on with the
// user's identity.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := visitOf(r)
	if v == nil {
		v = newVisit(r)
	}
	v.named = append(v.named, handlers.StripHops(r)...)
	switch {
	case !handlers.PlainTarget(r.URL):
		h.site.RefuseTarget(w, r)
		return nil
	case h.site.Owns(r.URL.Path):
		if h.app.knocks.answer(w, r, &h.resolved) {
			return nil
		}
		h.site.ServeHTTP(w, r)
		return nil
	case h.site.IsPrivate(r.URL.Path, r.URL.RawQuery):
		h.site.NotFound(w, r)
		return nil
	case h.guarded.passed(r):
		h.site.RefuseTarget(w, r)
		return nil
	case handlers.TooEarly(r):
		h.site.RefuseEarly(w, r)
		return nil
	}
	p := &passage{site: h.site, outer: v.inner}
	p.id, p.err = h.site.Visitors.Identify(r)
	v.inner = p
	if p.err == nil && p.id.OpenID != "" && v.told == nil {
		v.told = &p.id
		session.SetIdentity(r.Header, p.id)
	}
	h.strip(r)
	err := next.ServeHTTP(w, r)
	if p.answered {
		return nil
	}
	return err
}

// strip takes out of a request that goes on to the site what is ours alone, and the headers that would lead it past our checks.
func (h *Handler) strip(r *http.Request) {
	h.site.StripOwn(r)
	handlers.StripRewrites(r.Header, func(path, query string) bool { return h.site.IsPrivate(path, query) || h.guarded.before(r, path) })
}

// sessionOf returns the token that the request carried in X-Pay-Session.
func sessionOf(r *http.Request) string {
	if v := visitOf(r); v != nil {
		return v.session.Reveal()
	}
	return ""
}

// bearerOf returns the token that the request carried in Authorization, if it may be a session.
func bearerOf(r *http.Request) string {
	if v := visitOf(r); v != nil {
		return v.bearer.Reveal()
	}
	return ""
}

// secure reports whether the client surely came by HTTPS, to Caddy or to a trusted proxy in front of it.
func secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return trustedPeer(r) && session.SaysHTTPS(r.Header)
}

// clientIP is the client's address as the server trusts it.
func clientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// Cleanup leaves no connection behind. It also runs when Provision failed.
func (h *Handler) Cleanup() error {
	if h.upstream != nil {
		h.upstream.end()
	}
	if h.resolved.Pingpp != nil {
		h.resolved.Pingpp.Close()
	}
	return nil
}

func zapSite(name string) zap.Field { return zap.String("site", name) }

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)

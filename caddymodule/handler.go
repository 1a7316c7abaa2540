package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers"
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
	switch {
	case h.site.Owns(r.URL.Path):
		h.site.ServeHTTP(w, r)
		return nil
	case h.site.IsPrivate(r.URL.Path, r.URL.RawQuery):
		h.site.NotFound(w, r)
		return nil
	}
	p := &passage{site: h.site, outer: v.inner}
	p.id, p.err = h.site.Identify(r)
	v.inner = p
	if p.err == nil && p.id.OpenID != "" && v.told == nil {
		v.told = &p.id
		handlers.SetIdentity(r.Header, p.id)
	}
	h.site.StripCookies(r.Header)
	err := next.ServeHTTP(w, r)
	if p.answered {
		return nil
	}
	return err
}

// sessionOf returns the token that the request carried in X-Pay-Session.
func sessionOf(r *http.Request) string {
	if v := visitOf(r); v != nil {
		return v.session
	}
	return ""
}

// secure reports whether the client surely came by HTTPS, to Caddy or to a trusted proxy in front of it.
func secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return trustedPeer(r) && r.Header.Get("X-Forwarded-Proto") == "https"
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
	if h.site != nil && h.site.Pingpp != nil {
		h.site.Pingpp.Close()
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

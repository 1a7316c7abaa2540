package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers"
)

// The request's variables that two pay blocks on one site share.
const (
	varSession  = "pay.session"  // the token that the request carried in X-Pay-Session; set once the headers are stripped
	varIdentity = "pay.identity" // set once a block has told the backend who the user is
)

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.pay", New: func() caddy.Module { return new(Handler) }}
}

// ServeHTTP answers what lies under the prefix, closes the backend's own paths, and passes everything else on with the
// user's identity.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if caddyhttp.GetVar(r.Context(), varSession) == nil {
		caddyhttp.SetVar(r.Context(), varSession, handlers.StripTrusted(r.Header))
		setPlaceholders(r, handlers.Identity{}) // empty rather than unknown, which header_up would send as it is spelled
	}
	switch {
	case h.site.Owns(r.URL.Path):
		h.site.ServeHTTP(w, r)
		return nil
	case h.site.IsPrivate(r.URL.Path):
		h.site.NotFound(w, r)
		return nil
	}
	p := &passage{site: h.site}
	p.id, p.err = h.site.Identify(r)
	caddyhttp.SetVar(r.Context(), h.passage, p)
	if p.err == nil && p.id.OpenID != "" && caddyhttp.GetVar(r.Context(), varIdentity) == nil {
		caddyhttp.SetVar(r.Context(), varIdentity, true)
		handlers.SetIdentity(r.Header, p.id)
		setPlaceholders(r, p.id)
	}
	h.site.StripCookies(r.Header)
	err := next.ServeHTTP(w, r)
	if p.answered {
		return nil
	}
	return err
}

func setPlaceholders(r *http.Request, id handlers.Identity) {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.pay.openid", id.OpenID)
	repl.Set("http.pay.appid", id.AppID)
}

// sessionOf returns the token that ServeHTTP took from the headers.
func sessionOf(r *http.Request) string {
	token, _ := caddyhttp.GetVar(r.Context(), varSession).(string)
	return token
}

// secure reports whether the client surely came by HTTPS, to Caddy or to a trusted proxy in front of it.
func secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted && r.Header.Get("X-Forwarded-Proto") == "https"
}

// clientIP is the client's address as the server trusts it.
func clientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// Cleanup leaves no connection to the backend behind. It also runs when Provision failed.
func (h *Handler) Cleanup() error {
	if h.upstream != nil {
		h.upstream.end()
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

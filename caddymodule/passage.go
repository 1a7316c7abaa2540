package caddymodule

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddypay/caddypay/handlers"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

// visit is what the pay blocks of a site know of a request.
type visit struct {
	session redact.Secret     // the token that it carried in X-Pay-Session
	chain   []string          // X-Forwarded-For, if a trusted proxy wrote it
	named   []string          // headers that are gone since Connection named them
	bearer  redact.Secret     // the one in Authorization, if it may be a session
	told    *session.Identity // who the backend is told that the user is; nil: nobody
	inner   *passage          // through the block that it passed last; nil: none yet
}

// passage is a request that a pay block has passed on to the site: what wechat_auth and pay_paid know of it.
type passage struct {
	site     *handlers.Site
	outer    *passage // through the block before
	id       session.Identity
	err      error // why there is no identity
	answered bool  // wechat_auth has written the whole answer; the error that authentication then returns means nothing
}

// varVisit is the request's variable of its visit.
const varVisit = "pay.visit"

// newVisit takes from a request the headers that nobody may send from outside, keeps the sessions that it carries, and gives it the placeholders of the user.
func newVisit(r *http.Request) *visit {
	v := &visit{session: redact.New(handlers.StripTrusted(r.Header)), bearer: redact.New(session.Bearer(r.Header))}
	if chain := r.Header["X-Forwarded-For"]; len(chain) > 0 && trustedPeer(r) {
		v.chain = slices.Clone(chain)
	}
	caddyhttp.SetVar(r.Context(), varVisit, v)
	r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Map(v.placeholder)
	return v
}

// visitOf returns nil where no pay block has seen the request.
func visitOf(r *http.Request) *visit {
	v, _ := caddyhttp.GetVar(r.Context(), varVisit).(*visit)
	return v
}

// placeholder is empty rather than unknown without a user: header_up would send an unknown one as it is spelled.
func (v *visit) placeholder(key string) (any, bool) {
	var told session.Identity
	if v.told != nil {
		told = *v.told
	}
	switch key {
	case "http.pay.openid":
		return told.OpenID, true
	case "http.pay.appid":
		return told.AppID, true
	}
	return nil, false
}

// passageOf returns how a request came through the block with a prefix; nil when it did not.
func passageOf(r *http.Request, prefix string) *passage {
	v := visitOf(r)
	if v == nil {
		return nil
	}
	p := v.inner
	for p != nil && p.site.Prefix != prefix {
		p = p.outer
	}
	return p
}

// blockAround finds the pay block whose users a module of the site asks about, and returns its prefix: the one that is named, or
// else the only one through which the module's requests pass.
func blockAround(ctx caddy.Context, r *resolver, option, named, example string) (string, error) {
	found := blocksAround(ctx)
	switch {
	case named != "" && slices.Contains(found, named):
		return named, nil
	case named != "":
		return "", r.errorf(option, "there is no pay block with the prefix %s on this site%s", named, listed(found))
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", r.errorf(option, "there is no pay block on this site, whose users it could ask about; add one, like pay { … }")
	}
	return "", r.errorf(option, "there are several pay blocks on this site; name one of %s, like %s", strings.Join(found, ", "), example)
}

func listed(prefixes []string) string {
	if len(prefixes) == 0 {
		return ""
	}
	return "; write one of " + strings.Join(prefixes, ", ")
}

// blocksAround returns the prefixes of the pay blocks on the way to the module that is being provisioned: those in the server's own
// routes and in the subroutes that enclose the module. Caddy provisions all matchers of a list of routes before its handlers, so a block
// may still be JSON.
func blocksAround(ctx caddy.Context) (prefixes []string) {
	add := func(prefix string) {
		if prefix == "" {
			prefix = defaultPrefix
		}
		if !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	for _, routes := range routesAround(ctx) {
		for _, route := range routes {
			for _, h := range route.Handlers {
				if pay, ok := h.(*Handler); ok {
					add(pay.Prefix)
				}
			}
			for _, raw := range route.HandlersRaw {
				var h struct{ Handler, Prefix string }
				if json.Unmarshal(raw, &h) == nil && h.Handler == "pay" {
					add(h.Prefix)
				}
			}
		}
	}
	return prefixes
}

// routesAround returns the lists of routes on the way to the module that is being provisioned: the server's own and those of the
// subroutes that enclose the module, from the outside in.
func routesAround(ctx caddy.Context) (lists []caddyhttp.RouteList) {
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		lists = append(lists, srv.Routes)
	}
	for _, m := range ctx.Modules() {
		if sub, ok := m.(*caddyhttp.Subroute); ok {
			lists = append(lists, sub.Routes)
		}
	}
	return lists
}

// underProvision returns the route of a list whose handlers are being provisioned; nil when none is. Caddy provisions one route after the
// other, so it is the first whose handlers are not there yet.
func underProvision(routes caddyhttp.RouteList) *caddyhttp.Route {
	i := slices.IndexFunc(routes, func(r caddyhttp.Route) bool { return len(r.Handlers) == 0 && len(r.HandlersRaw) > 0 })
	if i < 0 {
		return nil
	}
	return &routes[i]
}

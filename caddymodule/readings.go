package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddypay/caddypay/handlers"
)

// guarded is where a wechat_auth stands: the matchers of the routes around it, from the outside in. All have to match.
type guarded []caddyhttp.MatcherSets

// guardedAround returns where the module stands that is being provisioned.
func guardedAround(ctx caddy.Context) (g guarded) {
	for _, routes := range routesAround(ctx) {
		if route := underProvision(routes); route != nil {
			g = append(g, route.MatcherSets)
		}
	}
	return g
}

func (g guarded) matches(r *http.Request) bool {
	for _, sets := range g {
		if ok, err := sets.AnyMatchWithError(r); err != nil || !ok {
			return false
		}
	}
	return true
}

// guards are where those of a site's wechat_auth stand that ask for one block's users.
type guards []guarded

// before reports whether one stands before a path, in one of the ways in which backends read it.
func (gs guards) before(r *http.Request, path string) bool {
	if len(gs) == 0 {
		return false
	}
	for reading := range handlers.Readings(path) {
		if gs.beforeAs(r, reading) {
			return true
		}
	}
	return false
}

// passed reports whether a backend could read a request's path as one that a wechat_auth stands before, while Caddy's matchers,
// which read it in one way, let the request go past it.
func (gs guards) passed(r *http.Request) bool {
	if len(gs) == 0 {
		return false
	}
	for reading := range handlers.Readings(r.URL.Path) {
		if reading != r.URL.Path && gs.beforeAs(r, reading) && !gs.beforeAs(r, r.URL.Path) {
			return true
		}
	}
	return false
}

// beforeAs reports whether one stands before a path as it is.
func (gs guards) beforeAs(r *http.Request, path string) bool {
	as, u := *r, *r.URL
	u.Path, u.RawPath, as.URL = path, "", &u
	for _, g := range gs {
		if g.matches(&as) {
			return true
		}
	}
	return false
}

package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// resolver turns configured values into real ones. Its errors name the option and the site, and never show a value.
type resolver struct {
	repl *caddy.Replacer
	site string
}

func newResolver(site string) *resolver {
	repl := caddy.NewReplacer()
	repl.Set("order_no", "{order_no}") // ours, filled in for each request
	return &resolver{repl: repl, site: site}
}

// errorf names the option and the site of a config error.
func (r *resolver) errorf(option, format string, args ...any) error {
	return fmt.Errorf("pay on %s: %s: %w", r.site, option, fmt.Errorf(format, args...))
}

// value resolves the placeholders of a value. One that resolves to nothing is an error: a missing secret must not become
// an empty one.
func (r *resolver) value(option, configured string) (string, error) {
	if configured == "" {
		return "", r.errorf(option, "is missing")
	}
	v, err := r.repl.ReplaceOrErr(configured, true, true)
	if err != nil {
		return "", r.errorf(option, "%q resolves to nothing: %w; set the variable in the environment of Caddy, or name a file that exists and is not empty", configured, err)
	}
	if v = strings.TrimSpace(v); v == "" {
		return "", r.errorf(option, "%q resolves to nothing", configured)
	}
	return v, nil
}

// pem returns PEM text from a value that is either the text or the name of a file that holds it.
func (r *resolver) pem(option, configured string) ([]byte, error) {
	v, err := r.value(option, configured)
	if err != nil {
		return nil, err
	}
	if strings.Contains(v, "-----BEGIN ") {
		return []byte(v), nil
	}
	if strings.ContainsAny(v, "\r\n") {
		return nil, r.errorf(option, "the value has several lines but no PEM block; it must hold -----BEGIN … KEY----- or name a PEM file")
	}
	raw, err := os.ReadFile(v)
	if err != nil {
		return nil, r.errorf(option, "%w; name a PEM file that Caddy's user can read, or give the PEM text", err)
	}
	return raw, nil
}

// siteOf names the site that a handler is being provisioned for: its hosts, or else the server's listeners. It also says
// whether the handler stands inside a block of the site, like handle, and returns the site's own route.
func siteOf(ctx caddy.Context) (name string, nested bool, route any) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return "a site", false, nil
	}
	name = strings.Join(srv.Listen, ", ")
	depth := 0
	for _, m := range ctx.Modules() {
		if _, ok := m.(*caddyhttp.Subroute); ok {
			depth++
		}
	}
	for i := range srv.Routes {
		r := &srv.Routes[i]
		// Routes are provisioned one after the other: ours is the first whose handlers are not there yet.
		if len(r.Handlers) > 0 || len(r.HandlersRaw) == 0 {
			continue
		}
		route = r
		for _, set := range r.MatcherSets {
			for _, m := range set {
				if hosts, ok := m.(*caddyhttp.MatchHost); ok {
					return strings.Join(*hosts, ", "), depth > 1, route
				}
			}
		}
		break
	}
	return name, depth > 0, srv
}

var errTooShort = errors.New("must have at least 32 characters; make one with: openssl rand -hex 32")

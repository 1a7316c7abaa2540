package caddymodule

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// resolver turns configured values into real ones. Its errors name the option and the site, and never show a value.
type resolver struct {
	repl  *caddy.Replacer
	site  string
	lines lines
}

func newResolver(site string, l lines) *resolver {
	repl := caddy.NewReplacer()
	repl.Set("order_no", "{order_no}") // ours, filled in for each request
	return &resolver{repl: repl, site: site, lines: l}
}

// errorf names the option and the site of a config error, and where the option stands.
func (r *resolver) errorf(option, format string, args ...any) error {
	return &configError{site: r.site, option: option, err: fmt.Errorf(format, args...), lines: r.lines}
}

// value resolves the placeholders of a value. One that resolves to nothing is an error: a missing secret must not become
// an empty one.
func (r *resolver) value(option, configured string) (string, error) {
	if configured == "" {
		return "", r.errorf(option, "is missing; %s", toWrite(option))
	}
	v, err := r.repl.ReplaceOrErr(configured, true, true)
	if v = strings.TrimSpace(v); err == nil && v != "" {
		return v, nil
	}
	// Of the value itself nothing is shown but the placeholder: the rest may be a secret.
	for _, p := range placeholder.FindAllString(configured, -1) {
		if v, _ := r.repl.GetString(p[1 : len(p)-1]); strings.TrimSpace(v) == "" {
			return "", r.errorf(option, "%s resolves to nothing; set the variable in the environment of Caddy, or name a file that exists and is not empty", p)
		}
	}
	if err != nil {
		return "", r.errorf(option, "what stands in braces is no placeholder that is known here; write {env.NAME} or {file.NAME}, or \\{ for a brace")
	}
	return "", r.errorf(option, "is blank; %s", toWrite(option))
}

// values resolves a list; nil stays nil.
func (r *resolver) values(option string, configured []string) (resolved []string, err error) {
	for _, c := range configured {
		v, err := r.value(option, c)
		if err != nil {
			return nil, err
		}
		resolved = append(resolved, v)
	}
	return resolved, nil
}

// placeholder finds what a value at provision can hold.
var placeholder = regexp.MustCompile(`\{(?:env|file|system|time)\.[^{}]+\}`)

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
	if _, err := base64.StdEncoding.DecodeString(v); err == nil && len(v) > 100 { // must not become a file name in an error
		return nil, r.errorf(option, "is the base64 of a key without its first and last line; put -----BEGIN … KEY----- before and -----END … KEY----- after it")
	}
	raw, err := os.ReadFile(v)
	if err != nil {
		return nil, r.errorf(option, "%w; name a PEM file that Caddy's user can read, or give the PEM text", err)
	}
	return raw, nil
}

// siteOf names the site that a handler is being provisioned for: its hosts, or else the server's listeners. It also says
// whether the handler stands inside a block of the site, like handle, and returns what encloses it, which is the same for
// handlers that see the same requests.
func siteOf(ctx caddy.Context) (name string, nested bool, enclosing any) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return "a site", false, nil
	}
	name, enclosing = strings.Join(srv.Listen, ", "), srv
	depth := 0
	for _, m := range ctx.Modules() {
		if _, ok := m.(*caddyhttp.Subroute); ok {
			enclosing = m
			depth++
		}
	}
	r := underProvision(srv.Routes)
	if r == nil {
		return name, depth > 0, enclosing
	}
	if depth == 0 && len(r.MatcherSets) > 0 {
		enclosing = r
	}
	for _, set := range r.MatcherSets {
		for _, m := range set {
			if hosts, ok := m.(*caddyhttp.MatchHost); ok {
				name = strings.Join(*hosts, ", ")
			}
		}
	}
	if r.Terminal { // the Caddyfile's wrapping of a whole site
		depth--
	}
	return name, depth > 0, enclosing
}

var errTooShort = errors.New("must have at least 32 characters; make one with: openssl rand -hex 32")

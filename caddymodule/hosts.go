package caddymodule

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// hosts is what a site is called in its configuration. What a request says in Host is its sender's choice, but for what routing
// compares: the name without regard to case, and no port.
type hosts struct {
	names []string // lower case; empty where the site takes every name
	any   bool     // wildcards and placeholders are among them, which routing has compared
	ports []string // that the server listens on
}

// hostsOf returns what the site that is being provisioned is called.
func hostsOf(ctx caddy.Context) *hosts {
	h := &hosts{}
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return h
	}
	for _, listen := range srv.Listen {
		addr, err := caddy.ParseNetworkAddress(listen)
		if err != nil || addr.IsUnixNetwork() || addr.PortRangeSize() > 1000 {
			continue
		}
		for port := addr.StartPort; port <= addr.EndPort; port++ {
			h.ports = append(h.ports, strconv.FormatUint(uint64(port), 10))
		}
	}
	if r := underProvision(srv.Routes); r != nil {
		for _, set := range r.MatcherSets {
			for _, m := range set {
				if names, ok := m.(*caddyhttp.MatchHost); ok {
					for _, name := range *names {
						h.names = append(h.names, strings.ToLower(name))
						h.any = h.any || strings.ContainsAny(name, "*{")
					}
				}
			}
		}
	}
	return h
}

// isHostName says whether a name in lower case is what a host may be called: a name, or an IPv6 address without its brackets.
func isHostName(s string) bool {
	inName := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' }
	inAddress := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
	if colon := strings.IndexByte(s, ':'); colon >= 0 {
		for i := range len(s) {
			if !inAddress(s[i]) && (i < colon || s[i] != ':' && s[i] != '.') {
				return false
			}
		}
		return colon <= 4 && len(s)-colon-1 >= 1 && len(s)-colon-1 <= 42
	}
	for i := range len(s) {
		if !inName(s[i]) && (i == 0 || i == len(s)-1 || s[i] != '.' && s[i] != '-') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 254
}

// of returns the host that a request came to, as the site's configuration has it: in lower case, with a port only if the server listens
// there and clients have to name it. It is kept with what the request leaves behind, for the backend to see long after.
func (h *hosts) of(r *http.Request) string {
	name, port := strings.ToLower(r.Host), ""
	if host, p, err := net.SplitHostPort(name); err == nil {
		name, port = host, p
	}
	name = strings.TrimSuffix(strings.Trim(name, "[]"), ".")
	if len(h.names) > 0 && !h.any && !slices.Contains(h.names, name) {
		name = h.names[0]
	} else if !isHostName(name) {
		return ""
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port == "" || port == "80" || port == "443" || !slices.Contains(h.ports, port) {
		return name
	}
	return name + ":" + port
}

package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// sourcesOf returns the addresses that a request may come from, all of which have to be allowed. As a rule that is the client's.
//
// Behind trusted proxies Caddy takes the leftmost address of X-Forwarded-For for the client's, unless trusted_proxies_strict is set. That one
// is whatever the client wrote there itself, when the first proxy appends to the header; its real address comes after it. So the
// whole chain has to be allowed then.
//
// A peer that speaks for somebody else and is not trusted is an error: it is a proxy that trusted_proxies does not name, and its own
// address, which may well be allowed, says nothing about who calls.
//
// A header that Connection named is gone, and may have been what a proxy said of its client: some pass a client's Connection on.
func sourcesOf(r *http.Request) ([]string, error) {
	sources := []string{clientIP(r)}
	if v := visitOf(r); v != nil && len(v.named) > 0 {
		return nil, fmt.Errorf("%s names the header %.60q in Connection, so that what a proxy may have said of the caller's address is gone; let the caller leave it out, or have the proxy take Connection out",
			sources[0], v.named[0])
	}
	var headers []string
	srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if ok {
		headers = srv.ClientIPHeaders
	}
	if !trustedPeer(r) {
		for _, name := range append([]string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"}, headers...) {
			if len(r.Header.Values(name)) > 0 {
				return nil, fmt.Errorf("%s sends %s and is not in trusted_proxies, so that the caller's own address is not known; if it is a proxy of yours, name it there; if it is the caller, let it leave the header out",
					sources[0], name)
			}
		}
		return sources, nil
	}
	if !ok || srv.TrustedProxiesStrict > 0 {
		return sources, nil
	}
	if len(headers) == 0 {
		headers = []string{"X-Forwarded-For"}
	}
	for _, name := range headers {
		for _, value := range r.Header.Values(name) {
			for part := range strings.SplitSeq(value, ",") {
				addr := strings.TrimSpace(part)
				if host, _, err := net.SplitHostPort(addr); err == nil {
					addr = host
				}
				sources = append(sources, addr)
			}
		}
	}
	return sources, nil
}

// trustedPeer reports whether a request came from a proxy that trusted_proxies names.
func trustedPeer(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

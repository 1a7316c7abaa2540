package caddymodule

import (
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
func sourcesOf(r *http.Request) []string {
	sources := []string{clientIP(r)}
	srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if !ok || !trusted || srv.TrustedProxiesStrict > 0 {
		return sources
	}
	headers := srv.ClientIPHeaders
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
	return sources
}

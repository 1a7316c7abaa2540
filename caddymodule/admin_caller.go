package caddymodule

import (
	"net"
	"net/http"
)

// callerOf says who makes a request of the admin API as Caddy knows it: the certificate that it has verified (its remote admin endpoint),
// the Unix socket, to which its file's mode admits, or else the address. Nothing that the request says of itself counts.
func callerOf(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return "certificate " + r.TLS.VerifiedChains[0][0].Subject.String()
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); ok {
		return "unix socket " + at.Name
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address " + host
}

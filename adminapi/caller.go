package adminapi

import (
	"context"
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

type byKey struct{}

// WithBy says who makes the requests of a context: what a site's own login has found out, never a claim. Without it a decision is of nobody.
func WithBy(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, byKey{}, who)
}

func byOf(ctx context.Context) string {
	who, _ := ctx.Value(byKey{}).(string)
	return who
}

// Package backend is the merchant's backend, as it is called for a user's request: who it is told that the user is, and what is made of its
// refusals.
package backend

import (
	"net/http"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

// Backend is that of one site.
type Backend struct {
	http.RoundTripper
	Token    redact.Secret // sent as X-Pay-Token
	Visitors *session.Visitors
}

// Introduce sets the headers of a call to the backend that is made for a user's request: what the shop may want to know of its own
// client, who the user is, and how it can tell that the call is ours.
func (b *Backend) Introduce(h http.Header, r *http.Request, id session.Identity) {
	for name, values := range map[string][]string{
		"Cookie":          b.Visitors.Foreign(r.Header),
		"Authorization":   b.Visitors.ShopAuthorization(r),
		"Accept-Language": r.Header.Values("Accept-Language"),
		"User-Agent":      r.Header.Values("User-Agent"),
	} {
		if len(values) > 0 {
			h[name] = values
		}
	}
	h.Set("Accept", "application/json")
	session.SetIdentity(h, id)
	h.Set("X-Pay-Mode", string(b.Visitors.Scope.Mode))
	if !b.Token.Empty() {
		h.Set("X-Pay-Token", b.Token.Reveal())
	}
}

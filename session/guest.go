package session

import (
	"context"
	"net/http"
)

type guestKey struct{}

// WithGuest marks a request as one of a page of another origin, which may call the route. A guest's session is in a header, whichever way
// it goes: a cookie would come along whoever had the page send the request.
func WithGuest(r *http.Request, origin string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), guestKey{}, origin))
}

// Guest returns the origin of a guest's page; empty for all others.
func Guest(r *http.Request) string {
	origin, _ := r.Context().Value(guestKey{}).(string)
	return origin
}

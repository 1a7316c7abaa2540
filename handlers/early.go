package handlers

import (
	"net/http"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/session"
)

// early reports whether a request comes before its client has proven to be there: whoever has recorded it could send it again, from any
// address (0-RTT of QUIC; RFC 8470). A proxy in front says with Early-Data that it was so with the client.
func early(r *http.Request) bool {
	return r.TLS != nil && !r.TLS.HandshakeComplete || len(r.Header["Early-Data"]) > 0
}

// TooEarly reports whether a request to the site comes early and may change something there, in the user's name. One that only reads may come
// early: its answer is for the client alone. Under the prefix nothing may, since a GET there can use up a login code.
func TooEarly(r *http.Request) bool { return early(r) && !session.OnlyReads(r) }

// RefuseEarly answers such a request. Clients send it again by themselves once the handshake is over.
func (s *Site) RefuseEarly(w http.ResponseWriter, r *http.Request) {
	turnAway(w, r, problem.New("too_early", nil))
}

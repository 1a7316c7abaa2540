package handlers

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// StripHops takes out of a request what would change its headers behind us: trailers, which some backends read as headers, and the
// names in Connection, by which a client could have our own headers deleted on their way. The client's headers of those names go now,
// as every proxy must see to; whatever is set afterwards stays. It returns those names.
func StripHops(r *http.Request) (named []string) {
	r.Trailer = nil // the server fills the map of the request that it made, and of this one no more
	delete(r.Header, "Trailer")
	values := r.Header["Connection"]
	if !slices.ContainsFunc(values, namesHeader) {
		return nil
	}
	var kept []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			switch name = textproto.TrimString(name); {
			case name == "":
			case aboutConnection(name):
				kept = append(kept, name)
			default:
				r.Header.Del(name)
				named = append(named, name)
			}
		}
	}
	if r.Header.Del("Connection"); len(kept) > 0 {
		r.Header["Connection"] = []string{strings.Join(kept, ", ")}
	}
	return named
}

// namesHeader reports whether a value of Connection names a header of the client's.
func namesHeader(value string) bool {
	for name := range strings.SplitSeq(value, ",") {
		if name = textproto.TrimString(name); name != "" && !aboutConnection(name) {
			return true
		}
	}
	return false
}

// aboutConnection reports whether a name in Connection is about the connection itself.
func aboutConnection(name string) bool {
	switch len(name) {
	case len("te"):
		return strings.EqualFold(name, "te")
	case len("close"):
		return strings.EqualFold(name, "close")
	case len("upgrade"):
		return strings.EqualFold(name, "upgrade")
	case len("keep-alive"):
		return strings.EqualFold(name, "keep-alive")
	}
	return false
}

// StripOwn takes out of a request that goes on to the site what the client says to us alone, our cookies and our session.
func (s *Site) StripOwn(r *http.Request) {
	s.Visitors.Strip(r.Header)
	if values := r.Header["Authorization"]; len(values) > 0 {
		switch own := s.Visitors.ShopAuthorization(r); {
		case len(own) == 0:
			delete(r.Header, "Authorization")
		case len(own) < len(values):
			r.Header["Authorization"] = own
		}
	}
}

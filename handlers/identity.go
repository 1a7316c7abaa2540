package handlers

import (
	"net/http"

	"github.com/caddypay/caddypay/session"
)

// StripTrusted deletes the headers by which the backend knows who is there, so that nobody can send them from outside. It
// returns the session token that the request carried in one of them.
//
// What counts is the name that the backend reads: CGI and its heirs (FastCGI, PHP, WSGI, Rack) show X_WX_OPENID and X-WX-OPENID
// as one variable.
func StripTrusted(h http.Header) (token string) {
	token = h.Get(session.Header)
	for name := range h {
		if readAs(name, "X-WX-") || readAs(name, "X-PAY-") {
			delete(h, name)
		}
	}
	return token
}

// readAs reports whether a header name begins with prefix, in any case and with any mark in place of a dash.
func readAs(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case (c < 'A' || c > 'Z') && (c < '0' || c > '9'):
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

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

// SetIdentity tells the backend who the user is, under the names that WeChat's own cloud hosting uses. Of an anonymous visitor it
// has nothing to tell.
func SetIdentity(h http.Header, id session.Identity) {
	if id.OpenID == "" {
		return
	}
	h.Set("X-WX-OPENID", id.OpenID)
	h.Set("X-WX-APPID", id.AppID)
	h.Set("X-WX-SOURCE", "wx_client")
	if id.UnionID != "" {
		h.Set("X-WX-UNIONID", id.UnionID)
	}
}

// introduce sets the headers of a call to the backend that is made for a user's request: what the shop may want to know of its own
// client, who the user is, and how it can tell that the call is ours.
func (s *Site) introduce(h http.Header, r *http.Request, id session.Identity) {
	for name, values := range map[string][]string{
		"Cookie":          s.Visitors.Foreign(r.Header),
		"Authorization":   s.Visitors.ShopAuthorization(r),
		"Accept-Language": r.Header.Values("Accept-Language"),
		"User-Agent":      r.Header.Values("User-Agent"),
	} {
		if len(values) > 0 {
			h[name] = values
		}
	}
	h.Set("Accept", "application/json")
	SetIdentity(h, id)
	h.Set("X-Pay-Mode", string(s.Scope.Mode))
	if s.Token != "" {
		h.Set("X-Pay-Token", s.Token)
	}
}

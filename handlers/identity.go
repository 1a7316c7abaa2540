package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The header that carries our session beside a shop's own Authorization.
const sessionHeader = "X-Pay-Session"

// StripTrusted deletes the headers by which the backend knows who is there, so that nobody can send them from outside. It
// returns the session token that the request carried in one of them.
//
// What counts is the name that the backend reads: CGI and its heirs (FastCGI, PHP, WSGI, Rack) show X_WX_OPENID and X-WX-OPENID
// as one variable.
func StripTrusted(h http.Header) (session string) {
	session = h.Get(sessionHeader)
	for name := range h {
		if readAs(name, "X-WX-") || readAs(name, "X-PAY-") {
			delete(h, name)
		}
	}
	return session
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
func SetIdentity(h http.Header, id Identity) {
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
func (s *Site) introduce(h http.Header, r *http.Request, id Identity) {
	for name, values := range map[string][]string{
		"Cookie":          s.foreignCookies(r.Header),
		"Authorization":   s.shopAuthorization(r),
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

var sessionMissing = problem("session_missing", nil) // one for all: most of a site's requests are without a session

// Identify returns who sent a request: by the session that StripTrusted took from the headers, else by Authorization: Bearer, else by
// the cookie. A cookie comes along by itself, so where the request may change something, or opens a websocket that may, it counts only on
// a page of this very site. The error is a Problem.
func (s *Site) Identify(r *http.Request) (Identity, error) {
	if token := s.Session(r); token != "" {
		return s.identity(r, token)
	}
	cookie := s.cookie(r, sessionCookie)
	if token := s.Bearer(r); token != "" {
		id, err := s.identity(r, token)
		if cookie == "" || codeOf(err) != "session_invalid" { // else it is the shop's own login
			return id, err
		}
	}
	if cookie == "" {
		return Identity{}, sessionMissing
	}
	if !reads(r) && !s.sameOrigin(r) {
		return Identity{}, foreignOrigin(r)
	}
	return s.identity(r, cookie)
}

// identity returns whose session a token is, on this site.
func (s *Site) identity(r *http.Request, token string) (Identity, error) {
	id, err := s.Sessions.Open(r.Context(), useSession, token)
	switch {
	case errors.Is(err, errSessionExpired):
		return Identity{}, problem("session_expired", nil)
	case errors.Is(err, errSessionInvalid):
		return Identity{}, problem("session_invalid", nil)
	case err != nil:
		return Identity{}, retryProblem("ledger_unavailable", 2*time.Second, err)
	case id.Scope != s.Scope:
		return Identity{}, problem("session_invalid", errors.New("a session of another app or mode"))
	case id.AppID != s.appID(id.Kind) || id.Kind != Anonymous && id.AppID == "":
		return Identity{}, problem("session_invalid", fmt.Errorf("a session of another %s account", id.Kind))
	}
	return id, nil
}

// BearerSession returns the bearer token if it has the form of ours (a JWE of five parts), so that a shop's own bearer
// login is left alone.
func BearerSession(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.Count(token, ".") != 4 {
		return ""
	}
	return strings.TrimSpace(token)
}

// shopAuthorization returns the values of Authorization that are the shop's own: a session of ours never goes to the backend,
// however the client wrote it, and a shop's own JWE does.
func (s *Site) shopAuthorization(r *http.Request) (own []string) {
	for _, value := range r.Header.Values("Authorization") {
		ours := slices.ContainsFunc(strings.FieldsFunc(value, authorizationMark), func(word string) bool {
			if strings.Count(word, ".") != 4 {
				return false
			}
			_, err := s.Sessions.Open(r.Context(), useSession, word)
			return !errors.Is(err, errSessionInvalid)
		})
		if !ours {
			own = append(own, value)
		}
	}
	return own
}

func authorizationMark(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(`,;="`, c) }

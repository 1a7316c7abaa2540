package handlers

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// The header that carries our session beside a shop's own Authorization.
const sessionHeader = "X-Pay-Session"

// StripTrusted deletes the headers by which the backend knows who is there, so that nobody can send them from outside. It
// returns the session token that the request carried in one of them.
func StripTrusted(h http.Header) (session string) {
	session = h.Get(sessionHeader)
	for name := range h {
		if upper := strings.ToUpper(name); strings.HasPrefix(upper, "X-WX-") || strings.HasPrefix(upper, "X-PAY-") {
			delete(h, name)
		}
	}
	return session
}

// SetIdentity tells the backend who the user is, under the names that WeChat's own cloud hosting uses.
func SetIdentity(h http.Header, id Identity) {
	h.Set("X-WX-OPENID", id.OpenID)
	h.Set("X-WX-APPID", id.AppID)
	h.Set("X-WX-SOURCE", "wx_client")
	if id.UnionID != "" {
		h.Set("X-WX-UNIONID", id.UnionID)
	}
}

// Identify returns who sent a request: by the session that StripTrusted took from the headers, else by Authorization: Bearer. The error is a Problem.
func (s *Site) Identify(r *http.Request) (Identity, error) {
	token := s.Session(r)
	if token == "" {
		token = bearerSession(r.Header)
	}
	if token == "" {
		return Identity{}, problem("session_missing", nil)
	}
	id, err := s.Sessions.Open(r.Context(), useSession, token)
	switch {
	case errors.Is(err, errSessionExpired):
		return Identity{}, problem("session_expired", nil)
	case errors.Is(err, errSessionInvalid):
		return Identity{}, problem("session_invalid", nil)
	case err != nil:
		return Identity{}, retryProblem("ledger_unavailable", 2*time.Second, err)
	case id.Scope != s.Scope || s.WxLite == nil || id.AppID != s.WxLite.AppID():
		return Identity{}, problem("session_invalid", errors.New("a session of another app or mode"))
	}
	return id, nil
}

// bearerSession returns the bearer token if it has the form of ours (a JWE of five parts), so that a shop's own bearer
// login is left alone.
func bearerSession(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.Count(token, ".") != 4 {
		return ""
	}
	return strings.TrimSpace(token)
}

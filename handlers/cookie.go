package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// The cookies of one pay block. Their names end so, after the block's prefix: __Host-pay_session.
const (
	sessionCookie = "session" // a page's session
	oauthCookie   = "oauth"   // what an OAuth round began with
)

// hostPrefix makes browsers keep a cookie to HTTPS and to this one host: no sister domain can set it.
const hostPrefix = "__Host-"

// cookieName is a cookie's name without hostPrefix. Two blocks on one site have cookies of their own.
func (s *Site) cookieName(use string) string {
	name := []byte(strings.TrimPrefix(s.Prefix, "/"))
	for i, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			name[i] = '_'
		}
	}
	return string(name) + "_" + use
}

// scheme is how the client came, as far as we can tell. Plain HTTP is believed only where it is served too; what an unknown proxy
// says then can but make a cookie safer.
func (s *Site) scheme(r *http.Request) string {
	if !s.AllowHTTP || s.Secure(r) || SaysHTTPS(r.Header) {
		return "https"
	}
	return "http"
}

// SaysHTTPS reports whether a proxy says that the client came by HTTPS. Of several proxies the first has seen the client.
func SaysHTTPS(h http.Header) bool {
	first, _, _ := strings.Cut(h.Get("X-Forwarded-Proto"), ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// mayHold reports whether a cookie for a use can be among the values of Cookie. Most requests have only the shop's own, and its name need
// not be made for those.
func mayHold(values []string, use string) bool {
	return slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, "_"+use) })
}

// cookie returns the value of a cookie of ours. Over HTTPS only one that no other host can have set is taken.
func (s *Site) cookie(r *http.Request, use string) string {
	if !mayHold(r.Header["Cookie"], use) {
		return ""
	}
	name := s.cookieName(use)
	if c, err := r.Cookie(hostPrefix + name); err == nil {
		return c.Value
	}
	if s.scheme(r) == "https" {
		return ""
	}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

// setCookie gives the browser a cookie of ours; an empty value takes it away.
func (s *Site) setCookie(w http.ResponseWriter, r *http.Request, use, value string, life time.Duration) {
	c := &http.Cookie{
		Name: s.cookieName(use), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if s.scheme(r) == "https" {
		c.Name, c.Secure = hostPrefix+c.Name, true
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// setSession gives the browser a session.
func (s *Site) setSession(w http.ResponseWriter, r *http.Request, id Identity) error {
	token, err := s.Sessions.Seal(r.Context(), useSession, id)
	if err != nil {
		return err
	}
	s.setCookie(w, r, sessionCookie, token, id.Expires.Sub(s.Now()))
	return nil
}

// prolong gives a visitor whose page is open a session of full length once half of the present one has gone: a code on the screen may be
// good for longer than a login, and its payer is nobody without the cookie.
func (s *Site) prolong(w http.ResponseWriter, r *http.Request, id Identity) {
	if id.Kind != Anonymous || id.Expires.Sub(s.Now()) > s.Sessions.TTL/2 {
		return
	}
	if own, err := s.identity(r, s.cookie(r, sessionCookie)); err != nil || own.Visitor != id.Visitor { // it came in a header
		return
	}
	id.Expires = s.expiry()
	if err := s.setSession(w, r, id); err != nil {
		s.Logger.Warn("a visitor's session could not be prolonged", zap.Error(err))
	}
}

// expiry is when a login of now ends.
func (s *Site) expiry() time.Time { return s.Now().Add(s.Sessions.TTL).Truncate(time.Second) }

// newVisitor makes an anonymous visitor of a browser that is on a page of this site.
func (s *Site) newVisitor(w http.ResponseWriter, r *http.Request) (Identity, error) {
	if !s.sameOrigin(r) {
		return Identity{}, foreignOrigin(r)
	}
	id := Identity{Kind: Anonymous, Visitor: visitorPrefix + randomText(s.Rand, 32), Scope: s.Scope, Expires: s.expiry()}
	return id, s.setSession(w, r, id)
}

// without reports whether a request is one without a session: none was sent, or only a cookie that is good for nothing any more,
// beside the shop's own login perhaps.
func (s *Site) without(r *http.Request, err error) bool {
	if s.Session(r) != "" {
		return false
	}
	if token := s.Bearer(r); token != "" {
		if _, err := s.identity(r, token); codeOf(err) != "session_invalid" {
			return false
		}
	}
	switch codeOf(err) {
	case "session_missing", "session_expired", "session_invalid":
		return true
	}
	return false
}

// sameOrigin reports whether a page of this very site sent a request, as the browser says.
func (s *Site) sameOrigin(r *http.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) &&
		(u.Scheme == "https" || u.Scheme == "http" && s.AllowHTTP && !s.Secure(r))
}

func foreignOrigin(r *http.Request) *Problem {
	return problem("origin_forbidden", fmt.Errorf("the request comes from the origin %.100q, not from a page of %s", r.Header.Get("Origin"), r.Host))
}

// StripCookies removes this block's cookies from the request, so that the backend does not see them.
func (s *Site) StripCookies(h http.Header) {
	if len(h["Cookie"]) == 0 {
		return
	}
	if values := s.foreignCookies(h); len(values) > 0 {
		h["Cookie"] = values
		return
	}
	delete(h, "Cookie")
}

// foreignCookies returns the values of Cookie without this block's own cookies. All others stay as the client wrote them.
func (s *Site) foreignCookies(h http.Header) []string {
	values := h["Cookie"]
	if !mayHold(values, sessionCookie) && !mayHold(values, oauthCookie) {
		return values
	}
	session, oauth := s.cookieName(sessionCookie), s.cookieName(oauthCookie)
	var kept []string
	for _, value := range values {
		if !strings.Contains(value, session) && !strings.Contains(value, oauth) {
			kept = append(kept, value)
			continue
		}
		var others []string
		for part := range strings.SplitSeq(value, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
			if name = strings.TrimPrefix(strings.TrimSpace(name), hostPrefix); name != session && name != oauth {
				others = append(others, part)
			}
		}
		if rest := strings.TrimSpace(strings.Join(others, ";")); rest != "" {
			kept = append(kept, rest)
		}
	}
	return kept
}

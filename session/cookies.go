package session

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What a cookie is for. Its name ends so, after the block's prefix: __Host-pay_session.
const (
	SessionCookie = "session" // a page's session
	RoundCookie   = "oauth"   // what an OAuth round began with
)

// Cookies are those of one pay block.
type Cookies struct {
	Prefix    string                   // the block's: two blocks on one site have cookies of their own
	AllowHTTP bool                     // plain HTTP is served too
	Secure    func(*http.Request) bool // whether the client surely came by HTTPS
}

// hostPrefix makes browsers keep a cookie to HTTPS and to this one host: no sister domain can set it.
const hostPrefix = "__Host-"

// name is a cookie's name without hostPrefix.
func (c *Cookies) name(use string) string {
	name := []byte(strings.TrimPrefix(c.Prefix, "/"))
	for i, b := range name {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			name[i] = '_'
		}
	}
	return string(name) + "_" + use
}

// Scheme is how the client came, as far as we can tell. Plain HTTP is believed only where it is served too; what an unknown proxy
// says then can but make a cookie safer.
func (c *Cookies) Scheme(r *http.Request) string {
	if !c.AllowHTTP || c.Secure(r) || SaysHTTPS(r.Header) {
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

// Get returns the value of a cookie of ours. Over HTTPS only one that no other host can have set is taken.
func (c *Cookies) Get(r *http.Request, use string) string {
	if !mayHold(r.Header["Cookie"], use) {
		return ""
	}
	name := c.name(use)
	if sent, err := r.Cookie(hostPrefix + name); err == nil {
		return sent.Value
	}
	if c.Scheme(r) == "https" {
		return ""
	}
	if sent, err := r.Cookie(name); err == nil {
		return sent.Value
	}
	return ""
}

// Set gives the browser a cookie of ours; an empty value takes it away.
func (c *Cookies) Set(w http.ResponseWriter, r *http.Request, use, value string, life time.Duration) {
	set := &http.Cookie{
		Name: c.name(use), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.Scheme(r) == "https" {
		set.Name, set.Secure = hostPrefix+set.Name, true
	}
	if value == "" {
		set.MaxAge = -1
	}
	http.SetCookie(w, set)
}

// SameOrigin reports whether a page of this very site sent a request, as the browser says.
func (c *Cookies) SameOrigin(r *http.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) &&
		(u.Scheme == "https" || u.Scheme == "http" && c.AllowHTTP && !c.Secure(r))
}

// Strip removes this block's cookies from the request, so that the backend does not see them.
func (c *Cookies) Strip(h http.Header) {
	if len(h["Cookie"]) == 0 {
		return
	}
	if values := c.Foreign(h); len(values) > 0 {
		h["Cookie"] = values
		return
	}
	delete(h, "Cookie")
}

// Foreign returns the values of Cookie without this block's own cookies. All others stay as the client wrote them.
func (c *Cookies) Foreign(h http.Header) []string {
	values := h["Cookie"]
	if !mayHold(values, SessionCookie) && !mayHold(values, RoundCookie) {
		return values
	}
	session, oauth := c.name(SessionCookie), c.name(RoundCookie)
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

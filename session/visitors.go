package session

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/caddypay/caddypay/ledger"
)

// Header carries our session beside a shop's own Authorization.
const Header = "X-Pay-Session"

// Visitors knows those who come to a site: by the token that a request carries, or by the browser's cookie.
type Visitors struct {
	*Tokens
	*Cookies
	Scope  ledger.Scope
	AppIDs map[Kind]string            // of the site's WeChat accounts
	Sent   func(*http.Request) string // the token that was taken from the request's Header
	Bearer func(*http.Request) string // what Bearer found in its headers
	Rand   io.Reader                  // randomness for the ids of anonymous visitors
}

var missing = &Error{Reason: Missing} // one for all: most of a site's requests are without a session

// Identify returns who sent a request: by the session that was taken from its Header, else by Authorization: Bearer, else by the cookie.
// A cookie comes along by itself, so where the request may change something, or opens a websocket that may, it counts only on a page of
// this very site. The error is an *Error where it is the request's fault.
func (v *Visitors) Identify(r *http.Request) (Identity, error) {
	if token := v.Sent(r); token != "" {
		return v.Whose(r, token)
	}
	cookie := v.Cookies.Get(r, SessionCookie)
	if token := v.Bearer(r); token != "" {
		id, err := v.Whose(r, token)
		if cookie == "" || reasonOf(err) != Invalid { // else it is the shop's own login
			return id, err
		}
	}
	if cookie == "" {
		return Identity{}, missing
	}
	if !OnlyReads(r) && !v.SameOrigin(r) {
		return Identity{}, ForeignOrigin(r)
	}
	return v.Whose(r, cookie)
}

// Whose returns whose session a token is, on this site.
func (v *Visitors) Whose(r *http.Request, token string) (Identity, error) {
	id, err := v.Open(r.Context(), ForSession, token)
	switch {
	case errors.Is(err, ErrExpired):
		return Identity{}, &Error{Reason: Expired}
	case errors.Is(err, ErrInvalid):
		return Identity{}, &Error{Reason: Invalid}
	case err != nil:
		return Identity{}, err
	case id.Scope != v.Scope:
		return Identity{}, &Error{Invalid, errors.New("a session of another app or mode")}
	case id.AppID != v.AppIDs[id.Kind] || id.Kind != Anonymous && id.AppID == "":
		return Identity{}, &Error{Invalid, fmt.Errorf("a session of another %s account", id.Kind)}
	}
	return id, nil
}

// Keep gives the browser a session; a guest's page itself has to keep it.
func (v *Visitors) Keep(w http.ResponseWriter, r *http.Request, id Identity) error {
	token, err := v.Seal(r.Context(), ForSession, id)
	if err != nil {
		return err
	}
	if Guest(r) != "" {
		w.Header().Set(Header, token)
		return nil
	}
	v.Cookies.Set(w, r, SessionCookie, token, id.Expires.Sub(v.Now()))
	return nil
}

// Prolong gives a visitor whose page is open a session of full length once half of the present one has gone: a code on the screen may be
// good for longer than a login, and its payer is nobody without the cookie.
func (v *Visitors) Prolong(w http.ResponseWriter, r *http.Request, id Identity) error {
	if id.Kind != Anonymous || id.Expires.Sub(v.Now()) > v.TTL/2 {
		return nil
	}
	if Guest(r) == "" {
		if own, err := v.Whose(r, v.Cookies.Get(r, SessionCookie)); err != nil || own.Visitor != id.Visitor { // it came in a header
			return nil
		}
	}
	id.Expires = v.Expiry()
	return v.Keep(w, r, id)
}

// New makes an anonymous visitor of a browser that is on a page of this site, or a guest's.
func (v *Visitors) New(w http.ResponseWriter, r *http.Request) (Identity, error) {
	if !v.SameOrigin(r) && Guest(r) == "" {
		return Identity{}, ForeignOrigin(r)
	}
	id := Identity{Kind: Anonymous, Visitor: visitorPrefix + RandomText(v.Rand, 32), Scope: v.Scope, Expires: v.Expiry()}
	return id, v.Keep(w, r, id)
}

// Unknown reports whether a request is one without a session, as Identify's error says: none was sent, or only a cookie that is good for
// nothing any more, beside the shop's own login perhaps.
func (v *Visitors) Unknown(r *http.Request, err error) bool {
	if v.Sent(r) != "" {
		return false
	}
	if token := v.Bearer(r); token != "" {
		if _, err := v.Whose(r, token); reasonOf(err) != Invalid {
			return false
		}
	}
	switch reasonOf(err) {
	case Missing, Expired, Invalid:
		return true
	}
	return false
}

// Bearer returns the bearer token if it has the form of ours (a JWE of five parts), so that a shop's own bearer login is left alone.
func Bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.Count(token, ".") != 4 {
		return ""
	}
	return strings.TrimSpace(token)
}

// ShopAuthorization returns the values of Authorization that are the shop's own: a session of ours never goes to the backend,
// however the client wrote it, and a shop's own JWE does.
func (v *Visitors) ShopAuthorization(r *http.Request) (own []string) {
	for _, value := range r.Header.Values("Authorization") {
		ours := slices.ContainsFunc(strings.FieldsFunc(value, authorizationMark), func(word string) bool {
			if strings.Count(word, ".") != 4 {
				return false
			}
			_, err := v.Open(r.Context(), ForSession, word)
			return !errors.Is(err, ErrInvalid)
		})
		if !ours {
			own = append(own, value)
		}
	}
	return own
}

func authorizationMark(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(`,;="`, c) }

// OnlyReads reports whether a request only reads: it does not say that it changes something, and opens no websocket that may.
func OnlyReads(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(r.Header["Upgrade"]) == 0
}

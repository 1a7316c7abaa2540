// Package session is who somebody is: the identities of those who pay, the sealed tokens that prove them, and the cookies in which browsers
// keep those.
package session

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
)

// Kind is what sort of visitor an identity is of.
type Kind string

// The kinds of identities. WeChat's are named as the channel that takes their openids.
const (
	WxLite    Kind = "wx_lite"   // a mini program's user
	WxPub     Kind = "wx_pub"    // an official account's user, on a web page inside WeChat
	Anonymous Kind = "anonymous" // a browser that we know again, and nothing more
)

// Identity is who somebody is, for one Ping++ app in one mode.
type Identity struct {
	Kind    Kind
	OpenID  string // who WeChat says the user is; empty for an anonymous visitor
	UnionID string // empty when the WeChat account is bound to no open-platform account
	AppID   string // the WeChat appid that the openid belongs to; empty for an anonymous visitor
	Visitor string // an anonymous visitor's random id, anon:…; empty for WeChat's users
	Scope   ledger.Scope
	Since   time.Time // when the session was given, or the login code exchanged
	Expires time.Time
}

// visitorPrefix begins an anonymous visitor's id. No openid has a colon, so the two can never be mistaken for one another.
const visitorPrefix = "anon:"

// Owner is the one to whom this identity's charges belong: the openid, or an anonymous visitor's id. It is never empty.
func (id Identity) Owner() string {
	if id.Kind == Anonymous {
		return id.Visitor
	}
	return id.OpenID
}

// Owns reports whether a charge is this identity's.
func (id Identity) Owns(c *ledger.Charge) bool {
	return c.Payer != "" && c.Payer == id.Owner() && c.PayerAppID == id.AppID
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

// short is the identity as it may be shown: with the start of who it is.
func (id Identity) short() Identity {
	for _, who := range []*string{&id.OpenID, &id.UnionID, &id.Visitor} {
		if *who != "" {
			*who = redact.ShortID(*who)
		}
	}
	return id
}

// String, Format and MarshalJSON show no more of an identity than [redact.ShortID] does, also where a struct that has one is printed or logged.
func (id Identity) String() string { return fmt.Sprintf("%+v", id) }

// Format does so for every verb.
func (id Identity) Format(f fmt.State, verb rune) {
	type shown Identity
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown(id.short()))
}

// MarshalJSON does so in JSON. Whoever is meant to get an identity whole gets its members one by one.
func (id Identity) MarshalJSON() ([]byte, error) {
	type shown Identity
	return json.Marshal(shown(id.short()))
}

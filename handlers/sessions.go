package handlers

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddypay/caddypay/ledger"
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

// owns reports whether a charge is this identity's.
func (id Identity) owns(c *ledger.Charge) bool {
	return c.Payer != "" && c.Payer == id.Owner() && c.PayerAppID == id.AppID
}

// Sessions turns identities into tokens that only this site's keys can read, and back. A token is a JWE (dir, A256GCM).
type Sessions struct {
	// Keys returns the keys, 32 bytes each: the first encrypts, all decrypt. It is called for each token, since the default
	// key is made when it is first needed.
	Keys func(context.Context) ([][]byte, error)
	// TTL is how long a login is good for.
	TTL time.Duration
	// Now is the clock.
	Now func() time.Time
}

// What a token is for. One made for one use is not valid for the other.
const (
	useSession = "session" // handed to the client
	useLogin   = "login"   // kept in the ledger beside an exchanged code
	useRound   = "oauth"   // kept in the browser while its user is at WeChat
)

const maxToken = 4096 // characters; ours have about 500

type claims struct {
	jwt.Claims
	Use     string `json:"use"`
	UnionID string `json:"unionid,omitempty"`
	AppID   string `json:"appid"`
	Kind    Kind   `json:"kind"`
	App     string `json:"app"`
	Mode    string `json:"mode"`
	Return  string `json:"return,omitempty"` // of an OAuth round
}

var (
	errSessionInvalid = errors.New("the token is not one of this site's")
	errSessionExpired = errors.New("the token has expired")
)

// Seal makes a token that says who somebody is until id.Expires.
func (s *Sessions) Seal(ctx context.Context, use string, id Identity) (string, error) {
	return s.seal(ctx, id.Expires, claims{
		Claims: jwt.Claims{Subject: id.Owner()},
		Use:    use, UnionID: id.UnionID, AppID: id.AppID, Kind: id.Kind,
		App: id.Scope.App, Mode: string(id.Scope.Mode),
	})
}

func (s *Sessions) seal(ctx context.Context, expires time.Time, c claims) (string, error) {
	keys, err := s.Keys(ctx)
	if err != nil {
		return "", err
	}
	enc, err := jose.NewEncrypter(jose.A256GCM,
		jose.Recipient{Algorithm: jose.DIRECT, Key: keys[0], KeyID: keyID(keys[0])},
		(&jose.EncrypterOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("session key: %w", err)
	}
	c.Issuer, c.IssuedAt, c.Expiry = "caddypay", jwt.NewNumericDate(s.Now()), jwt.NewNumericDate(expires)
	return jwt.Encrypted(enc).Claims(c).Serialize()
}

// Open reads a token back. It returns errSessionInvalid or errSessionExpired when the token is at fault.
func (s *Sessions) Open(ctx context.Context, use, token string) (Identity, error) {
	c, err := s.open(ctx, use, token)
	if err != nil {
		return Identity{}, err
	}
	return c.identity()
}

// open reads the claims of a token that was made for a use and has not expired.
func (s *Sessions) open(ctx context.Context, use, token string) (*claims, error) {
	if token == "" || len(token) > maxToken {
		return nil, errSessionInvalid
	}
	parsed, err := jwt.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, errSessionInvalid
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		var c claims
		if parsed.Headers[0].KeyID != keyID(key) || parsed.Claims(key, &c) != nil {
			continue
		}
		if c.Issuer != "caddypay" || c.Use != use || c.Subject == "" || c.Expiry == nil {
			return nil, errSessionInvalid
		}
		if !s.Now().Before(c.Expiry.Time()) {
			return nil, errSessionExpired
		}
		return &c, nil
	}
	return nil, errSessionInvalid
}

// identity is whom the claims name, if they fit together.
func (c *claims) identity() (Identity, error) {
	id := Identity{
		Kind: c.Kind, UnionID: c.UnionID, AppID: c.AppID,
		Scope:   ledger.Scope{App: c.App, Mode: ledger.Mode(c.Mode)},
		Expires: c.Expiry.Time(),
	}
	visitor := strings.HasPrefix(c.Subject, visitorPrefix)
	switch {
	case c.Kind == Anonymous && visitor && c.AppID == "" && c.UnionID == "":
		id.Visitor = c.Subject
	case (c.Kind == WxLite || c.Kind == WxPub) && !visitor:
		id.OpenID = c.Subject
	default:
		return Identity{}, errSessionInvalid
	}
	return id, nil
}

// oauthRound is an OAuth round: a browser that has been sent to WeChat.
type oauthRound struct {
	State   string // comes back with WeChat's answer
	Return  string // where the browser goes in the end: a path of the site
	Expires time.Time
}

func (s *Sessions) sealRound(ctx context.Context, r oauthRound) (string, error) {
	return s.seal(ctx, r.Expires, claims{Claims: jwt.Claims{Subject: r.State}, Use: useRound, Return: r.Return})
}

func (s *Sessions) openRound(ctx context.Context, token string) (oauthRound, error) {
	c, err := s.open(ctx, useRound, token)
	if err != nil {
		return oauthRound{}, err
	}
	return oauthRound{State: c.Subject, Return: c.Return, Expires: c.Expiry.Time()}, nil
}

// codeKeys returns the names under which an exchanged code is remembered, one for each key, the current key's first. Who
// reads the ledger cannot tell the code from them.
func (s *Sessions) codeKeys(ctx context.Context, appID, code string) ([][]byte, error) {
	keys, err := s.Keys(ctx)
	if err != nil {
		return nil, err
	}
	names := make([][]byte, 0, len(keys))
	for _, key := range keys {
		sub, err := hkdf.Key(sha256.New, key, nil, "caddypay login code", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("session key: %w", err)
		}
		mac := hmac.New(sha256.New, sub)
		mac.Write([]byte(appID + "\x00" + code))
		names = append(names, mac.Sum(nil))
	}
	return names, nil
}

// keyID names a key without telling anything of it, so that a token finds its key while two are in use.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("caddypay key id\x00"), key...))
	return hex.EncodeToString(sum[:6])
}

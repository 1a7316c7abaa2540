package session

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

// Tokens turns identities into tokens that only this site's keys can read, and back. A token is a JWE (dir, A256GCM).
type Tokens struct {
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
	ForSession = "session" // handed to the client
	ForLogin   = "login"   // kept in the ledger beside an exchanged code
	forRound   = "oauth"   // kept in the browser while its user is at WeChat
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

// What is wrong with a token.
var (
	ErrInvalid = errors.New("the token is not one of this site's")
	ErrExpired = errors.New("the token has expired")
)

// Expiry is when a login of now ends.
func (t *Tokens) Expiry() time.Time { return t.Now().Add(t.TTL).Truncate(time.Second) }

// Seal makes a token that says who somebody is until id.Expires.
func (t *Tokens) Seal(ctx context.Context, use string, id Identity) (string, error) {
	return t.seal(ctx, id.Expires, claims{
		Claims: jwt.Claims{Subject: id.Owner()},
		Use:    use, UnionID: id.UnionID, AppID: id.AppID, Kind: id.Kind,
		App: id.Scope.App, Mode: string(id.Scope.Mode),
	})
}

func (t *Tokens) seal(ctx context.Context, expires time.Time, c claims) (string, error) {
	keys, err := t.Keys(ctx)
	if err != nil {
		return "", err
	}
	enc, err := jose.NewEncrypter(jose.A256GCM,
		jose.Recipient{Algorithm: jose.DIRECT, Key: keys[0], KeyID: keyID(keys[0])},
		(&jose.EncrypterOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("session key: %w", err)
	}
	c.Issuer, c.IssuedAt, c.Expiry = "caddypay", jwt.NewNumericDate(t.Now()), jwt.NewNumericDate(expires)
	return jwt.Encrypted(enc).Claims(c).Serialize()
}

// Open reads a token back. It returns ErrInvalid or ErrExpired when the token is at fault.
func (t *Tokens) Open(ctx context.Context, use, token string) (Identity, error) {
	c, err := t.open(ctx, use, token)
	if err != nil {
		return Identity{}, err
	}
	return c.identity()
}

// open reads the claims of a token that was made for a use and has not expired.
func (t *Tokens) open(ctx context.Context, use, token string) (*claims, error) {
	if token == "" || len(token) > maxToken {
		return nil, ErrInvalid
	}
	parsed, err := jwt.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, ErrInvalid
	}
	keys, err := t.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		var c claims
		if parsed.Headers[0].KeyID != keyID(key) || parsed.Claims(key, &c) != nil {
			continue
		}
		if c.Issuer != "caddypay" || c.Use != use || c.Subject == "" || c.Expiry == nil {
			return nil, ErrInvalid
		}
		if !t.Now().Before(c.Expiry.Time()) {
			return nil, ErrExpired
		}
		return &c, nil
	}
	return nil, ErrInvalid
}

// identity is whom the claims name, if they fit together.
func (c *claims) identity() (Identity, error) {
	id := Identity{
		Kind: c.Kind, UnionID: c.UnionID, AppID: c.AppID,
		Scope:   ledger.Scope{App: c.App, Mode: ledger.Mode(c.Mode)},
		Expires: c.Expiry.Time(),
	}
	if c.IssuedAt != nil {
		id.Since = c.IssuedAt.Time()
	}
	visitor := strings.HasPrefix(c.Subject, visitorPrefix)
	switch {
	case c.Kind == Anonymous && visitor && c.AppID == "" && c.UnionID == "":
		id.Visitor = c.Subject
	case (c.Kind == WxLite || c.Kind == WxPub) && !visitor:
		id.OpenID = c.Subject
	default:
		return Identity{}, ErrInvalid
	}
	return id, nil
}

// Round is an OAuth round: a browser that has been sent to WeChat.
type Round struct {
	State   string // comes back with WeChat's answer
	Return  string // where the browser goes in the end: a path of the site
	Expires time.Time
}

// SealRound makes the token of a round.
func (t *Tokens) SealRound(ctx context.Context, r Round) (string, error) {
	return t.seal(ctx, r.Expires, claims{Claims: jwt.Claims{Subject: r.State}, Use: forRound, Return: r.Return})
}

// OpenRound reads it back, as Open does.
func (t *Tokens) OpenRound(ctx context.Context, token string) (Round, error) {
	c, err := t.open(ctx, forRound, token)
	if err != nil {
		return Round{}, err
	}
	return Round{State: c.Subject, Return: c.Return, Expires: c.Expiry.Time()}, nil
}

// CodeKeys returns the names under which an exchanged code is remembered, one for each key, the current key's first. Who
// reads the ledger cannot tell the code from them.
func (t *Tokens) CodeKeys(ctx context.Context, appID, code string) ([][]byte, error) {
	keys, err := t.Keys(ctx)
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

package handlers

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddypay/caddypay/ledger"
)

// Identity is who WeChat says the user is, for one Ping++ app in one mode.
type Identity struct {
	OpenID  string
	UnionID string // empty when the WeChat app is bound to no open-platform account
	AppID   string // the WeChat appid that the openid belongs to
	Kind    string // wx_lite: a mini program's user
	Scope   ledger.Scope
	Expires time.Time
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
)

const maxToken = 4096 // characters; ours have about 500

type claims struct {
	jwt.Claims
	Use     string `json:"use"`
	UnionID string `json:"unionid,omitempty"`
	AppID   string `json:"appid"`
	Kind    string `json:"kind"`
	App     string `json:"app"`
	Mode    string `json:"mode"`
}

var (
	errSessionInvalid = errors.New("the token is not one of this site's")
	errSessionExpired = errors.New("the token has expired")
)

// Seal makes a token that says who somebody is until id.Expires.
func (s *Sessions) Seal(ctx context.Context, use string, id Identity) (string, error) {
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
	return jwt.Encrypted(enc).Claims(claims{
		Claims: jwt.Claims{
			Issuer:   "caddypay",
			Subject:  id.OpenID,
			IssuedAt: jwt.NewNumericDate(s.Now()),
			Expiry:   jwt.NewNumericDate(id.Expires),
		},
		Use: use, UnionID: id.UnionID, AppID: id.AppID, Kind: id.Kind,
		App: id.Scope.App, Mode: string(id.Scope.Mode),
	}).Serialize()
}

// Open reads a token back. It returns errSessionInvalid or errSessionExpired when the token is at fault.
func (s *Sessions) Open(ctx context.Context, use, token string) (Identity, error) {
	if token == "" || len(token) > maxToken {
		return Identity{}, errSessionInvalid
	}
	parsed, err := jwt.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return Identity{}, errSessionInvalid
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		return Identity{}, err
	}
	for _, key := range keys {
		var c claims
		if parsed.Headers[0].KeyID != keyID(key) || parsed.Claims(key, &c) != nil {
			continue
		}
		if c.Issuer != "caddypay" || c.Use != use || c.Subject == "" || c.Expiry == nil {
			return Identity{}, errSessionInvalid
		}
		if !s.Now().Before(c.Expiry.Time()) {
			return Identity{}, errSessionExpired
		}
		return Identity{
			OpenID: c.Subject, UnionID: c.UnionID, AppID: c.AppID, Kind: c.Kind,
			Scope:   ledger.Scope{App: c.App, Mode: ledger.Mode(c.Mode)},
			Expires: c.Expiry.Time(),
		}, nil
	}
	return Identity{}, errSessionInvalid
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

package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddypay/caddypay/ledger"
)

const (
	payer = "oAAAAAAAAAAAAAAAAAAAAAAAAAA1" // an openid
	appID = "wx0123456789abcdef"
)

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// newVisitors knows those of a site whose clock stands still.
func newVisitors(key []byte) *Visitors {
	return &Visitors{
		Tokens: &Tokens{Keys: func(context.Context) ([][]byte, error) { return [][]byte{key}, nil }, TTL: 2 * time.Hour,
			Now: func() time.Time { return time.Unix(1_790_000_000, 0) }},
		Cookies: &Cookies{Prefix: "/pay", Secure: func(r *http.Request) bool { return r.TLS != nil }},
		Scope:   ledger.Scope{App: "app_1", Mode: ledger.Test},
		AppIDs:  map[Kind]string{WxLite: appID},
		Sent:    func(r *http.Request) string { return r.Header.Get(Header) },
		Bearer:  func(r *http.Request) string { return Bearer(r.Header) },
		Rand:    rand.Reader,
	}
}

// sealer makes tokens like ours, and unlike them.
type sealer struct {
	alg    jose.KeyAlgorithm
	enc    jose.ContentEncryption
	key    []byte
	keyID  string
	claims claims
}

func newSealer(v *Visitors, key []byte) *sealer {
	return &sealer{alg: jose.DIRECT, enc: jose.A256GCM, key: key, keyID: keyID(key), claims: claims{
		Claims: jwt.Claims{Issuer: "caddypay", Subject: payer, Expiry: jwt.NewNumericDate(v.Now().Add(time.Hour))},
		Use:    ForSession, AppID: appID, Kind: WxLite, App: v.Scope.App, Mode: string(v.Scope.Mode),
	}}
}

func (s *sealer) seal(t *testing.T) string {
	t.Helper()
	enc, err := jose.NewEncrypter(s.enc, jose.Recipient{Algorithm: s.alg, Key: s.key, KeyID: s.keyID}, (&jose.EncrypterOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Encrypted(enc).Claims(s.claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSessionsThatAreNotOurs(t *testing.T) {
	key := newKey()
	v := newVisitors(key)
	with := func(change func(s *sealer)) string {
		s := newSealer(v, key)
		change(s)
		return s.seal(t)
	}
	valid := newSealer(v, key).seal(t)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Signed(signer).Claims(newSealer(v, key).claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(valid, ".")
	flipped := parts[0] + "." + parts[1] + "." + parts[2] + "." + strings.Map(func(r rune) rune { return r ^ 1 }, parts[3][:1]) + parts[3][1:] + "." + parts[4]
	for name, c := range map[string]struct {
		token string
		want  Reason
	}{
		"wrong key":         {with(func(s *sealer) { s.key = newKey() }), Invalid},
		"unknown key id":    {with(func(s *sealer) { s.keyID = "0123456789ab" }), Invalid},
		"no key id":         {with(func(s *sealer) { s.keyID = "" }), Invalid},
		"other app":         {with(func(s *sealer) { s.claims.App = "app_other" }), Invalid},
		"other mode":        {with(func(s *sealer) { s.claims.Mode = string(ledger.Live) }), Invalid},
		"other appid":       {with(func(s *sealer) { s.claims.AppID = "wxother" }), Invalid},
		"no subject":        {with(func(s *sealer) { s.claims.Subject = "" }), Invalid},
		"no expiry":         {with(func(s *sealer) { s.claims.Expiry = nil }), Invalid},
		"other issuer":      {with(func(s *sealer) { s.claims.Issuer = "somebody" }), Invalid},
		"login token":       {with(func(s *sealer) { s.claims.Use = ForLogin }), Invalid},
		"no use":            {with(func(s *sealer) { s.claims.Use = "" }), Invalid},
		"expired":           {with(func(s *sealer) { s.claims.Expiry = jwt.NewNumericDate(v.Now()) }), Expired},
		"other enc":         {with(func(s *sealer) { s.enc, s.key = jose.A128CBC_HS256, key }), Invalid},
		"other alg":         {with(func(s *sealer) { s.alg = jose.A256GCMKW }), Invalid},
		"alg PBES2":         {with(func(s *sealer) { s.alg = jose.PBES2_HS512_A256KW }), Invalid},
		"JWS with our key":  {signed, Invalid},
		"alg none":          {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJvQSJ9.", Invalid},
		"JWE with alg none": {"eyJhbGciOiJub25lIn0." + strings.Join(parts[1:], "."), Invalid},
		"flipped":           {flipped, Invalid},
		"truncated":         {valid[:len(valid)-1], Invalid},
		"no tag":            {strings.Join(parts[:4], ".") + ".", Invalid},
		"garbage":           {"garbage", Invalid},
		"dots":              {"....", Invalid},
		"long":              {strings.Repeat("a", maxToken+1), Invalid},
		"missing":           {"", Missing},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "https://shop.example.com/pay/charges/ch_1", nil)
			r.Header.Set(Header, c.token)
			if _, err := v.Identify(r); reasonOf(err) != c.want {
				t.Errorf("in our header: %v, want %s", err, c.want)
			}
			if strings.Count(c.token, ".") == 4 {
				r.Header = http.Header{"Authorization": {"Bearer " + c.token}}
				if _, err := v.Identify(r); reasonOf(err) != c.want {
					t.Errorf("as a bearer token: %v, want %s", err, c.want)
				}
			}
		})
	}
	t.Run("1 MB", func(t *testing.T) { // the server may refuse it before us
		if _, err := v.Open(t.Context(), ForSession, strings.Repeat("a.b.c.d.e", 1<<17)); !errors.Is(err, ErrInvalid) {
			t.Errorf("got %v", err)
		}
		r := httptest.NewRequest("GET", "/pay/charges/ch_1", nil)
		r.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 1<<20)+"....")
		if _, err := v.Identify(r); reasonOf(err) != Invalid {
			t.Errorf("got %.80v", err)
		}
	})
	r := httptest.NewRequest("GET", "/pay/charges/ch_1", nil) // none of this was the header's fault
	r.Header.Set(Header, valid)
	if id, err := v.Identify(r); err != nil || id.OpenID != payer || id.Kind != WxLite {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestTokenSaysNothing(t *testing.T) {
	v := newVisitors(newKey())
	id := Identity{Kind: WxLite, OpenID: payer, AppID: appID, Scope: v.Scope, Expires: v.Expiry()}
	token, err := v.Seal(t.Context(), ForSession, id)
	if err != nil || bytes.Contains([]byte(token), []byte(payer)) || len(token) > maxToken {
		t.Errorf("token %s, %v", token, err)
	}
	if again, err := v.Seal(t.Context(), ForSession, id); err != nil || again == token {
		t.Errorf("two tokens are equal, %v", err)
	}
}

// The same code of two accounts is two codes: neither account's user becomes the other's.
func TestCodesOfTwoAccounts(t *testing.T) {
	s := &Tokens{Keys: func(context.Context) ([][]byte, error) {
		return [][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)}, nil
	}}
	seen := make(map[string]string)
	for _, name := range [][2]string{{"wxa", "code"}, {"wxb", "code"}, {"wxa", "code2"}, {"wxacode", ""}, {"", "wxacode"}} {
		names, err := s.CodeKeys(t.Context(), name[0], name[1])
		if err != nil || len(names) != 2 {
			t.Fatal(len(names), err)
		}
		for _, n := range names {
			if other, twice := seen[string(n)]; twice {
				t.Errorf("%q is kept under the name of %s", name, other)
			}
			seen[string(n)] = name[0] + " " + name[1]
		}
	}
}

// A charge of nobody we know belongs to nobody, also not to somebody without a name.
func TestChargeOfNobody(t *testing.T) {
	if (Identity{}).Owns(&ledger.Charge{ID: "ch_1"}) || (Identity{Kind: Anonymous}).Owns(&ledger.Charge{ID: "ch_1"}) {
		t.Error("a charge without a payer is somebody's")
	}
}

func FuzzSessionToken(f *testing.F) {
	key := newKey()
	now := time.Unix(1_790_000_000, 0)
	s := &Tokens{Keys: func(context.Context) ([][]byte, error) { return [][]byte{key}, nil }, TTL: time.Hour, Now: func() time.Time { return now }}
	id := Identity{OpenID: "o1", UnionID: "u1", AppID: "wx1", Kind: "wx_lite", Scope: ledger.Scope{App: "app_1", Mode: ledger.Test}, Expires: now.Add(time.Hour)}
	valid, err := s.Seal(context.Background(), ForSession, id)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{valid, valid + ".", strings.ToUpper(valid), "....", "eyJhbGciOiJub25lIn0....", `{"protected":"","ciphertext":""}`, "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", "", "a.b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := s.Open(context.Background(), ForSession, token)
		if err != nil {
			if err != ErrInvalid {
				t.Errorf("%q: %v", token, err)
			}
			return
		}
		got.Since, got.Expires = id.Since, id.Expires
		if got != id {
			t.Errorf("%q opens as %+v", token, got)
		}
		if _, err := s.Open(context.Background(), ForLogin, token); err == nil {
			t.Errorf("%q is good for another use", token)
		}
	})
}

package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	secretMin    = 24 // bytes, as Standard Webhooks asks
	secretMax    = 64
)

// Secret signs what the backend receives, as Standard Webhooks 1.0.0 describes. It shows itself as whsec_[redacted]
// wherever it is printed or encoded. The zero value signs nothing and is refused by [New].
type Secret struct {
	key func() []byte // a function, so that printing a struct that hides a Secret shows an address at most
}

// ParseSecret reads a secret: whsec_ and the base64 of 24 to 64 bytes. White space around it is ignored. The error says
// what to write instead and never repeats the secret.
func ParseSecret(s string) (Secret, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Secret{}, wrongSecret("it is empty")
	}
	if strings.HasPrefix(s, "whsk_") || strings.HasPrefix(s, "whpk_") {
		return Secret{}, wrongSecret("whsk_ and whpk_ are asymmetric keys, which are not supported")
	}
	encoded, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return Secret{}, wrongSecret("it does not begin with whsec_")
	}
	if strings.ContainsAny(encoded, "\r\n") { // the decoder would skip them, a backend's might not
		return Secret{}, wrongSecret("it has a line break in it")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Secret{}, wrongSecret("what follows whsec_ is not standard base64 with padding")
	}
	if len(key) < secretMin || len(key) > secretMax {
		return Secret{}, wrongSecret(fmt.Sprintf("it has %d bytes", len(key)))
	}
	return Secret{key: func() []byte { return key }}, nil
}

func wrongSecret(what string) error {
	return errors.New("events secret: " + what + "; write whsec_ and the base64 of 24 to 64 random bytes, " +
		`as printed by: echo "whsec_$(openssl rand -base64 32)"`)
}

// String hides the secret.
func (s Secret) String() string { return secretPrefix + "[redacted]" }

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret, in JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Equal reports whether both are the same secret, in constant time.
func (s Secret) Equal(o Secret) bool {
	return s.valid() && o.valid() && hmac.Equal(s.key(), o.key())
}

func (s Secret) valid() bool { return s.key != nil }

// Sign returns one entry of webhook-signature: v1 and the HMAC-SHA256 over id.timestamp.body.
func (s Secret) Sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s.key())
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signatures returns the whole of webhook-signature: one signature for each secret, so that a backend that knows either
// the old or the new one can verify while they are changed.
func signatures(secrets []Secret, id string, at time.Time, body []byte) string {
	all := make([]string, len(secrets))
	for i, s := range secrets {
		all[i] = s.Sign(id, at, body)
	}
	return strings.Join(all, " ")
}

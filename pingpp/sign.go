package pingpp

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Headers that carry signatures. Ping++ signs webhooks (and its answers) with the first, over the body alone; merchants
// sign requests with the second, over body, request target and the third.
const (
	SignatureHeader        = "X-Pingplusplus-Signature"
	RequestSignatureHeader = "Pingplusplus-Signature"
	RequestTimestampHeader = "Pingplusplus-Request-Timestamp" // Unix seconds in decimal
)

// Sign signs the parts, concatenated with nothing in between, as both sides do: RSA PKCS#1 v1.5 over SHA-256, in
// standard base64. A webhook is signed over its body; a request over body, request target (path and query exactly as
// sent) and timestamp.
func Sign(key *rsa.PrivateKey, parts ...[]byte) (string, error) {
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest(parts...))
	if err != nil {
		return "", fmt.Errorf("pingpp: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

func digest(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// SignatureReason says why a signature was refused.
type SignatureReason string

// The reasons.
const (
	SignatureMissing   SignatureReason = "missing"    // there is no signature header
	SignatureEmpty     SignatureReason = "empty"      // the header is there and blank, as old test-mode accounts send it
	SignatureSeveral   SignatureReason = "several"    // there are two that differ, and nobody can tell which one counts
	SignatureNotBase64 SignatureReason = "not_base64" // no clean base64, or a length that fits no key
	SignatureWrongKey  SignatureReason = "wrong_key"  // made with another key, or over other bytes
)

var reasonWords = map[SignatureReason]string{
	SignatureMissing:   "the request has no " + SignatureHeader + " header",
	SignatureEmpty:     "the " + SignatureHeader + " header is empty",
	SignatureSeveral:   "the request has several " + SignatureHeader + " values that differ",
	SignatureNotBase64: "the " + SignatureHeader + " header is not one base64 signature of the key's length",
	SignatureWrongKey:  "the signature fits none of the configured keys, or the body was altered on its way",
}

// SignatureError is what Verify returns for a request that Ping++ did not sign.
type SignatureError struct {
	Reason SignatureReason
}

// Error says what is wrong with the signature.
func (e *SignatureError) Error() string { return "pingpp: webhook: " + reasonWords[e.Reason] }

// Verifier checks signatures against a set of keys, any of which may fit, so that keys can be rotated. It is safe for
// concurrent use.
type Verifier struct {
	keys []*rsa.PublicKey
}

// NewVerifier returns a verifier for at least one key of at least 2048 bits.
func NewVerifier(keys ...*rsa.PublicKey) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("pingpp: webhook: no public key: give the one that the Ping++ dashboard shows")
	}
	for _, k := range keys {
		if k == nil || k.N == nil {
			return nil, errors.New("pingpp: webhook: a public key is nil")
		}
		if err := checkBits(k); err != nil {
			return nil, fmt.Errorf("pingpp: webhook: public key: %w", err)
		}
	}
	return &Verifier{keys: append([]*rsa.PublicKey(nil), keys...)}, nil
}

// Verify checks that one of the keys signed exactly these bytes. signatures are all values of the header, as
// http.Header.Values gives them: the same one several times is one (see [Signature]). Any error is a *SignatureError.
func (v *Verifier) Verify(body []byte, signatures []string) error {
	sig, reason := decodeSignature(signatures)
	if reason != "" {
		return &SignatureError{reason}
	}
	sum := digest(body)
	reason = SignatureNotBase64
	for _, k := range v.keys {
		if len(sig) != k.Size() {
			continue
		}
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum, sig) == nil {
			return nil
		}
		reason = SignatureWrongKey
	}
	return &SignatureError{reason}
}

// Screen looks at the values of the header alone: what it refuses, Verify refuses with the same error whatever the body is, which then
// need not be read.
func (v *Verifier) Screen(signatures []string) error {
	sig, reason := decodeSignature(signatures)
	if reason != "" {
		return &SignatureError{reason}
	}
	if !slices.ContainsFunc(v.keys, func(k *rsa.PublicKey) bool { return len(sig) == k.Size() }) {
		return &SignatureError{SignatureNotBase64}
	}
	return nil
}

// Signature returns the one signature that the values of the header hold: proxies send a header twice, or join the two with a comma.
// It is empty when there is none, and when there are several that differ.
func Signature(values []string) string {
	sig, _ := oneSignature(values)
	return sig
}

func oneSignature(values []string) (string, SignatureReason) {
	if len(values) == 0 {
		return "", SignatureMissing
	}
	one := ""
	for _, value := range values {
		for sig := range strings.SplitSeq(value, ",") { // no character of base64
			sig = strings.Trim(sig, " \t")
			if sig == "" || sig == one {
				continue
			}
			if one != "" {
				return "", SignatureSeveral
			}
			one = sig
		}
	}
	if one == "" {
		return "", SignatureEmpty
	}
	return one, ""
}

func decodeSignature(values []string) ([]byte, SignatureReason) {
	one, reason := oneSignature(values)
	if reason != "" {
		return nil, reason
	}
	if strings.ContainsAny(one, "\r\n") { // the decoder would skip line breaks
		return nil, SignatureNotBase64
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(one)
	if err != nil {
		return nil, SignatureNotBase64
	}
	return sig, ""
}

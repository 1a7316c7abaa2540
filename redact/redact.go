// Package redact keeps out of logs, errors and answers what must not be seen there: by the type of a value rather than by the care of whoever
// prints it. It knows no other package.
package redact

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"strings"
)

// Secret is a key, a token, a code or an address with one of these in it. However it is printed or encoded, alone or within something else, it shows
// that it is there and not what it is; only [Secret.Reveal] gives it away. The zero value is no secret at all.
type Secret struct {
	value func() string // a function: within a struct that hides it, fmt shows an address at most, and == does not compile
}

const redacted = "[redacted]"

// New makes a secret of a text; of an empty one the zero value.
func New(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// All makes a secret of each text.
func All(texts ...string) []Secret {
	all := make([]Secret, 0, len(texts))
	for _, text := range texts {
		all = append(all, New(text))
	}
	return all
}

// Reveal returns the text itself: for whom it is meant, and for nothing that is shown.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return s.value()
}

// Empty says that there is none.
func (s Secret) Empty() bool { return s.value == nil }

// Equal reports whether both are the same. The time that it takes tells neither how much of them is.
func (s Secret) Equal(o Secret) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(o.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String says that there is a secret.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return redacted
}

// Format does so for every verb.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		fmt.Fprintf(f, "%q", s.String())
		return
	}
	_, _ = f.Write([]byte(s.String()))
}

// MarshalText does so in JSON and everything else that encodes texts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes what a client sends.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}

// LogValue does so in lines of log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

const shownID = 6 // bytes

// ShortID shows enough of an openid, or another id of a person, to tell people apart in a log, and no more.
func ShortID(id string) string {
	if len(id) <= shownID {
		return "…"
	}
	return id[:shownID] + "…"
}

const openIDLength = 28 // bytes of WeChat's openids and unionids

// OpenIDs puts something else in the place of whatever looks like one of WeChat's openids or unionids in a text: an o and 27 letters, digits, dashes and
// underscores, with neither letter nor digit around it.
func OpenIDs(text string, shown func(id string) string) string {
	var b strings.Builder
	done := 0
	for at := 0; at+openIDLength <= len(text); at++ {
		end := at + openIDLength
		if text[at] != 'o' || at > 0 && alphanumeric(text[at-1]) || end < len(text) && alphanumeric(text[end]) || !isID(text[at:end]) {
			continue
		}
		b.WriteString(text[done:at])
		b.WriteString(shown(text[at:end]))
		done, at = end, end-1
	}
	return b.String() + text[done:]
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func isID(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return true
}

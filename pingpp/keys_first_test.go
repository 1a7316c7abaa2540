package pingpp

import (
	"crypto/x509"
	"testing"
)

// A file begins with a byte order mark and holds more than one key: the first counts, as without the mark.
func TestFirstKeyBehindAMark(t *testing.T) {
	first, second := newKey(), mustKey(2048)
	text := armour("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(first))) + armour("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(second)))
	for _, mark := range []string{"", "\uFEFF"} {
		got, err := ParsePrivateKey([]byte(mark + text))
		if err != nil || !got.Equal(first) {
			t.Errorf("with the mark %q: the second: %t, %v", mark, got != nil && got.Equal(second), err)
		}
	}
}

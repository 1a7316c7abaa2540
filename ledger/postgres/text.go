package postgres

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"
)

// PostgreSQL keeps no text with a NUL, nor one that is no UTF-8. What comes from outside may be either, in an id too, and is not to be refused for
// ever, nor to become the same as another. So these bytes are kept behind a mark, in hex, and so is the mark: a code point that is nobody's.
const mark = "\U0010FFFD"

func escape(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") && !strings.Contains(s, mark) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0, r == utf8.RuneError && n == 1, s[:n] == mark:
			for i := range n {
				b.WriteString(mark + hex.EncodeToString([]byte{s[i]}))
			}
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

var errMark = errors.New("a text has a mark without a byte behind it")

func unescape(s string) (string, error) {
	if !strings.Contains(s, mark) {
		return s, nil
	}
	head, rest, _ := strings.Cut(s, mark)
	for more := true; more; {
		if len(rest) < 2 {
			return "", errMark
		}
		b, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", errMark
		}
		var text string
		text, rest, more = strings.Cut(rest[2:], mark)
		head += string(b) + text
	}
	return head, nil
}

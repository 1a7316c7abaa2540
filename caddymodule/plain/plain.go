// Package plain makes text from outside fit for a terminal, a table and a log: nothing in it acts on what shows it.
package plain

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Hidden reports whether a character would act on a terminal or on the text around it instead of being seen: controls, among them
// C1 (U+009B begins a sequence as ESC [ does), marks of direction and other formats, and the separators of lines.
func Hidden(c rune) bool {
	if c >= ' ' && c < 0x7f {
		return false // nearly all
	}
	return unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp)
}

// escape writes such a character as JSON would.
func escape(c rune) string {
	if high, low := utf16.EncodeRune(c); high != utf8.RuneError {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, c)
}

// Text makes a text from outside fit for a column: what would act on a terminal is written as an escape, line ends and tabs too, so
// that no text looks like another row.
func Text(s string) string { return escaped(s, "") }

// Lines is Text for a text of several lines.
func Lines(s string) string { return escaped(s, "\n\t") }

func escaped(s, keep string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		instead := ""
		switch {
		case c == utf8.RuneError && size == 1: // a byte that is no text: 0x9b is a control in Latin-1
			instead = fmt.Sprintf(`\x%02x`, s[i])
		case Hidden(c) && !strings.ContainsRune(keep, c):
			instead = escape(c)
		}
		if instead != "" {
			b.WriteString(s[done:i] + instead)
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return s
	}
	return b.String() + s[done:]
}

// Writer escapes whatever is written through it, but for line ends and tabs. JSON means the same afterwards: what is escaped stands
// within its strings alone.
type Writer struct {
	w    io.Writer
	rest []byte // of a character whose end is yet to come
}

// NewWriter returns a Writer in front of w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write takes any piece of a text; half a character at its end waits for the rest.
func (p *Writer) Write(text []byte) (int, error) {
	all := append(p.rest, text...)
	end := len(all)
	for i := max(0, len(all)-utf8.UTFMax+1); i < len(all); i++ {
		if utf8.RuneStart(all[i]) && !utf8.FullRune(all[i:]) {
			end = i
			break
		}
	}
	p.rest = slices.Clone(all[end:])
	if _, err := io.WriteString(p.w, Lines(string(all[:end]))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Error is an error fit for a terminal: it may quote what came from outside.
type Error struct{ Err error }

func (e Error) Error() string { return Lines(e.Err.Error()) }

// Unwrap returns the error as it was.
func (e Error) Unwrap() error { return e.Err }

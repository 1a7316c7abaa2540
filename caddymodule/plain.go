package caddymodule

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// hidden reports whether a character would act on a terminal or on the text around it instead of being seen: controls, among them
// C1 (U+009B begins a sequence as ESC [ does), marks of direction and other formats, and the separators of lines.
func hidden(c rune) bool {
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

// plain makes a text from outside fit for a column: what would act on a terminal is written as an escape, line ends and tabs too, so
// that no text looks like another row.
func plain(s string) string { return escaped(s, "") }

// plainLines is plain for a text of several lines.
func plainLines(s string) string { return escaped(s, "\n\t") }

func escaped(s, keep string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		instead := ""
		switch {
		case c == utf8.RuneError && size == 1: // a byte that is no text: 0x9b is a control in Latin-1
			instead = fmt.Sprintf(`\x%02x`, s[i])
		case hidden(c) && !strings.ContainsRune(keep, c):
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

// plainWriter escapes whatever is written through it, but for line ends and tabs. JSON means the same afterwards: what is escaped stands
// within its strings alone.
type plainWriter struct {
	w    io.Writer
	rest []byte // of a character whose end is yet to come
}

func (p *plainWriter) Write(text []byte) (int, error) {
	all := append(p.rest, text...)
	end := len(all)
	for i := max(0, len(all)-utf8.UTFMax+1); i < len(all); i++ {
		if utf8.RuneStart(all[i]) && !utf8.FullRune(all[i:]) {
			end = i
			break
		}
	}
	p.rest = slices.Clone(all[end:])
	if _, err := io.WriteString(p.w, plainLines(string(all[:end]))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// plainError is an error fit for a terminal: it may quote what came from outside.
type plainError struct{ error }

func (e plainError) Error() string { return plainLines(e.error.Error()) }
func (e plainError) Unwrap() error { return e.error }

// plainOutput lets nothing from outside act on the terminal of a command or of those below it, whatever they print.
func plainOutput(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		plainOutput(below)
	}
	run := cmd.RunE
	if run == nil {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SetOut(&plainWriter{w: cmd.OutOrStdout()})
		cmd.SetErr(&plainWriter{w: cmd.ErrOrStderr()})
		if err := run(cmd, args); err != nil {
			return plainError{err}
		}
		return nil
	}
}

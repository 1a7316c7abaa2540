package channel

import (
	"strings"
	"unicode/utf8"
)

// Limit is the longest text that fits.
type Limit struct {
	Most  int
	Bytes bool // of UTF-8; otherwise characters
}

// cutMark ends a text that was cut, so that nobody takes the rest of a name for the whole.
const cutMark = "…"

// Cut shortens a text, which is for show only, to what fits.
func (l Limit) Cut(text string) string {
	size, mark := utf8.RuneCountInString, 1
	if l.Bytes {
		size, mark = func(text string) int { return len(text) }, len(cutMark)
	}
	if size(text) <= l.Most {
		return text
	}
	for size(text) > l.Most-mark {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return strings.TrimRight(text, " \t\n"+string(zeroWidthJoiner)) + cutMark
}

// bmp is the last character that channels take which refuse emoji: WeChat keeps texts in a database without any above.
const bmp = 0xffff

// WithoutRefused drops the characters that the channel refuses, and what is left of an emoji made of several.
func (c Channel) WithoutRefused(text string) string {
	if !c.NoEmoji || !strings.ContainsFunc(text, func(char rune) bool { return char > bmp }) {
		return text
	}
	return strings.TrimSpace(strings.Map(func(char rune) rune {
		switch {
		case char > bmp, char == zeroWidthJoiner, char == textVariation, char == emojiVariation, char == keycap:
			return -1
		}
		return char
	}, text))
}

// The characters that make emoji of others.
const (
	zeroWidthJoiner = '\u200d'
	textVariation   = '\ufe0e'
	emojiVariation  = '\ufe0f'
	keycap          = '\u20e3'
)

package handlers

import (
	"strings"
)

// bmp is the last character that channels take which refuse emoji: WeChat keeps texts in a database without any above.
const bmp = 0xffff

// withoutRefused drops the characters that the channel refuses, and what is left of an emoji made of several.
func (c channel) withoutRefused(text string) string {
	if !c.noEmoji || !strings.ContainsFunc(text, func(char rune) bool { return char > bmp }) {
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

// afterEmoji puts the defaults in place of texts of which nothing is left in a channel that takes no emoji; a subject that has no default is
// the order's number. An order is not unpayable for the name of its goods.
func (d QuoteDefaults) afterEmoji(q *quote, c channel, orderNo string) {
	named := strings.TrimSpace(q.Subject) != ""
	q.Subject, q.Body = c.withoutRefused(q.Subject), c.withoutRefused(q.Body)
	d.fill(q, orderNo)
	if named && c.withoutRefused(q.Subject) == "" {
		q.Subject = orderNo
	}
}

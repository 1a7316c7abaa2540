package handlers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// channel is what a payment channel demands (Ping++'s channel rules). docs/channels.md is made from it.
type channel struct {
	en, zh               string   // what people call it
	numberMin, numberMax int      // length of an order number, in letters and digits
	currency             string   // what it takes when the quote names none; empty: the quote names one, any
	others               []string // the other currencies that it takes
	subject, body        limit
	expireMin, expireMax time.Duration // how far ahead time_expire may lie
	expireDefault        time.Duration // what Ping++ takes when none is sent
	credentialLife       time.Duration // how long the channel takes the credential, counted from the charge's creation, whatever time_expire says; 0: as long as the charge
	noEmoji              bool          // refuses characters outside the Basic Multilingual Plane
	payer                string        // whose session pays: wx_lite, wx_pub, or empty for anybody's, also without a login
	atOnce               bool          // the charge takes the money by itself, as from a code that the shop has read: nobody needs a credential
	extra                []extraKey
	inferred             bool // Ping++ documents no extra of it: the rules are read out of pingpp.js and of channels like it
}

// limit is the longest text that fits.
type limit struct {
	most  int
	bytes bool // of UTF-8; otherwise characters
}

// cutMark ends a text that was cut, so that nobody takes the rest of a name for the whole.
const cutMark = "…"

// cut shortens a text, which is for show only, to what fits.
func (l limit) cut(text string) string {
	size, mark := utf8.RuneCountInString, 1
	if l.bytes {
		size, mark = func(text string) int { return len(text) }, len(cutMark)
	}
	if size(text) <= l.most {
		return text
	}
	for size(text) > l.most-mark {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return strings.TrimRight(text, " \t\n"+string(zeroWidthJoiner)) + cutMark
}

// cut shortens a text to at most n characters.
func cut(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// Channels returns the names of all channels that charges can be created for.
func Channels() []string { return slices.Sorted(maps.Keys(channels)) }

// ChannelPayer returns the kind of WeChat account whose login a channel needs: wx_lite, wx_pub, or none.
func ChannelPayer(name string) string { return channels[name].payer }

// ChannelURLs returns the options (success_url, result_url, …) without which a channel cannot work.
func ChannelURLs(name string) (options []string) {
	for _, k := range channels[name].extra {
		if k.from == fromConfig && k.required {
			options = append(options, k.name)
		}
	}
	return options
}

// DefaultChannel reports whether a channel is offered without being named. Those are not that want something which only a
// quote or a client can give, nor those whose rules are inferred.
func DefaultChannel(name string) bool {
	c, ok := channels[name]
	return ok && !c.inferred && !c.needsQuote() && !slices.ContainsFunc(c.extra, func(k extraKey) bool { return k.required && k.from == fromClient })
}

// needsQuote reports whether a channel wants something which only a quote can give.
func (c channel) needsQuote() bool {
	return c.currency == "" || slices.ContainsFunc(c.extra, func(k extraKey) bool { return k.required && k.from == fromQuote })
}

var currencySyntax = regexp.MustCompile(`^[a-z]{3}$`)

// currencies are those that the channel takes; none: any.
func (c channel) currencies() []string {
	if c.currency == "" {
		return nil
	}
	return append([]string{c.currency}, c.others...)
}

// acceptsCurrency says what is wrong with a currency.
func (c channel) acceptsCurrency(currency string) error {
	switch {
	case c.currency != "" && !slices.Contains(c.currencies(), currency):
		return fmt.Errorf("currency must be %s for this channel, not %.20q", strings.Join(c.currencies(), " or "), currency)
	case currency == "":
		return fmt.Errorf("currency is missing, and this channel takes several; name one like usd")
	case !currencySyntax.MatchString(currency):
		return fmt.Errorf("currency must be three small letters like usd, not %.20q", currency)
	}
	return nil
}

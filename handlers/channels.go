package handlers

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/ledger"
)

// channel is what a payment channel demands (Ping++'s channel rules). docs/channels.md is made from it.
type channel struct {
	en, zh               string // what people call it
	numberMin, numberMax int    // length of an order number, in letters and digits
	currency             string // the only one that it takes; empty: the quote names one
	subject, body        limit
	expireMin, expireMax time.Duration // how far ahead time_expire may lie
	expireDefault        time.Duration // what Ping++ takes when none is sent
	noEmoji              bool          // refuses characters outside the Basic Multilingual Plane
	payer                string        // whose session pays: wx_lite, wx_pub, or empty for anybody's, also without a login
	atOnce               bool          // the charge takes the money by itself, as from a code that the shop has read: nobody needs a credential
	extra                []extraKey
}

// limit is the longest text that fits.
type limit struct {
	most  int
	bytes bool // of UTF-8; otherwise characters
}

// cut shortens a text, which is for show only, to what fits.
func (l limit) cut(text string) string {
	if !l.bytes {
		return cut(text, l.most)
	}
	for len(text) > l.most {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
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
// quote or a client can give.
func DefaultChannel(name string) bool {
	c, ok := channels[name]
	return ok && !c.needsQuote() && !slices.ContainsFunc(c.extra, func(k extraKey) bool { return k.required && k.from == fromClient })
}

// needsQuote reports whether a channel wants something which only a quote can give.
func (c channel) needsQuote() bool {
	return c.currency == "" || slices.ContainsFunc(c.extra, func(k extraKey) bool { return k.required && k.from == fromQuote })
}

var (
	orderNoSyntax  = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	currencySyntax = regexp.MustCompile(`^[a-z]{3}$`)
)

// accepts reports whether an order number has the form that the channel takes.
func (c channel) accepts(orderNo string) bool {
	return len(orderNo) >= c.numberMin && len(orderNo) <= c.numberMax && orderNoSyntax.MatchString(orderNo)
}

// acceptsCurrency says what is wrong with a currency.
func (c channel) acceptsCurrency(currency string) error {
	switch {
	case c.currency != "" && currency != c.currency:
		return fmt.Errorf("currency must be %s for this channel, not %.20q", c.currency, currency)
	case currency == "":
		return fmt.Errorf("currency is missing, and this channel takes several; name one like usd")
	case !currencySyntax.MatchString(currency):
		return fmt.Errorf("currency must be three small letters like usd, not %.20q", currency)
	}
	return nil
}

const suffixLength = 6

// 32 letters and digits that nobody mixes up, so that five bits make one.
const suffixAlphabet = "23456789abcdefghjkmnpqrstuvwxyz1"

// number proposes the Ping++ order number of an order's next attempt. WeChat refuses a number that it has seen with other
// parameters, so every attempt has its own: the first is the merchant's, later ones add a random suffix, and where there
// is no room for it the number is cut to make some.
func (c channel) number(orderNo string, random io.Reader) func(attempts, try int) string {
	return func(attempts, try int) string {
		if attempts == 0 && try == 0 {
			return orderNo
		}
		return orderNo[:min(len(orderNo), c.numberMax-suffixLength)] + randomText(random, suffixLength)
	}
}

// randomText is n characters of the suffix alphabet.
func randomText(random io.Reader, n int) string {
	text := make([]byte, n)
	if _, err := io.ReadFull(random, text); err != nil {
		panic(err) // crypto/rand never fails
	}
	for i, b := range text {
		text[i] = suffixAlphabet[b&31]
	}
	return string(text)
}

// reusable reports whether an unpaid attempt can be handed out again.
func reusable(a *ledger.Charge, id Identity, channel string, q *quote, now time.Time) bool {
	return a.State == ledger.Open && a.Raw != nil && !a.Superseded && !a.Paid && !a.Reversed && a.Lapses().After(now) &&
		a.Channel == channel && id.owns(a) &&
		a.Amount == q.Amount && a.Currency == q.Currency
}

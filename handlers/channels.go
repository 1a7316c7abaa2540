package handlers

import (
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// channel is what a payment channel demands (Ping++'s channel rules).
type channel struct {
	payer                string        // whose session pays: wx_lite, wx_pub, or empty for anybody's, also without a login
	numberMin, numberMax int           // length of an order number, in letters and digits
	currency             string        // the only one that it takes
	subject, body        int           // longest text, in characters
	expireMin, expireMax time.Duration // how far ahead time_expire may lie
	noEmoji              bool          // refuses characters outside the Basic Multilingual Plane
}

// channels is every channel that a charge can be created for.
var channels = map[string]channel{
	"wx_lite": {
		payer:     "wx_lite",
		numberMin: 2, numberMax: 32,
		currency: "cny",
		subject:  32, body: 128,
		expireMin: time.Minute, expireMax: 7 * 24 * time.Hour,
		noEmoji: true,
	},
}

// Channels returns the names of all channels that charges can be created for.
func Channels() []string { return slices.Sorted(maps.Keys(channels)) }

var orderNoSyntax = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// accepts reports whether an order number has the form that the channel takes.
func (c channel) accepts(orderNo string) bool {
	return len(orderNo) >= c.numberMin && len(orderNo) <= c.numberMax && orderNoSyntax.MatchString(orderNo)
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
	return a.State == ledger.Open && a.Raw != nil && !a.Superseded && !a.Paid && !a.Reversed && a.TimeExpire.After(now) &&
		a.Channel == channel && id.owns(a) &&
		a.Amount == q.Amount && a.Currency == q.Currency
}

// Package channel is what Ping++ can charge through: what each channel demands of a charge, the credential that it makes for the
// client, and how it numbers payments. It knows nothing of charges that there are.
package channel

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// Channel is one row of the table of what the sandbox can charge through.
type Channel struct {
	Name       string
	Family     *Family
	Currencies []string // default: cny

	orderNo *regexp.Regexp
	extra   []extraRule

	SubjectBytes int // longest subject in bytes, where the channel counts so; 0: Ping++'s own limit
	BodyText     int // longest body in characters, where it is below Ping++'s own limit

	MaxExpire, DefaultExpire time.Duration

	Life    time.Duration // of its credential; 0: as long as the charge
	Repeats time.Duration // how long a repeated creation is answered with the first charge; default: its family's

	Reversible bool // while it is unpaid
	credential func(m *Merchant, s *Sale) any
}

// Family is channels of one payment service: they share their order numbers.
type Family struct {
	orderNoBad    string // the channel's own words for a number it does not take
	UsedBad       string // for one that it has seen with other parameters,
	PaidBad       string // that is paid,
	ClosedBad     string // that is closed
	repeats       time.Duration
	Renews        bool                                                 // makes a new charge of a number it has seen with the same parameters, once Repeats is over
	emoji         bool                                                 // takes characters outside the BMP
	PaidExtra     func(extra *rawjson.Object, live bool, amount int64) // adds what is told of a payment
	TransactionNo func(d *dice.Dice, live bool, now time.Time) string
}

// MinExpire is how long every channel's charges can be paid at the least.
const MinExpire = time.Minute

// Merchant is whom credentials are made for.
type Merchant struct {
	AppID string // of the mini program
	Key   string // at WeChat, which signs
	Dice  *dice.Dice
}

// Sale is what a credential is made of.
type Sale struct {
	Charge, Channel, OrderNo string
	Subject, Body            string
	Amount                   int64 // fen
	Created                  time.Time
	Livemode                 bool
	Extra                    rawjson.Object
	MockPage                 string // the address where a tester pays it, in place of the channel's own page
}

// Find finds a channel by the name that Ping++ gives it; nil if there is none such.
func Find(name string) *Channel { return channels[name] }

// Credential is what the client needs to pay a sale; nil where it needs nothing.
func (ch *Channel) Credential(m *Merchant, s *Sale) any { return ch.credential(m, s) }

// Refuses is what passes Ping++ and fails at the channel.
func (ch *Channel) Refuses(orderNo string, texts ...string) *apierr.Error {
	if !ch.orderNo.MatchString(orderNo) {
		return apierr.OfChannel(ch.Name, ch.Family.orderNoBad)
	}
	if !ch.Family.emoji && slices.ContainsFunc(texts, hasAstral) {
		return apierr.OfChannel(ch.Name, "输入源“/body/xml/body”映射到值字段“商品描述”字符串规则校验失败，包含不支持的字符")
	}
	return nil
}

// hasAstral tells emoji and other characters outside the Basic Multilingual Plane.
func hasAstral(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r > 0xFFFF })
}

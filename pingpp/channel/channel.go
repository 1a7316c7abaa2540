// Package channel is what each of Ping++'s payment channels demands of a charge: the rules of its order number, texts, expiry and
// currency, whose login it takes, and the members of extra with who may give each. It asks nobody, and knows no charge.
package channel

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Channel is what a payment channel demands (Ping++'s channel rules). docs/channels.md is made from it.
type Channel struct {
	EN, ZH               string // what people call it
	NumberMin, NumberMax int    // length of an order number, in letters and digits
	Currency             string // what it takes when the quote names none; empty: the quote names one, any
	Subject, Body        Limit
	ExpireMin, ExpireMax time.Duration // how far ahead time_expire may lie
	ExpireDefault        time.Duration // what Ping++ takes when none is sent
	CredentialLife       time.Duration // how long the channel takes the credential, counted from the charge's creation, whatever time_expire says; 0: as long as the charge
	NoEmoji              bool          // refuses characters outside the Basic Multilingual Plane
	Payer                string        // whose session pays: wx_lite, wx_pub, or empty for anybody's, also without a login
	AtOnce               bool          // the charge takes the money by itself, as from a code that the shop has read: nobody needs a credential

	others   []string // the other currencies that it takes
	extra    []member
	inferred bool // Ping++ documents no extra of it: the rules are read out of pingpp.js and of channels like it
}

// Names returns the names of all channels that charges can be created for, sorted.
func Names() []string { return slices.Sorted(maps.Keys(table)) }

// Of returns a channel by its name, and the zero Channel, which takes nothing, when there is none of that name.
func Of(name string) Channel { return table[name] }

// URLs returns the options (success_url, result_url, …) without which the channel cannot work.
func (c Channel) URLs() (options []string) {
	for _, m := range c.extra {
		if m.from == fromConfig && m.required {
			options = append(options, m.name)
		}
	}
	return options
}

// Simple reports whether the channel is offered without being named. One that wants something which only a quote or a client can give,
// or whose rules are inferred, is not.
func (c Channel) Simple() bool {
	return c.EN != "" && !c.inferred && !c.NeedsQuote() && !slices.ContainsFunc(c.extra, func(m member) bool { return m.required && m.from == fromClient })
}

// NeedsQuote reports whether the channel wants something which only a quote can give.
func (c Channel) NeedsQuote() bool {
	return c.Currency == "" || slices.ContainsFunc(c.extra, func(m member) bool { return m.required && m.from == fromQuote })
}

// Accepts reports whether the channel takes an order number: letters and digits, as many as its rule says.
func (c Channel) Accepts(number string) bool {
	return len(number) >= c.NumberMin && len(number) <= c.NumberMax && !strings.ContainsFunc(number, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

var currencySyntax = regexp.MustCompile(`^[a-z]{3}$`)

// currencies are those that the channel takes; none: any.
func (c Channel) currencies() []string {
	if c.Currency == "" {
		return nil
	}
	return append([]string{c.Currency}, c.others...)
}

// CheckCurrency says what is wrong with a currency.
func (c Channel) CheckCurrency(currency string) error {
	switch {
	case c.Currency != "" && !slices.Contains(c.currencies(), currency):
		return fmt.Errorf("currency must be %s for this channel, not %.20q", strings.Join(c.currencies(), " or "), currency)
	case currency == "":
		return fmt.Errorf("currency is missing, and this channel takes several; name one like usd")
	case !currencySyntax.MatchString(currency):
		return fmt.Errorf("currency must be three small letters like usd, not %.20q", currency)
	}
	return nil
}

// Lapses is when a charge lapses that was made at created, also where Ping++ has not said so and expires is zero.
func (c Channel) Lapses(created, expires time.Time) time.Time {
	if expires.IsZero() {
		return created.Add(c.ExpireDefault)
	}
	return expires
}

// PayableUntil is when the channel stops taking the credential of such a charge, or the charge lapses, whichever is first.
func (c Channel) PayableUntil(created, expires time.Time) time.Time {
	end := c.Lapses(created, expires)
	if dies := created.Add(c.CredentialLife); c.CredentialLife > 0 && dies.Before(end) {
		return dies
	}
	return end
}

package ledger

import (
	"fmt"

	"github.com/caddypay/caddypay/redact"
)

// What of the ledger's rows holds who somebody is, or what a charge is paid with, is printed and logged without it. Encoded, as for a test that
// compares two of them, it is whole.

func shortPayer(payer string) string {
	if payer == "" {
		return ""
	}
	return redact.ShortID(payer)
}

// String shows the charge with the start of its payer, and without Ping++'s answer.
func (c Charge) String() string { return fmt.Sprintf("%+v", c) }

// Format does so for every verb.
func (c Charge) Format(f fmt.State, verb rune) {
	type shown Charge
	c.Payer, c.Raw = shortPayer(c.Payer), nil
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown(c))
}

// String shows the event without its body.
func (e Event) String() string { return fmt.Sprintf("%+v", e) }

// Format does so for every verb.
func (e Event) Format(f fmt.State, verb rune) {
	type shown Event
	e.Body = nil
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown(e))
}

// String shows the reservation with the start of its payer.
func (r Reservation) String() string { return fmt.Sprintf("%+v", r) }

// Format does so for every verb.
func (r Reservation) Format(f fmt.State, verb rune) {
	type shown Reservation
	r.Payer = shortPayer(r.Payer)
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown(r))
}

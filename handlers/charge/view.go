// Package charge is what the routes of payers and of the merchant have in common about a charge: how it is shown, whether its order is paid,
// and what Ping++ says of it now.
package charge

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// View is what a payer sees of a charge.
type View struct {
	ID             string `json:"id"`
	OrderNo        string `json:"order_no"` // the merchant's
	Channel        string `json:"channel"`
	Amount         int64  `json:"amount"` // fen
	Currency       string `json:"currency"`
	Status         string `json:"status"`     // created, paid, held, refunded, reversed or expired
	OrderPaid      bool   `json:"order_paid"` // by whatever attempt, also if its payment is held
	Paid           bool   `json:"paid"`
	AmountRefunded int64  `json:"amount_refunded"` // fen
	TimePaid       *int64 `json:"time_paid"`       // Unix seconds
	TimeExpire     *int64 `json:"time_expire"`     // Unix seconds; null where Ping++ names none
}

// Of is a charge as its payer sees it now; of its order's other attempts it knows nothing.
func Of(c *ledger.Charge, now time.Time) View {
	v := View{
		ID: c.ID, OrderNo: c.OrderNo, Channel: c.Channel, Amount: c.Amount, Currency: c.Currency,
		Status: string(c.Status(now)), OrderPaid: c.Pays(), Paid: c.Paid, AmountRefunded: c.AmountRefunded, TimeExpire: Unix(c.TimeExpire),
	}
	if c.Paid {
		paid := c.TimePaid.Unix()
		v.TimePaid = &paid
	}
	return v
}

// Optional is nil, which JSON shows as null, for an empty text.
func Optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Unix is a time in Unix seconds; nil for none.
func Unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	seconds := t.Unix()
	return &seconds
}

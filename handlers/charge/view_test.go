package charge

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func TestChargeView(t *testing.T) {
	created := time.Unix(1_790_000_000, 0)
	for want, change := range map[string]func(c *ledger.Charge) time.Time{
		"created": func(*ledger.Charge) time.Time { return created },
		"expired": func(c *ledger.Charge) time.Time { return c.TimeExpire },
		"paid":    func(c *ledger.Charge) time.Time { c.Paid, c.TimePaid = true, created; return c.TimeExpire },
		"refunded": func(c *ledger.Charge) time.Time {
			c.Paid, c.TimePaid, c.AmountRefunded = true, created, 10
			return created
		},
		"reversed": func(c *ledger.Charge) time.Time { c.Reversed = true; return c.TimeExpire },
	} {
		c := &ledger.Charge{ID: "ch_1", OrderNo: "1001", Number: "1001abcdef", Channel: "wx_lite", Amount: 10, Currency: "cny", TimeExpire: created.Add(time.Hour)}
		now := change(c)
		if v := Of(c, now); v.Status != want || v.Paid != c.Paid || (v.TimePaid != nil) != c.Paid {
			t.Errorf("%s: %+v", want, v)
		}
	}
	partly := &ledger.Charge{Amount: 10, AmountRefunded: 9, Paid: true}
	if v := Of(partly, created); v.Status != "paid" || v.AmountRefunded != 9 {
		t.Errorf("partly refunded: %+v", v)
	}
}

// While a person is to decide where the money of a payment is, that goes before whatever else is known of it.
func TestViewOfWhatIsHeld(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for want, c := range map[string]ledger.Charge{
		"held":     {State: ledger.Open, Paid: true, Reversed: true, Held: true, Amount: 5, TimePaid: now},
		"reversed": {State: ledger.Open, Paid: true, Reversed: true, Undone: true, Amount: 5, TimePaid: now},
		"refunded": {State: ledger.Open, Paid: true, Held: true, Amount: 5, AmountRefunded: 5, TimePaid: now},
		"paid":     {State: ledger.Open, Paid: true, Amount: 5, AmountRefunded: 4, TimePaid: now},
	} {
		if got := Of(&c, now).Status; got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
}

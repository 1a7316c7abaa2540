package ledger

import (
	"testing"
	"time"
)

// What a charge is in a word, and which attempt of an order says most about it.
func TestStatus(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	open := Charge{State: Open, Amount: 100, Created: now.Add(-time.Hour), TimeExpire: now.Add(time.Hour)}
	with := func(change func(*Charge)) Charge {
		c := open
		change(&c)
		return c
	}
	for _, c := range []struct {
		charge Charge
		want   Status
	}{
		{open, StatusCreated},
		{with(func(c *Charge) { c.TimeExpire = now }), StatusExpired},
		{with(func(c *Charge) { c.TimeExpire = time.Time{} }), StatusCreated},
		{with(func(c *Charge) { c.TimeExpire, c.Created = time.Time{}, now.Add(-24*time.Hour) }), StatusExpired},
		{with(func(c *Charge) { c.Paid = true }), StatusPaid},
		{with(func(c *Charge) { c.Paid, c.AmountRefunded = true, 99 }), StatusPaid},
		{with(func(c *Charge) { c.Paid, c.AmountRefunded = true, 100 }), StatusRefunded},
		{with(func(c *Charge) { c.Paid, c.Held = true, true }), StatusHeld},
		{with(func(c *Charge) { c.Held = true }), StatusHeld}, // its payment cannot be read
		{with(func(c *Charge) { c.Paid, c.Held, c.AmountRefunded = true, true, 100 }), StatusRefunded},
		{with(func(c *Charge) { c.Reversed = true }), StatusReversed},
		{with(func(c *Charge) { c.Paid, c.Reversed = true, true }), StatusReversed},
		{with(func(c *Charge) { c.Paid, c.Reversed, c.Held = true, true, true }), StatusHeld}, // a person is still to decide
		{with(func(c *Charge) { c.Paid, c.Reversed, c.Held, c.Undone = true, true, true, true }), StatusReversed},
		{with(func(c *Charge) { c.State = Reserving }), StatusPreparing},
		{with(func(c *Charge) { c.State = Refused }), StatusRefused},
		{with(func(c *Charge) { c.State = Unknown }), StatusUnknown},
		{with(func(c *Charge) { c.State = Taken }), StatusUnknown},
		{with(func(c *Charge) { c.State, c.Paid = Unknown, true }), StatusPaid},
		{with(func(c *Charge) { c.State, c.Paid = Foreign, true }), StatusPaid},
	} {
		if got := c.charge.Status(now); got != c.want {
			t.Errorf("%+v is %s, want %s", c.charge, got, c.want)
		}
	}

	numbered := func(number string, change func(*Charge)) Charge {
		c := with(change)
		c.Number = number
		return c
	}
	paid := func(c *Charge) { c.Paid = true }
	for want, attempts := range map[string][]Charge{
		"":         nil,
		"b":        {numbered("a", func(*Charge) {}), numbered("b", func(*Charge) {})},
		"paid":     {numbered("paid", paid), numbered("b", func(*Charge) {})},
		"held":     {numbered("held", func(c *Charge) { c.Paid, c.Held = true, true }), numbered("b", paid)},
		"open":     {numbered("open", func(*Charge) {}), numbered("b", func(c *Charge) { c.Reversed = true }), numbered("c", func(c *Charge) { c.State = Refused })},
		"reversed": {numbered("reversed", func(c *Charge) { c.Reversed = true }), numbered("b", func(c *Charge) { c.State = Unknown })},
	} {
		got := ""
		if c := Foremost(attempts, now); c != nil {
			got = c.Number
		}
		if got != want {
			t.Errorf("%q says most, want %q", got, want)
		}
	}
	if s := (&Order{Attempts: []Charge{with(func(c *Charge) { c.State = Refused })}}).Status(now); s != StatusCreated {
		t.Errorf("an order that nobody has paid, nor could: %s", s)
	}
}

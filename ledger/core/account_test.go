package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestUndone: whether a payment still counts against another one of its order, and what callers are told of the hold.
func TestUndone(t *testing.T) {
	type money struct {
		hold               Hold
		reversed           bool
		paidAmount, refund int64
	}
	for m, want := range map[money]struct{ undone, held bool }{
		{NotHeld, false, 100, 0}:     {false, false},
		{NotHeld, false, 100, 100}:   {false, false}, // the backend has heard of both
		{NotHeld, true, 100, 0}:      {true, false},
		{Awaits, true, 100, 100}:     {false, true},
		{Unread, true, 0, 0}:         {false, true},
		{Dismissed, false, 100, 99}:  {false, true},
		{Dismissed, false, 100, 100}: {true, true},
		{Dismissed, false, 0, 0}:     {false, true},
		{Dismissed, true, 100, 0}:    {true, true},
		{WentBack, false, 100, 0}:    {true, false},
		{Unheard, false, 100, 100}:   {false, false},
		{Unheard, true, 100, 0}:      {true, false},
	} {
		c := with(open(), func(c *Charge) {
			c.Hold, c.Reversed, c.PaidAmount, c.AmountRefunded = m.hold, m.reversed, m.paidAmount, m.refund
		})
		p := c.public()
		if p.Undone != want.undone || p.Held != want.held || p.ID != "ch_1" {
			t.Errorf("%+v: undone %t, held %t", m, p.Undone, p.Held)
		}
	}
}

// TestTell: what events add to what is known of a charge, and that they take nothing back.
func TestTell(t *testing.T) {
	paid := with(open(), func(c *Charge) {
		c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.NextQuery = true, at(-9), 100, 5, never
	})
	for name, c := range map[string]struct {
		charge Charge
		books  books
		event  *Event
		want   Charge
	}{
		"a payment": {open(), books{counts: true}, &Event{Event: *with2(payment(), func(e *ledger.Event) { e.Seq = 7 })},
			with(open(), func(c *Charge) { c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.NextQuery = true, noon, 100, 7, never })},
		"a payment that is held": {open(), books{counts: true, hold: Awaits}, &Event{Event: *with2(payment(), func(e *ledger.Event) { e.Seq = 7 })},
			with(open(), func(c *Charge) {
				c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.NextQuery, c.Hold = true, noon, 100, 7, never, Awaits
			})},
		"a payment once more": {paid, books{counts: true}, &Event{Event: *with2(payment(), func(e *ledger.Event) { e.Seq, e.Payment.Amount = 9, 90 })}, paid},
		"a payment of what nobody answered": {with(open(), func(c *Charge) { c.ID, c.Amount, c.Currency = "", 0, "" }), books{counts: true},
			&Event{Event: *with2(payment(), func(e *ledger.Event) { e.Seq = 7 })},
			with(open(), func(c *Charge) { c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.NextQuery = true, noon, 100, 7, never })},
		"a payment that is none": {open(), books{}, &Event{Event: *with2(payment(), func(e *ledger.Event) { e.Change = &ledger.ChargeChange{} })}, open()},
		"a refund":               {paid, books{}, event(*refund(30)), with(paid, func(c *Charge) { c.AmountRefunded = 30 })},
		"another refund": {with(paid, func(c *Charge) { c.AmountRefunded = 30 }), books{hold: Dismissed}, event(*refund(20)),
			with(paid, func(c *Charge) { c.AmountRefunded, c.Hold = 50, Dismissed })},
		"a reversal": {open(), books{}, event(ledger.Event{ChargeID: "ch_1", Change: &ledger.ChargeChange{Reversed: true}}),
			with(open(), func(c *Charge) { c.Reversed, c.NextQuery = true, never })},
		"nothing": {with(open(), func(c *Charge) { c.Reversed = true }), books{}, event(ledger.Event{ChargeID: "ch_1"}), with(open(), func(c *Charge) { c.Reversed = true })},
	} {
		t.Run(name, func(t *testing.T) {
			c.charge.tell(c.books.factOf(c.event))
			equal(t, "charge", c.charge, c.want)
		})
	}
}

// TestForeign: a charge that we never saw, and what becomes of it when it turns out to be ours.
func TestForeign(t *testing.T) {
	e := event(*payment())
	e.Seq, e.Change.Refund = 7, 5
	f := foreign(e, (&books{counts: true, hold: Awaits}).factOf(e))
	want := &Charge{Payment: 7, PaidAmount: 100, Hold: Awaits, Charge: ledger.Charge{
		Scope: scope, OrderNo: "o", Number: "o", State: ledger.Foreign, ID: "ch_1", Amount: 100, Currency: "cny", Host: "event.example.com", Created: noon,
		Paid: true, TimePaid: noon,
	}}
	equal(t, "foreign", f, want)

	f.AmountRefunded, f.Reversed = 30, true
	ours := with(open(), func(c *Charge) { c.State, c.ID = ledger.Reserving, "" })
	ours.adopt(f)
	equal(t, "ours", ours, with(open(), func(c *Charge) {
		c.State, c.ID, c.NextQuery = ledger.Reserving, "", never
		c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.Hold, c.AmountRefunded, c.Reversed = true, noon, 100, 7, Awaits, 30, true
	}))
}

// TestSupersede: which attempts give way, and when they are to be reversed.
func TestSupersede(t *testing.T) {
	for name, c := range map[string]struct {
		charge Charge
		want   bool
		next   time.Time
	}{
		"open":                      {open(), true, at(-60)},
		"open, looked up no more":   {with(open(), func(c *Charge) { c.NextQuery = never }), true, at(-60)},
		"open, and already due":     {with(open(), func(c *Charge) { c.NextQuery = at(-99) }), true, at(-99)},
		"open, created at no time":  {with(open(), func(c *Charge) { c.Created = never }), true, ledger.FirstTime},
		"reversed":                  {with(open(), func(c *Charge) { c.Reversed, c.NextQuery = true, never }), true, never},
		"unknown":                   {with(open(), func(c *Charge) { c.State = ledger.Unknown }), true, at(30)},
		"paid":                      {with(open(), func(c *Charge) { c.Paid = true }), false, never},
		"superseded":                {with(open(), func(c *Charge) { c.Superseded = true }), false, never},
		"a request decides over it": {with(open(), func(c *Charge) { c.State = ledger.Reserving }), false, never},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, "gives way", c.charge.supersedable(), c.want)
			if c.want {
				c.charge.supersede()
				equal(t, "superseded", c.charge.Superseded, true)
				equal(t, "next query", c.charge.NextQuery, c.next)
			}
		})
	}
}

// TestRivals: a payment whose money is back leaves the order to be paid by another attempt.
func TestRivals(t *testing.T) {
	others := []Charge{open()}
	for name, c := range map[string]struct {
		hold    Hold
		reasons []string
		want    int
	}{
		"paid":              {NotHeld, nil, 1},
		"held":              {Awaits, []string{"amount"}, 1},
		"gone back":         {WentBack, []string{"amount"}, 0},
		"paid and reversed": {Awaits, []string{"amount", "reversed"}, 0},
	} {
		b := &books{others: others, hold: c.hold}
		if got := len(b.rivals(&ledger.Event{Reasons: c.reasons})); got != c.want {
			t.Errorf("%s: %d rivals, want %d", name, got, c.want)
		}
	}
}

// TestGoesBack: when the money of a payment is back, so that the backend need not hear of it.
func TestGoesBack(t *testing.T) {
	paid := with(open(), func(c *Charge) { c.PaidAmount, c.Payment, c.AmountRefunded = 100, 5, 30 })
	for name, c := range map[string]struct {
		charge Charge
		counts bool
		change ledger.ChargeChange
		want   string
	}{
		"a reversal":                        {paid, false, ledger.ChargeChange{Reversed: true}, "reversed"},
		"the rest":                          {paid, false, ledger.ChargeChange{Refund: 70}, "refunded"},
		"more than the rest":                {paid, false, ledger.ChargeChange{Refund: 71}, "refunded"},
		"less than the rest":                {paid, false, ledger.ChargeChange{Refund: 69}, ""},
		"nothing":                           {with(paid, func(c *Charge) { c.AmountRefunded = 100 }), false, ledger.ChargeChange{}, ""},
		"of what was paid nothing is known": {with(paid, func(c *Charge) { c.PaidAmount = 0 }), false, ledger.ChargeChange{Refund: 70}, ""},
		"there is no payment":               {with(paid, func(c *Charge) { c.Payment = 0 }), false, ledger.ChargeChange{Reversed: true}, ""},
		"it is the payment itself":          {paid, true, ledger.ChargeChange{Reversed: true}, ""},
	} {
		b := &books{counts: c.counts, charge: &c.charge}
		if got := b.goesBack(c.change); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestUnheard: of which payments the backend surely has not heard.
func TestUnheard(t *testing.T) {
	opened := Opening{Last: 4, At: at(-3600)}
	charge := with(open(), func(c *Charge) { c.Payment, c.TimePaid = 5, noon })
	fresh := Event{Event: ledger.Event{Seq: 5, State: ledger.Pending, Lane: "o"}}
	for name, c := range map[string]struct {
		charge Charge
		event  Event
		reason string
		sent   bool
		want   bool
	}{
		"never sent":                          {charge, fresh, "refunded", false, true},
		"sent":                                {charge, fresh, "refunded", true, false},
		"leased once":                         {charge, with(fresh, func(e *Event) { e.Owner = "a" }), "refunded", false, false},
		"a replay":                            {charge, with(fresh, func(e *Event) { e.Replay = true }), "refunded", false, false},
		"delivered":                           {charge, with(fresh, func(e *Event) { e.State = ledger.Delivered }), "refunded", false, false},
		"without a lane its refunds overtake": {charge, with(fresh, func(e *Event) { e.Lane = "" }), "refunded", false, false},
		"recorded before the opening":         {charge, with(fresh, func(e *Event) { e.Seq = 4 }), "refunded", false, false},
		"paid before the opening":             {with(charge, func(c *Charge) { c.TimePaid = at(-3600 + 900) }), fresh, "refunded", false, false},
		"paid just after the opening":         {with(charge, func(c *Charge) { c.TimePaid = at(-3600 + 901) }), fresh, "refunded", false, true},
		"before the opening, and reversed":    {charge, with(fresh, func(e *Event) { e.Seq = 4 }), "reversed", false, true},
		"reversed, and sent":                  {charge, fresh, "reversed", true, false},
		"held":                                {with(charge, func(c *Charge) { c.Hold = Awaits }), with(fresh, func(e *Event) { e.State, e.Seq = ledger.Held, 1 }), "refunded", true, true},
		"held, and released since":            {with(charge, func(c *Charge) { c.Hold = Awaits }), fresh, "refunded", false, false},
		"dismissed":                           {with(charge, func(c *Charge) { c.Hold = Dismissed }), fresh, "refunded", false, false},
	} {
		if got := c.charge.unheard(&c.event, c.reason, c.sent, opened); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestTakeBack: a payment that is taken back, and one that is vouched for.
func TestTakeBack(t *testing.T) {
	e := Event{Event: ledger.Event{State: ledger.Pending, Due: noon, Back: at(8)}, Blocked: true, Owner: "a", Until: at(9)}
	for _, c := range []struct{ before, after []string }{{nil, []string{"refunded"}}, {[]string{"amount"}, []string{"amount"}}} {
		got := e
		got.Reasons = c.before
		got.takeBack("refunded", at(5))
		equal(t, "event", got, Event{Event: ledger.Event{State: ledger.Discarded, Reasons: c.after, Settled: at(5)}})
	}
	charge := with(open(), func(c *Charge) { c.Hold = Unread })
	charge.vouch(&Event{Event: ledger.Event{Seq: 9}}, at(5))
	equal(t, "charge", charge, with(open(), func(c *Charge) {
		c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.NextQuery = true, at(5), 100, 9, never
	}))
}

package core

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// TestLends: which new events go to whoever will deliver them at once.
func TestLends(t *testing.T) {
	wants := ledger.Lease{Owner: "a", Until: at(2)}
	pay := func(change func(*Event)) Event {
		return with(Event{Event: *payment()}, func(e *Event) { e.Lease, e.Due = wants, e.Received; change(e) })
	}
	known := func(change func(*Charge)) *Charge {
		return ptr(with(open(), func(c *Charge) { c.Paid, c.PaidAmount, c.Payment = true, 100, 7; change(c) }))
	}
	back := func(amount int64) Event {
		return with(Event{Event: *refund(amount)}, func(e *Event) { e.Lease, e.Due = wants, e.Received })
	}
	for name, c := range map[string]struct {
		event  Event
		charge *Charge
		want   bool
	}{
		"a payment": {pay(func(*Event) {}), ptr(open()), true},
		"a payment of a charge that nobody knows": {pay(func(*Event) {}), nil, true},
		"nobody asks":                            {pay(func(e *Event) { e.Lease = ledger.Lease{} }), nil, false},
		"held":                                   {pay(func(e *Event) { e.State = ledger.Held }), nil, false},
		"filtered":                               {pay(func(e *Event) { e.State = ledger.Filtered }), nil, false},
		"behind another":                         {pay(func(*Event) {}), nil, false},
		"later":                                  {pay(func(e *Event) { e.Due = at(2) }), nil, false},
		"what went back is only a part":          {back(99), known(func(*Charge) {}), true},
		"all goes back":                          {back(100), known(func(*Charge) {}), false},
		"the rest goes back":                     {back(1), known(func(c *Charge) { c.AmountRefunded = 99 }), false},
		"what was paid is not known":             {back(100), known(func(c *Charge) { c.Payment = 0 }), true},
		"a refund of a charge that is not known": {back(100), nil, true},
		"a refund that changes nothing":          {with(back(100), func(e *Event) { e.Change = nil }), known(func(*Charge) {}), true},
		"a charge that is paid and reversed by it": {with(back(0), func(e *Event) { e.Change = &ledger.ChargeChange{Reversed: true} }), known(func(*Charge) {}), false},
	} {
		b := newBooks(&c.event.Event)
		b.charge = c.charge
		b.ahead = name == "behind another"
		b.enter(&c.event)
		want := ledger.Lease{}
		if c.want {
			want = wants
		}
		equal(t, name, c.event.granted(), want)
	}
}

// TestAtOnce: which outcomes may stand in their event's row.
func TestAtOnce(t *testing.T) {
	d := ledger.Delivery{EventID: "evt_1", Attempt: 1, At: noon, Took: 1500, Status: 200, Snippet: "success", State: ledger.Delivered, Due: at(1), Back: at(2)}
	kept := d
	kept.Due, kept.Back = never, never
	for name, c := range map[string]struct {
		change func(*ledger.Delivery)
		want   *ledger.Delivery
	}{
		"the first, delivered":   {func(*ledger.Delivery) {}, &kept},
		"dead":                   {func(d *ledger.Delivery) { d.State = ledger.Dead }, nil},
		"failed":                 {func(d *ledger.Delivery) { d.State = ledger.Pending }, nil},
		"the second":             {func(d *ledger.Delivery) { d.Attempt = 2 }, nil},
		"with something to say":  {func(d *ledger.Delivery) { d.Error = "odd" }, nil},
		"at a time that is none": {func(d *ledger.Delivery) { d.At = never }, nil},
	} {
		equal(t, name, atOnce(with(d, c.change)), c.want)
	}
}

// TestByCharge: which payments are found through their charge alone.
func TestByCharge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ledger.Event)
		charge *Charge
		want   bool
	}{
		"of its charge's order":       {func(*ledger.Event) {}, ptr(open()), true},
		"of a charge not known":       {func(*ledger.Event) {}, nil, true},
		"of another order":            {func(e *ledger.Event) { e.OrderNo, e.Lane = "p", "p" }, ptr(open()), false},
		"in another lane":             {func(e *ledger.Event) { e.Lane = "p" }, ptr(open()), false},
		"in none":                     {func(e *ledger.Event) { e.Lane = "" }, ptr(open()), false},
		"not the effect of a payment": {func(e *ledger.Event) { e.Change = nil }, ptr(open()), false},
	} {
		e := Event{Event: *payment()}
		c.change(&e.Event)
		b := newBooks(&e.Event)
		b.charge = c.charge
		b.enter(&e)
		if e.ByCharge != c.want {
			t.Errorf("%s: %t", name, e.ByCharge)
		}
	}
}

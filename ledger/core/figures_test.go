package core

import (
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestFirst: the earlier of two times, of which either may be none.
func TestFirst(t *testing.T) {
	one, two := at(1), at(2)
	for _, c := range []struct{ a, b, want time.Time }{{one, two, one}, {two, one, one}, {never, two, two}, {two, never, two}, {never, never, never}} {
		equal(t, "the first", first(c.a, c.b), c.want)
	}
}

// TestRisk: a payment is at risk with its money until the backend has acknowledged it, or a person decided against it.
func TestRisk(t *testing.T) {
	pay := Event{Event: *payment()}
	pay.Money = 100
	for name, c := range map[string]struct {
		change func(*Event)
		want   int64
	}{
		"pending":               {func(*Event) {}, 100},
		"held":                  {func(e *Event) { e.State = ledger.Held }, 100},
		"dead":                  {func(e *Event) { e.State = ledger.Dead }, 100},
		"delivered":             {func(e *Event) { e.State, e.Acks = ledger.Delivered, 1 }, 0},
		"replayed once it was":  {func(e *Event) { e.Acks = 1 }, 0},
		"discarded":             {func(e *Event) { e.State = ledger.Discarded }, 0},
		"filtered":              {func(e *Event) { e.State = ledger.Filtered }, 0},
		"what brings no money":  {func(e *Event) { e.Money = 0 }, 0},
		"what takes money away": {func(e *Event) { e.Money = -30 }, 0},
	} {
		e := with(pay, c.change)
		if got := e.Risk(); got != c.want {
			t.Errorf("%s: %d fen", name, got)
		}
	}
}

// TestMoney: what an event with its effect brings or takes, and as what its hour has it.
func TestMoney(t *testing.T) {
	for name, c := range map[string]struct {
		event *ledger.Event
		want  int64
		hour  ledger.Hour
	}{
		"a payment that was told":       {payment(), 100, ledger.Hour{Webhook: 1, Paid: 100}},
		"a payment that was asked for":  {ptr(with(*payment(), func(e *ledger.Event) { e.Source = ledger.Query })), 100, ledger.Hour{Query: 1, Paid: 100}},
		"a payment of another object":   {ptr(with(*payment(), func(e *ledger.Event) { e.ObjectID = "ch_2" })), 0, ledger.Hour{}},
		"as that, and asked for":        {ptr(with(*payment(), func(e *ledger.Event) { e.ObjectID, e.Source = "ch_2", ledger.Query })), 0, ledger.Hour{}},
		"a refund that was asked for":   {ptr(with(*refund(40), func(e *ledger.Event) { e.Source = ledger.Query })), -40, ledger.Hour{Refunded: 40}},
		"a payment that is none":        {ptr(with(*payment(), func(e *ledger.Event) { e.Type = "charge.expired" })), 0, ledger.Hour{}},
		"a refund":                      {refund(40), -40, ledger.Hour{Refunded: 40}},
		"a refund that changes nothing": {ptr(with(*refund(40), func(e *ledger.Event) { e.Change = nil })), 0, ledger.Hour{}},
		"an order's refund":             {ptr(with(*refund(40), func(e *ledger.Event) { e.Type = "order_refund.succeeded" })), 0, ledger.Hour{}},
	} {
		e := event(*c.event)
		got := newBooks(&e.Event).money(&e.Event)
		var told tallies
		tallyMoney(&told, e, got)
		if got != c.want || told.hour != c.hour || slices.Contains(told.added, 0) {
			t.Errorf("%s: %d fen, in its hour %+v, by %d", name, got, told.hour, told.added)
		}
	}
}

// tallies is a transaction that only counts.
type tallies struct {
	Tx
	hour  ledger.Hour
	added []int64
}

func (t *tallies) Tally(_ ledger.Scope, _ time.Time, what string, n int64) {
	Add(&t.hour, what, n)
	t.added = append(t.added, n)
}

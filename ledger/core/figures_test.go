package core

import (
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

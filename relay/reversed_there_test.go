package relay

import (
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// A charge was reversed at Ping++, and nobody told us: the comparison of its day records that, and counts it once.
func TestSweepLearnsReversals(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id, other := p.charge(l, "order1", 100).ID, p.charge(l, "order2", 100).ID
	p.after(ReverseAfter)
	if _, err := p.client.ReverseCharge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		s, err := r.Sweep(t.Context(), p.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if s.Returned != want || s.AtPingpp != 2 || !s.Clean() {
			t.Errorf("%+v", s)
		}
	}
	if c := p.known(l, id); !c.Reversed || !c.NextQuery.IsZero() {
		t.Errorf("reversed at Ping++: %t, looked up again %s", c.Reversed, c.NextQuery)
	}
	if p.known(l, other).Reversed {
		t.Error("another charge is reversed")
	}
}

// The answer to an attempt was lost, and its charge has been reversed since: it is found as what it is, and nobody is to pay it.
func TestFoundAndReversed(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	made := p.reserved(l, "order1", 100)
	if err := l.Release(t.Context(), ledger.Release{Scope: p.scope, Number: made.OrderNo, As: ledger.Unknown}); err != nil {
		t.Fatal(err)
	}
	p.after(ReverseAfter)
	if _, err := p.client.ReverseCharge(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	unknown, err := l.Attempts(t.Context(), p.scope, "order1")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Find(t.Context(), l, unknown); found != 1 || err != nil {
		t.Fatal(found, err)
	}
	if c := p.known(l, made.ID); !c.Reversed || c.State != ledger.Open || !c.NextQuery.IsZero() {
		t.Errorf("%s, reversed: %t, looked up again %s", c.State, c.Reversed, c.NextQuery)
	}
}

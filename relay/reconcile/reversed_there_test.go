package reconcile_test

import (
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A charge was reversed at Ping++, and nobody told us: the comparison of its day records that, and counts it once.
func TestSweepLearnsReversals(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id, other := p.Charge(l, "order1", 100).ID, p.Charge(l, "order2", 100).ID
	p.After(pingpp.ReverseWait)
	if _, err := p.Client.ReverseCharge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		s, err := r.Days.Day(t.Context(), p.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if s.Returned != want || s.AtPingpp != 2 || !s.Clean() {
			t.Errorf("%+v", s)
		}
	}
	if c := p.Known(l, id); !c.Reversed || !c.NextQuery.IsZero() {
		t.Errorf("reversed at Ping++: %t, looked up again %s", c.Reversed, c.NextQuery)
	}
	if p.Known(l, other).Reversed {
		t.Error("another charge is reversed")
	}
}

// The answer to an attempt was lost, and its charge has been reversed since: it is found as what it is, and nobody is to pay it.
func TestFoundAndReversed(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	made := p.Reserved(l, "order1", 100)
	if err := l.Release(t.Context(), ledger.Release{Scope: p.Scope, Number: made.OrderNo, As: ledger.Unknown}); err != nil {
		t.Fatal(err)
	}
	p.After(pingpp.ReverseWait)
	if _, err := p.Client.ReverseCharge(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	unknown, err := l.Attempts(t.Context(), p.Scope, "order1")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Attempts.Find(t.Context(), l, unknown); found != 1 || err != nil {
		t.Fatal(found, err)
	}
	if c := p.Known(l, made.ID); !c.Reversed || c.State != ledger.Open || !c.NextQuery.IsZero() {
		t.Errorf("%s, reversed: %t, looked up again %s", c.State, c.Reversed, c.NextQuery)
	}
}

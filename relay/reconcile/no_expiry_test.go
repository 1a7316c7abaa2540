package reconcile_test

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A charge whose time_expire Ping++ leaves null is looked up like one that lapses a day after its creation.
func TestNoTimeExpire(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	kept := func(orderNo string) string {
		ch := p.Made(p.Client, orderNo, orderNo, 100)
		now := p.Clock.Now()
		if _, err := l.Reserve(t.Context(), ledger.Reservation{Scope: p.Scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
			Number: func(int, int) string { return orderNo }}); err != nil {
			t.Fatal(err)
		}
		bare := *ch
		bare.TimeExpire = 0
		p.Keep(l, orderNo, 100, &bare)
		return ch.ID
	}
	begin := p.Clock.Now()
	paid, unpaid := kept("order1"), kept("order2")
	if k := p.Known(l, paid); !k.TimeExpire.IsZero() || !k.Lapses().Equal(begin.Truncate(time.Second).Add(24*time.Hour)) {
		t.Errorf("expires %v, lapses %v", k.TimeExpire, k.Lapses())
	}
	p.After(31 * time.Second)
	reconciletest.Rounds(t, r)
	if k := p.Known(l, paid); k.Queries != 1 || k.NextQuery.IsZero() {
		t.Fatalf("after the first look-up: %d, next %v", k.Queries, k.NextQuery)
	}
	p.Pay(paid)
	p.After(5 * time.Minute)
	reconciletest.Rounds(t, r)
	if p.Event(l, reconciletest.QueryID(paid)) == nil {
		t.Error("its payment was not found")
	}
	k := p.Known(l, unpaid)
	for last := k.NextQuery; ; last = k.NextQuery {
		p.Clock.Set(k.NextQuery)
		reconciletest.Rounds(t, r)
		if k = p.Known(l, unpaid); k.NextQuery.IsZero() {
			if since := last.Sub(begin); since < 48*time.Hour-time.Second || since > 48*time.Hour {
				t.Errorf("looked up last %s after its creation", since)
			}
			break
		}
	}
}

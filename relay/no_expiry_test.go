package relay

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// A charge whose time_expire Ping++ leaves null is looked up like one that lapses a day after its creation.
func TestNoTimeExpire(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	kept := func(orderNo string) string {
		ch := p.made(p.client, orderNo, orderNo, 100)
		now := p.clock.Now()
		if _, err := l.Reserve(t.Context(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
			Number: func(int, int) string { return orderNo }}); err != nil {
			t.Fatal(err)
		}
		bare := *ch
		bare.TimeExpire = 0
		p.keep(l, orderNo, 100, &bare)
		return ch.ID
	}
	begin := p.clock.Now()
	paid, unpaid := kept("order1"), kept("order2")
	if k := p.known(l, paid); !k.TimeExpire.IsZero() || !k.Lapses().Equal(begin.Truncate(time.Second).Add(24*time.Hour)) {
		t.Errorf("expires %v, lapses %v", k.TimeExpire, k.Lapses())
	}
	p.after(31 * time.Second)
	rounds(t, r)
	if k := p.known(l, paid); k.Queries != 1 || k.NextQuery.IsZero() {
		t.Fatalf("after the first look-up: %d, next %v", k.Queries, k.NextQuery)
	}
	p.pay(paid)
	p.after(5 * time.Minute)
	rounds(t, r)
	if p.event(l, queryID(paid)) == nil {
		t.Error("its payment was not found")
	}
	k := p.known(l, unpaid)
	for last := k.NextQuery; ; last = k.NextQuery {
		p.clock.Set(k.NextQuery)
		rounds(t, r)
		if k = p.known(l, unpaid); k.NextQuery.IsZero() {
			if since := last.Sub(begin); since < 48*time.Hour-time.Second || since > 48*time.Hour {
				t.Errorf("looked up last %s after its creation", since)
			}
			break
		}
	}
}

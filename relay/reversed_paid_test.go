package relay

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// A payment that is known was reversed at Ping++, by somebody else: a look-up of the charge records that, and a backend that has not heard of the
// payment does not hear of it.
func TestLookUpLearnsReversalOfAPayment(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.till(l, "order1").ID
	p.pay(id)
	if err := r.Recover(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if c := p.known(l, id); !c.Paid || c.Reversed {
		t.Fatalf("paid %t, reversed %t", c.Paid, c.Reversed)
	}
	p.after(time.Minute)
	if _, err := p.client.ReverseCharge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Recover(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if c := p.known(l, id); !c.Paid || !c.Reversed || c.Pays() {
			t.Errorf("paid %t, reversed %t, and pays: %t", c.Paid, c.Reversed, c.Pays())
		}
		if e := p.event(l, queryID(id)); e.State != ledger.Discarded || !e.Settled.Equal(p.clock.Now()) {
			t.Errorf("its payment is %s since %s", e.State, e.Settled)
		}
	}
}

// Only a superseded attempt that somebody could still pay is reversed, once its channel takes that.
func TestMayReverse(t *testing.T) {
	c := newClock()
	r := NewReconciler(ReconcilerConfig{Now: c.Now})
	now := c.Now()
	ripe := ledger.Charge{Channel: "wx_lite", Superseded: true, Created: now.Add(-time.Hour), TimeExpire: now.Add(time.Hour)}
	for name, tt := range map[string]struct {
		change func(*ledger.Charge)
		want   bool
	}{
		"superseded":               {func(*ledger.Charge) {}, true},
		"current":                  {func(c *ledger.Charge) { c.Superseded = false }, false},
		"of a channel that cannot": {func(c *ledger.Charge) { c.Channel = "alipay_wap" }, false},
		"just made":                {func(c *ledger.Charge) { c.Created = now }, false},
		"lapsed":                   {func(c *ledger.Charge) { c.TimeExpire = now }, false},
	} {
		charge := ripe
		tt.change(&charge)
		if got := r.mayReverse(&charge); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

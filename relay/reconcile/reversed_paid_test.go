package reconcile_test

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A payment that is known was reversed at Ping++, by somebody else: a look-up of the charge records that, and a backend that has not heard of the
// payment does not hear of it.
func TestLookUpLearnsReversalOfAPayment(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Till(l, "order1").ID
	p.Pay(id)
	if err := r.Charges.Recover(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if c := p.Known(l, id); !c.Paid || c.Reversed {
		t.Fatalf("paid %t, reversed %t", c.Paid, c.Reversed)
	}
	p.After(time.Minute)
	if _, err := p.Client.ReverseCharge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Charges.Recover(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		if c := p.Known(l, id); !c.Paid || !c.Reversed || c.Pays() {
			t.Errorf("paid %t, reversed %t, and pays: %t", c.Paid, c.Reversed, c.Pays())
		}
		if e := p.Event(l, reconciletest.QueryID(id)); e.State != ledger.Discarded || !e.Settled.Equal(p.Clock.Now()) {
			t.Errorf("its payment is %s since %s", e.State, e.Settled)
		}
	}
}

// Only a superseded attempt that somebody could still pay is reversed, once its channel takes that.
func TestMayReverse(t *testing.T) {
	c := relaytest.NewClock()
	r := reconcile.New(reconcile.Config{Now: c.Now})
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
		if got := reconcile.May(r.Reversals, &charge); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

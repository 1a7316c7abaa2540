package relay

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// superseded makes an order with an attempt of 100 fen, and one of 200 that took its place.
func (p *provider) superseded(l ledger.Ledger) (old, current string) {
	old = p.charge(l, "order1", 100).ID
	current = p.charge(l, "order1", 200).ID
	return old, current
}

func TestSupersededIsReversed(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	var reversals atomic.Int64
	r.cfg.Observe = func(result string) {
		if result == "reversed" {
			reversals.Add(1)
		}
	}
	old, current := p.superseded(l)
	reversed := func() int { return p.State(0).Calls["reverse_charge"] }
	p.after(DefaultAfter)
	rounds(t, r)
	if n := reversed(); n != 0 {
		t.Fatal("reversed within the minute in which WeChat wants it left alone")
	}
	p.after(time.Minute)
	p.fault("reverse_charge", "500", 1) // its outcome is not known: the charge is read again
	rounds(t, r)
	if p.known(l, old).Reversed || reversed() != 1 {
		t.Error("reversed by a failed reversal")
	}
	p.after(time.Minute)
	rounds(t, r)
	if c := p.known(l, old); !c.Reversed || !c.NextQuery.IsZero() || c.Paid || reversed() != 2 {
		t.Errorf("%+v", c)
	}
	if err := p.Pay(old); !errors.Is(err, sandbox.ErrChargeReversed) {
		t.Error("it can still be paid:", err)
	}
	if c := p.known(l, current); c.Reversed || c.NextQuery.IsZero() {
		t.Errorf("the current attempt: %+v", c)
	}
	if n := reversals.Load(); n != 1 {
		t.Errorf("observed %d reversals", n)
	}
}

// The answer to a reversal is lost, or somebody else has reversed the charge: it counts all the same.
func TestReversedElsewhere(t *testing.T) {
	for _, lost := range []bool{true, false} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		old, _ := p.superseded(l)
		if lost {
			p.fault("reverse_charge", "drop", 1)
		} else if _, err := p.client.ReverseCharge(context.Background(), old); err != nil {
			t.Fatal(err)
		}
		p.after(61 * time.Second)
		rounds(t, r)
		if c := p.known(l, old); !c.Reversed || !c.NextQuery.IsZero() {
			t.Errorf("lost %t: %+v", lost, c)
		}
	}
}

// A superseded attempt that was paid is never reversed, not even when it is paid between our question and the reversal.
func TestSupersededButPaid(t *testing.T) {
	for _, between := range []bool{false, true} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		old, _ := p.superseded(l)
		pay := func(req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/"+old+"/reverse") {
				_ = p.Pay(old)
			}
		}
		if between {
			p.before.Store(&pay)
		} else {
			p.pay(old)
		}
		p.after(61 * time.Second)
		rounds(t, r)
		c, e := p.known(l, old), p.event(l, queryID(old))
		if !c.Paid || c.Reversed || !c.NextQuery.IsZero() || !c.Held {
			t.Errorf("between %t: %+v", between, c)
		}
		if e == nil || e.State != ledger.Held || !slices.Equal(e.Reasons, []string{ledger.ReasonSuperseded}) {
			t.Errorf("between %t: %+v", between, e)
		}
		if n := p.State(0).Calls["reverse_charge"]; n > 1 || !between && n > 0 {
			t.Errorf("%d reversals", n)
		}
	}
}

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
	"github.com/caddypay/caddypay/pingpp"
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
		}
		p.after(61 * time.Second)
		if lost {
			rounds(t, r)
		} else if _, err := p.client.ReverseCharge(context.Background(), old); err != nil {
			t.Fatal(err)
		}
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

// However long ago an attempt was made, it is reversed as soon as another has paid the order, not at its age's next look-up; and so is one
// that was made after the payment.
func TestOthersAreReversedOncePaid(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	first := p.charge(l, "order1", 100).ID
	p.after(90 * time.Minute)
	rounds(t, r)
	if c := p.known(l, first); c.NextQuery.Before(p.clock.Now().Add(20 * time.Minute)) {
		t.Fatalf("looked up too soon to show anything: %s", c.NextQuery)
	}
	foreign := p.made(p.client, "elsewhere", "order1", 100)
	p.pay(foreign.ID)
	if err := r.Recover(context.Background(), foreign.ID); err != nil { // a payment that we did not make
		t.Fatal(err)
	}
	late := p.charge(l, "order1", 100).ID // a request that was under way
	rounds(t, r)
	if c := p.known(l, first); !c.Reversed || !c.Superseded {
		t.Errorf("the old one: %+v", c)
	}
	asked := p.asked()
	p.after(DefaultAfter)
	rounds(t, r)
	if c := p.known(l, late); !c.Superseded || c.Reversed || p.asked() != asked {
		t.Errorf("the late one, in its first minute: %+v", c)
	}
	p.after(DefaultAfter)
	rounds(t, r)
	if c := p.known(l, late); !c.Reversed {
		t.Errorf("the late one: %+v", c)
	}
}

// A reversal that fails for a reason that may pass is tried again soon, however old the charge; one that Ping++ will never do is not.
func TestReversalIsTriedAgain(t *testing.T) {
	for fault, want := range map[string]time.Duration{"500": reverseAgain, "403": reverseAgain, "429": reverseAgain, "402": reverseRefused, "401": reverseAgain} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		old := p.charge(l, "order1", 100).ID
		p.after(90 * time.Minute)
		rounds(t, r)
		p.charge(l, "order1", 200)
		p.fault("reverse_charge", fault, 20)
		rounds(t, r)
		if c := p.known(l, old); c.Reversed || c.NextQuery.Sub(p.clock.Now()) > want {
			t.Errorf("%s: next in %s", fault, c.NextQuery.Sub(p.clock.Now()))
		}
		p.ClearFaults()
		p.fault("get_charge", "502", 20)
		p.after(want)
		rounds(t, r)
		p.ClearFaults()
		p.after(reverseAgain)
		rounds(t, r)
		if c := p.known(l, old); !c.Reversed {
			t.Errorf("%s: not reversed: %+v", fault, c)
		}
	}
}

// A channel that cannot reverse is not asked to; its attempts are watched.
func TestIrreversibleIsWatched(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	now := p.clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: "order1", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "order1" }})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := p.client.CreateCharge(context.Background(), &pingpp.ChargeParams{OrderNo: held.Number, Channel: "alipay_wap", Amount: 100, Currency: "cny",
		ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"success_url": "https://shop.example.com/"}, Metadata: map[string]any{MetaOrderNo: "order1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.scope, OrderNo: "order1", Number: held.Number, ID: ch.ID, Channel: "alipay_wap", Amount: 100,
		Currency: "cny", Created: now, TimeExpire: ch.Expires(), NextQuery: now.Add(DefaultAfter)}); err != nil {
		t.Fatal(err)
	}
	p.pay(p.charge(l, "order1", 200).ID)
	p.after(time.Minute)
	rounds(t, r)
	c := p.known(l, ch.ID)
	if p.State(0).Calls["reverse_charge"] != 0 || !c.Superseded || c.NextQuery.IsZero() {
		t.Errorf("%d reversals, %+v", p.State(0).Calls["reverse_charge"], c)
	}
	p.pay(ch.ID)
	p.after(5 * time.Minute)
	rounds(t, r)
	if e := p.event(l, queryID(ch.ID)); e == nil || e.State != ledger.Held {
		t.Errorf("paid as well: %+v", e)
	}
}

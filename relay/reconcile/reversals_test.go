package reconcile_test

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
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/sandbox"
)

func TestSupersededIsReversed(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	var reversals atomic.Int64
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Observe(func(result string) {
		if result == "reversed" {
			reversals.Add(1)
		}
	}))
	old, current := p.Superseded(l)
	reversed := func() int { return p.State(0).Calls["reverse_charge"] }
	p.After(reconcile.DefaultAfter)
	reconciletest.Rounds(t, r)
	if n := reversed(); n != 0 {
		t.Fatal("reversed within the minute in which WeChat wants it left alone")
	}
	p.After(time.Minute)
	p.Fault("reverse_charge", "500", 1) // its outcome is not known: the charge is read again
	reconciletest.Rounds(t, r)
	if p.Known(l, old).Reversed || reversed() != 1 {
		t.Error("reversed by a failed reversal")
	}
	p.After(time.Minute)
	reconciletest.Rounds(t, r)
	if c := p.Known(l, old); !c.Reversed || !c.NextQuery.IsZero() || c.Paid || reversed() != 2 {
		t.Errorf("%+v", c)
	}
	if err := p.Sandbox.Pay(old); !errors.Is(err, sandbox.ErrChargeReversed) {
		t.Error("it can still be paid:", err)
	}
	if c := p.Known(l, current); c.Reversed || c.NextQuery.IsZero() {
		t.Errorf("the current attempt: %+v", c)
	}
	if n := reversals.Load(); n != 1 {
		t.Errorf("observed %d reversals", n)
	}
}

// The answer to a reversal is lost, or somebody else has reversed the charge: it counts all the same.
func TestReversedElsewhere(t *testing.T) {
	for _, lost := range []bool{true, false} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		old, _ := p.Superseded(l)
		if lost {
			p.Fault("reverse_charge", "drop", 1)
		}
		p.After(61 * time.Second)
		if lost {
			reconciletest.Rounds(t, r)
		} else if _, err := p.Client.ReverseCharge(context.Background(), old); err != nil {
			t.Fatal(err)
		}
		reconciletest.Rounds(t, r)
		if c := p.Known(l, old); !c.Reversed || !c.NextQuery.IsZero() {
			t.Errorf("lost %t: %+v", lost, c)
		}
	}
}

// A superseded attempt that was paid is never reversed, not even when it is paid between our question and the reversal.
func TestSupersededButPaid(t *testing.T) {
	for _, between := range []bool{false, true} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		old, _ := p.Superseded(l)
		pay := func(req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/"+old+"/reverse") {
				_ = p.Sandbox.Pay(old)
			}
		}
		if between {
			p.Before.Store(&pay)
		} else {
			p.Pay(old)
		}
		p.After(61 * time.Second)
		reconciletest.Rounds(t, r)
		c, e := p.Known(l, old), p.Event(l, reconciletest.QueryID(old))
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
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	first := p.Charge(l, "order1", 100).ID
	p.After(90 * time.Minute)
	reconciletest.Rounds(t, r)
	if c := p.Known(l, first); c.NextQuery.Before(p.Clock.Now().Add(20 * time.Minute)) {
		t.Fatalf("looked up too soon to show anything: %s", c.NextQuery)
	}
	foreign := p.Made(p.Client, "elsewhere", "order1", 100)
	p.Pay(foreign.ID)
	if err := r.Charges.Recover(context.Background(), foreign.ID, nil); err != nil { // a payment that we did not make
		t.Fatal(err)
	}
	late := p.Charge(l, "order1", 100).ID // a request that was under way
	reconciletest.Rounds(t, r)
	if c := p.Known(l, first); !c.Reversed || !c.Superseded {
		t.Errorf("the old one: %+v", c)
	}
	asked := p.Asked()
	p.After(reconcile.DefaultAfter)
	reconciletest.Rounds(t, r)
	if c := p.Known(l, late); !c.Superseded || c.Reversed || p.Asked() != asked {
		t.Errorf("the late one, in its first minute: %+v", c)
	}
	p.After(reconcile.DefaultAfter)
	reconciletest.Rounds(t, r)
	if c := p.Known(l, late); !c.Reversed {
		t.Errorf("the late one: %+v", c)
	}
}

// A reversal that fails for a reason that may pass is tried again soon, however old the charge; one that Ping++ will never do is not.
func TestReversalIsTriedAgain(t *testing.T) {
	for fault, want := range map[string]time.Duration{"500": reconcile.ReverseAgain, "403": reconcile.ReverseAgain, "429": reconcile.ReverseAgain, "402": reconcile.ReverseRefused, "401": reconcile.ReverseAgain} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		old := p.Charge(l, "order1", 100).ID
		p.After(90 * time.Minute)
		reconciletest.Rounds(t, r)
		p.Charge(l, "order1", 200)
		p.Fault("reverse_charge", fault, 20)
		reconciletest.Rounds(t, r)
		if c := p.Known(l, old); c.Reversed || c.NextQuery.Sub(p.Clock.Now()) > want {
			t.Errorf("%s: next in %s", fault, c.NextQuery.Sub(p.Clock.Now()))
		}
		p.ClearFaults()
		p.Fault("get_charge", "502", 20)
		p.After(want)
		reconciletest.Rounds(t, r)
		p.ClearFaults()
		p.After(reconcile.ReverseAgain)
		reconciletest.Rounds(t, r)
		if c := p.Known(l, old); !c.Reversed {
			t.Errorf("%s: not reversed: %+v", fault, c)
		}
	}
}

// A channel that cannot reverse is not asked to; its attempts are watched.
func TestIrreversibleIsWatched(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	now := p.Clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: "order1", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "order1" }})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := p.Client.CreateCharge(context.Background(), &pingpp.ChargeParams{OrderNo: held.Number, Channel: "alipay_wap", Amount: 100, Currency: "cny",
		ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"success_url": "https://shop.example.com/"}, Metadata: map[string]any{intake.MetaOrderNo: "order1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.Scope, OrderNo: "order1", Number: held.Number, ID: ch.ID, Channel: "alipay_wap", Amount: 100,
		Currency: "cny", Created: now, TimeExpire: ch.Expires(), NextQuery: now.Add(reconcile.DefaultAfter)}); err != nil {
		t.Fatal(err)
	}
	p.Pay(p.Charge(l, "order1", 200).ID)
	p.After(time.Minute)
	reconciletest.Rounds(t, r)
	c := p.Known(l, ch.ID)
	if p.State(0).Calls["reverse_charge"] != 0 || !c.Superseded || c.NextQuery.IsZero() {
		t.Errorf("%d reversals, %+v", p.State(0).Calls["reverse_charge"], c)
	}
	p.Pay(ch.ID)
	p.After(5 * time.Minute)
	reconciletest.Rounds(t, r)
	if e := p.Event(l, reconciletest.QueryID(ch.ID)); e == nil || e.State != ledger.Held {
		t.Errorf("paid as well: %+v", e)
	}
}

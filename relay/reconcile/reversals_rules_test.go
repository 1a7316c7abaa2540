package reconcile_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// When a reversal is tried again depends on why it failed: what Ping++ will never do is left to the ordinary look-ups, what the channel refused is
// not hurried, and all else is tried soon; never later than the charge is looked up anyway.
func TestNextReversal(t *testing.T) {
	c := relaytest.NewClock()
	r := reconcile.New(reconcile.Config{Now: c.Now, Rand: func() float64 { return 0.5 }})
	in := func(d time.Duration) time.Time { return c.Now().Add(d) }
	why := func(k pingpp.ErrorKind) error { return &pingpp.Error{Kind: k} }
	young := ledger.Charge{Channel: "wx_lite", Superseded: true, Created: in(-3 * time.Minute), TimeExpire: in(2 * time.Hour)}
	old, current, irreversible, lapsed := young, young, young, young
	old.Created = in(-time.Hour)
	current.Superseded = false
	irreversible.Channel = "alipay_wap"
	lapsed.TimeExpire = in(-time.Second)
	far, soon := in(time.Hour), in(time.Second)
	for name, tt := range map[string]struct {
		charge  ledger.Charge
		next    time.Time
		refusal error
		want    time.Time
	}{
		"not refused":                      {old, far, nil, far},
		"never: no such request":           {old, far, why(pingpp.InvalidRequest), far},
		"never: no such charge":            {old, far, why(pingpp.NotFound), far},
		"never, and not looked up again":   {old, time.Time{}, why(pingpp.NotFound), time.Time{}},
		"refused by the channel":           {old, far, why(pingpp.Channel), in(reconcile.ReverseRefused)},
		"refused by the channel, at first": {young, far, why(pingpp.Channel), in(2 * time.Minute)},
		"no answer":                        {old, far, errors.New("no answer"), in(reconcile.ReverseAgain)},
		"too often":                        {old, far, why(pingpp.RateLimit), in(reconcile.ReverseAgain)},
		"looked up sooner anyway":          {old, soon, why(pingpp.Channel), soon},
		"not looked up again":              {old, time.Time{}, why(pingpp.Channel), in(reconcile.ReverseRefused)},
		"not superseded":                   {current, far, why(pingpp.Channel), far},
		"of a channel that cannot":         {irreversible, far, why(pingpp.Channel), far},
		"lapsed":                           {lapsed, far, why(pingpp.Channel), far},
	} {
		if got := reconcile.Again(r.Reversals, &tt.charge, tt.next, tt.refusal); !got.Equal(tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// A charge that its channel cannot reverse takes no money any more once it has lapsed, and not before.
func TestUndoOfWhatCannotBeReversed(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Charge(l, "order1", 100).ID
	for _, lapsed := range []bool{false, true} {
		c := p.Known(l, id)
		c.Channel = "alipay_wap"
		if lapsed {
			p.Clock.Set(c.Lapses())
		}
		if sure, err := r.Reversals.Undo(t.Context(), l, c); sure != lapsed || err != nil {
			t.Errorf("lapsed %t: %t, %v", lapsed, sure, err)
		}
	}
	if n := p.State(0).Calls["reverse_charge"]; n != 0 {
		t.Errorf("%d reversals", n)
	}
}

// Whoever asked to undo a charge has left while it is being reversed: that is brought to its end, and recorded.
func TestUndoIsBroughtToItsEnd(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Till(l, "order1").ID
	p.After(time.Minute)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	leaves := func(req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/reverse") {
			leave()
		}
	}
	p.Before.Store(&leaves)
	if sure, err := r.Reversals.Undo(ctx, l, p.Known(l, id)); !sure || err != nil {
		t.Errorf("%t, %v", sure, err)
	}
	if c := p.Known(l, id); !c.Reversed || ctx.Err() == nil {
		t.Errorf("%+v", c)
	}
}

// An attempt that another has replaced is paid in the moment in which we reverse it, and its channel gives the money back: that was on purpose, and
// is nothing for a person to decide about.
func TestSupersededIsPaidAndGivenBack(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	old := p.Till(l, "order1").ID
	p.Till(l, "order1")
	pay := func(req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/"+old+"/reverse") {
			_ = p.Sandbox.Pay(old)
		}
	}
	p.Before.Store(&pay)
	p.After(61 * time.Second)
	reconciletest.Rounds(t, r)
	p.WantRecorded(l, "the replaced attempt", "order1", "charge.succeeded discarded reversed")
	if c := p.Known(l, old); !c.Paid || !c.Reversed || c.Held || c.Pays() || !c.NextQuery.IsZero() {
		t.Errorf("%+v", c)
	}
}

// What becomes of the last look-up of a charge when its payment cannot be recorded: it is not the last.
func TestPaymentThatCouldNotBeRecordedIsFoundAgain(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Charge(l, "order1", 100).ID
	lapses := p.Known(l, id).Lapses()
	p.Clock.Set(lapses.Add(-time.Second))
	reconciletest.Rounds(t, r)
	p.Pay(id)
	p.Clock.Set(lapses.Add(reconcile.DefaultUntil))
	whole := r.Learner.Intake.Ledger
	r.Learner.Intake.Ledger = func(context.Context) (ledger.Ledger, error) { return nil, errors.New("the disk is full") }
	reconciletest.Rounds(t, r)
	c := p.Known(l, id)
	if c.Paid || c.NextQuery.IsZero() {
		t.Fatalf("paid %t, looked up again %s", c.Paid, c.NextQuery)
	}
	r.Learner.Intake.Ledger = whole
	p.Clock.Set(c.NextQuery)
	reconciletest.Rounds(t, r)
	p.WantRecorded(l, "when it can be recorded", "order1", "charge.succeeded pending")
}

// Events are asked for by the id that anybody may send: once their budget is spent, nobody is asked, and nobody waits.
func TestEventTakesFromItsBudget(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	q := asking.NewQuestions()
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(q))
	p.Pay(p.Charge(l, "order1", 100).ID)
	id := p.State(1).Events[0].ID
	for q.Payers.Allow() || q.First.Allow() || q.Later.Allow() {
	}
	if e, err := r.Events.Get(t.Context(), id); err != nil || e.ID != id {
		t.Fatalf("%+v, %v", e, err)
	}
	for q.Refunds.Allow() {
	}
	asked := p.State(0).Calls["get_event"]
	if _, err := r.Events.Get(t.Context(), id); !errors.Is(err, asking.ErrTooMuch) || p.State(0).Calls["get_event"] != asked {
		t.Errorf("beyond the budget: %v", err)
	}
}

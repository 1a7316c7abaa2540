package reconcile_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

// Whatever is asked takes from the budget of its purpose alone: all others are spent, and it is asked all the same.
func TestEachPurposeHasItsBudget(t *testing.T) {
	spent, free := rate.NewLimiter(0, 0), rate.NewLimiter(rate.Inf, 0)
	round := func(kind ledger.QueryKind) func(p *reconciletest.Provider, r *reconcile.Reconciler, l ledger.Ledger, id string) error {
		return func(p *reconciletest.Provider, r *reconcile.Reconciler, l ledger.Ledger, id string) error {
			if kind == ledger.QueryTold {
				if err := l.NoteClient(p.T.Context(), p.Scope, id, ledger.ClientNote{Result: "success", At: p.Clock.Now()}); err != nil {
					return err
				}
			}
			if kind == ledger.QueryLater {
				if err := l.Queried(p.T.Context(), ledger.Queried{Scope: p.Scope, ChargeID: id, Next: p.Clock.Now()}); err != nil {
					return err
				}
			}
			_, err := r.Due.Round(p.T.Context(), kind)
			return err
		}
	}
	for name, tt := range map[string]struct {
		budget func(q *asking.Questions) **rate.Limiter
		ask    func(p *reconciletest.Provider, r *reconcile.Reconciler, l ledger.Ledger, id string) error
	}{
		"a payer's question": {func(q *asking.Questions) **rate.Limiter { return &q.Payers }, func(p *reconciletest.Provider, r *reconcile.Reconciler, _ ledger.Ledger, id string) error {
			return r.Charges.Ask(p.T.Context(), id)
		}},
		"a payer's report": {func(q *asking.Questions) **rate.Limiter { return &q.Payers }, round(ledger.QueryTold)},
		"a refund's payment": {func(q *asking.Questions) **rate.Limiter { return &q.Refunds }, func(p *reconciletest.Provider, r *reconcile.Reconciler, _ ledger.Ledger, id string) error {
			return r.Charges.Recover(p.T.Context(), id, nil)
		}},
		"a first look-up": {func(q *asking.Questions) **rate.Limiter { return &q.First }, round(ledger.QueryFirst)},
		"a later look-up": {func(q *asking.Questions) **rate.Limiter { return &q.Later }, round(ledger.QueryLater)},
		"a second code": {func(q *asking.Questions) **rate.Limiter { return &q.Payers }, func(p *reconciletest.Provider, r *reconcile.Reconciler, l ledger.Ledger, id string) error {
			_, err := r.Reversals.Undo(p.T.Context(), l, p.Known(l, id))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
			q := &asking.Questions{Payers: spent, Refunds: spent, First: spent, Later: spent}
			*tt.budget(q) = free
			r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(q))
			id := p.Charge(l, "order1", 100).ID
			p.Pay(id)
			p.After(reconcile.DefaultAfter)
			if err := tt.ask(p, r, l, id); err != nil {
				t.Error(err)
			}
			if !p.Known(l, id).Paid {
				t.Error("Ping++ was not asked")
			}
		})
	}
}

// Many look-ups are due, so that Ping++'s list answers them; an attempt that another has taken the place of is reversed all the same.
func TestSupersededAmongMany(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	const orders = reconcile.QueryBatch + 4
	var old, current []string
	for i := range orders {
		order := fmt.Sprint("order", i)
		old = append(old, p.Charge(l, order, 100).ID)
		current = append(current, p.Charge(l, order, 200).ID)
	}
	p.After(pingpp.ReverseWait + time.Second)
	reconciletest.Rounds(t, r)
	if p.State(0).Calls["list_charges"] == 0 {
		t.Fatal("no list was asked for")
	}
	for i := range orders {
		if !p.Known(l, old[i]).Reversed || p.Known(l, current[i]).Reversed {
			t.Errorf("order %d: the old attempt is reversed: %t, the current one: %t", i, p.Known(l, old[i]).Reversed, p.Known(l, current[i]).Reversed)
		}
	}
}

// A backend goes away under a relay that has delivered to it, and comes back: what waits is delivered then, whatever Retry-After said.
func TestBackAfterAnOutage(t *testing.T) {
	l, c := relaytest.NewLedger(t), relaytest.NewClock()
	var down atomic.Bool
	b := relaytest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	cfg := delivery.Config(t, l, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	delivery.Start(t, cfg)
	relaytest.Record(t, l, relaytest.NewEvent("evt_first", c.Now()))
	relaytest.WaitDelivered(t, l, "evt_first")
	down.Store(true)
	const events = 6
	for i := range events {
		relaytest.Record(t, l, relaytest.NewEvent(fmt.Sprint("evt_", i), c.Now()))
	}
	relaytest.WaitFor(t, "probes", func() bool { c.Set(c.Now().Add(time.Second)); return len(b.Requests()) > events+4 })
	down.Store(false)
	began := c.Now()
	for i := range events {
		relaytest.WaitFor(t, fmt.Sprintf("evt_%d to be delivered", i), func() bool {
			c.Set(c.Now().Add(10 * time.Millisecond))
			e, _ := relaytest.Load(t, l, fmt.Sprint("evt_", i))
			return e.State == ledger.Delivered
		})
	}
	if took := c.Now().Sub(began); took > 10*time.Minute {
		t.Errorf("the last one was delivered %s after the backend was back", took)
	}
}

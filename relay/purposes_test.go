package relay

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
)

// Whatever is asked takes from the budget of its purpose alone: all others are spent, and it is asked all the same.
func TestEachPurposeHasItsBudget(t *testing.T) {
	spent, free := rate.NewLimiter(0, 0), rate.NewLimiter(rate.Inf, 0)
	round := func(kind ledger.QueryKind) func(p *provider, r *Reconciler, l ledger.Ledger, id string) error {
		return func(p *provider, r *Reconciler, l ledger.Ledger, id string) error {
			if kind == ledger.QueryTold {
				if err := l.NoteClient(p.t.Context(), p.scope, id, ledger.ClientNote{Result: "success", At: p.clock.Now()}); err != nil {
					return err
				}
			}
			if kind == ledger.QueryLater {
				if err := l.Queried(p.t.Context(), ledger.Queried{Scope: p.scope, ChargeID: id, Next: p.clock.Now()}); err != nil {
					return err
				}
			}
			_, err := r.round(p.t.Context(), kind)
			return err
		}
	}
	for name, tt := range map[string]struct {
		budget func(q *Questions) **rate.Limiter
		ask    func(p *provider, r *Reconciler, l ledger.Ledger, id string) error
	}{
		"a payer's question": {func(q *Questions) **rate.Limiter { return &q.payers }, func(p *provider, r *Reconciler, _ ledger.Ledger, id string) error { return r.Ask(p.t.Context(), id) }},
		"a payer's report":   {func(q *Questions) **rate.Limiter { return &q.payers }, round(ledger.QueryTold)},
		"a refund's payment": {func(q *Questions) **rate.Limiter { return &q.refunds }, func(p *provider, r *Reconciler, _ ledger.Ledger, id string) error {
			return r.Recover(p.t.Context(), id)
		}},
		"a first look-up": {func(q *Questions) **rate.Limiter { return &q.first }, round(ledger.QueryFirst)},
		"a later look-up": {func(q *Questions) **rate.Limiter { return &q.later }, round(ledger.QueryLater)},
		"a second code": {func(q *Questions) **rate.Limiter { return &q.payers }, func(p *provider, r *Reconciler, l ledger.Ledger, id string) error {
			_, err := r.Undo(p.t.Context(), l, p.known(l, id))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, l := newProvider(t), newLedger(t)
			r := p.reconciler(l, zap.NewNop())
			id := p.charge(l, "order1", 100).ID
			p.pay(id)
			p.after(DefaultAfter)
			q := &Questions{spent, spent, spent, spent}
			*tt.budget(q) = free
			r.cfg.Questions = q
			if err := tt.ask(p, r, l, id); err != nil {
				t.Error(err)
			}
			if !p.known(l, id).Paid {
				t.Error("Ping++ was not asked")
			}
		})
	}
}

// Many look-ups are due, so that Ping++'s list answers them; an attempt that another has taken the place of is reversed all the same.
func TestSupersededAmongMany(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	const orders = queryBatch + 4
	var old, current []string
	for i := range orders {
		order := fmt.Sprint("order", i)
		old = append(old, p.charge(l, order, 100).ID)
		current = append(current, p.charge(l, order, 200).ID)
	}
	p.after(ReverseAfter + time.Second)
	rounds(t, r)
	if p.State(0).Calls["list_charges"] == 0 {
		t.Fatal("no list was asked for")
	}
	for i := range orders {
		if !p.known(l, old[i]).Reversed || p.known(l, current[i]).Reversed {
			t.Errorf("order %d: the old attempt is reversed: %t, the current one: %t", i, p.known(l, old[i]).Reversed, p.known(l, current[i]).Reversed)
		}
	}
}

// A backend goes away under a relay that has delivered to it, and comes back: what waits as its Retry-After said is delivered then.
func TestBackAfterAnOutage(t *testing.T) {
	l, c := newLedger(t), newClock()
	var down atomic.Bool
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	cfg := config(t, l, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	start(t, cfg)
	record(t, l, newEvent("evt_first", c.Now()))
	waitDelivered(t, l, "evt_first")
	down.Store(true)
	const events = 6
	for i := range events {
		record(t, l, newEvent(fmt.Sprint("evt_", i), c.Now()))
	}
	waiting := func() (n int) { // as Retry-After says
		for i := range events {
			if e, ds := load(t, l, fmt.Sprint("evt_", i)); len(ds) > 0 && e.Due.Sub(c.Now()) > longestGap {
				n++
			}
		}
		return n
	}
	waitFor(t, "events to wait as Retry-After says", func() bool { return waiting() > 0 })
	waitFor(t, "probes", func() bool { c.Set(c.Now().Add(time.Second)); return len(b.requests()) > events+4 })
	if waiting() == 0 {
		t.Fatal("no event waits any more")
	}
	down.Store(false)
	began := c.Now()
	for i := range events {
		waitFor(t, fmt.Sprintf("evt_%d to be delivered", i), func() bool {
			c.Set(c.Now().Add(10 * time.Millisecond))
			e, _ := load(t, l, fmt.Sprint("evt_", i))
			return e.State == ledger.Delivered
		})
	}
	if took := c.Now().Sub(began); took > 10*time.Minute {
		t.Errorf("the last one was delivered %s after the backend was back", took)
	}
}

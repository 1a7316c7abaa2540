package reconcile_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

// A clock that was ahead, by the eight hours of an RTC in local time or by a year, leaves nothing behind when it is put right: neither
// before the process starts nor under it.
func TestClockPutBack(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, step := range []time.Duration{8 * time.Hour, 365 * 24 * time.Hour} {
			t.Run(fmt.Sprint(step, " running ", running), func(t *testing.T) {
				l, c := relaytest.NewLedger(t), relaytest.NewClock()
				right := c.Now()
				c.Set(right.Add(step))
				var ready atomic.Bool
				b := relaytest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
					if !ready.Load() {
						w.WriteHeader(http.StatusInternalServerError)
					}
				})
				cfg := delivery.Config(t, l, b)
				cfg.Now, cfg.Poll = c.Now, time.Millisecond
				relaytest.Record(t, l, relaytest.NewEvent("evt_leased", c.Now()))
				es, err := l.Claim(context.Background(), ledger.Claim{Scope: relaytest.Scope, Owner: "dead", Now: c.Now(), Until: c.Now().Add(1800 * time.Millisecond), Limit: 1})
				if err != nil || len(es) != 1 {
					t.Fatal(es, err)
				}
				relaytest.Record(t, l, relaytest.NewEvent("evt_failed", c.Now()))
				stop := delivery.Start(t, cfg)
				stopClock := follow(t, l, c)
				relaytest.WaitAttempts(t, l, "evt_failed", 1)
				if !running {
					stop()
					stopClock()
					relaytest.Record(t, l, relaytest.NewEvent("evt_recorded", c.Now()))
				}
				ready.Store(true)
				c.Set(right)
				relaytest.Record(t, l, relaytest.NewEvent("evt_new", c.Now()))
				if !running {
					delivery.Start(t, cfg)
					follow(t, l, c)
				}
				for _, id := range []string{"evt_new", "evt_leased", "evt_failed", "evt_recorded"} {
					if id == "evt_recorded" && running {
						continue // delivered before the step
					}
					relaytest.WaitFor(t, id+" to be delivered", func() bool {
						c.Set(c.Now().Add(10 * time.Millisecond))
						e, _ := relaytest.Load(t, l, id)
						return e.State == ledger.Delivered
					})
				}
				if after := c.Now().Sub(right); after > 10*time.Minute {
					t.Errorf("the last one was delivered after %s", after)
				}
			})
		}
	}
}

// follow runs a reconciler beside a relay of the tests' relaytest.Scope.
func follow(t *testing.T, l ledger.Ledger, c *relaytest.Clock) (stop func()) {
	t.Helper()
	p := reconciletest.NewProvider(t)
	p.Clock, p.Scope = c, relaytest.Scope
	return relaytest.Run(t, p.Reconciler(l, zaptest.NewLogger(t)).Run)
}

// An app and mode without events, which no relay runs for, has its look-ups back too: of charges and of refunds.
func TestClockPutBackWithoutEvents(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			p, l := reconciletest.NewProvider(t), clockLooks{Ledger: relaytest.NewLedger(t), begun: make(chan struct{}, 99)}
			right := p.Clock.Now()
			p.After(8 * time.Hour)
			r := p.Reconciler(l, zaptest.NewLogger(t))
			paid := p.PaidCharge(l, r, "order1")
			refund := p.Asks(l, r, paid, "order1", "R1", 1000)
			late := p.Charge(l, "order2", 100).ID
			if running {
				relaytest.Run(t, r.Run)
				<-l.begun
			}
			p.Clock.Set(right)
			p.Pay(late)
			p.Settle(refund.ID, "succeed")
			if !running {
				relaytest.Run(t, r.Run)
			}
			for what, found := range map[string]func() bool{
				"the payment": func() bool { return p.Known(l, late).Paid },
				"the refund":  func() bool { return p.Refund(l, "R1").State == ledger.RefundSucceeded },
			} {
				relaytest.WaitFor(t, what+" to be found", func() bool {
					p.After(10 * time.Millisecond)
					return found()
				})
			}
			if after := p.Clock.Now().Sub(right); after > 10*time.Minute {
				t.Errorf("found after %s", after)
			}
		})
	}
}

// clockLooks is a ledger that tells of each look for what lies too far ahead, which may never end.
type clockLooks struct {
	ledger.Ledger
	begun chan struct{}
	stuck bool
}

func (l clockLooks) Overdue(ctx context.Context, s ledger.Scope, now time.Time) (int, error) {
	select {
	case l.begun <- struct{}{}:
	default: // one that nobody has taken yet stands for all
	}
	if l.stuck {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return l.Ledger.Overdue(ctx, s, now)
}

// While the ledger takes long over what a wrong clock has left, events are delivered.
func TestClockHoldsUpNoDelivery(t *testing.T) {
	l, c := clockLooks{relaytest.NewLedger(t), make(chan struct{}, 9), true}, relaytest.NewClock()
	cfg := delivery.Config(t, l, relaytest.NewBackend(t, relaytest.AnswerOK))
	cfg.Now = c.Now
	follow(t, l, c)
	delivery.Start(t, cfg)
	<-l.begun
	relaytest.Record(t, l, relaytest.NewEvent("evt_1", c.Now()))
	relaytest.WaitAttempts(t, l, "evt_1", 1)
}

package relay

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/caddypay/caddypay/ledger"
)

// A clock that was ahead, by the eight hours of an RTC in local time or by a year, leaves nothing behind when it is put right: neither
// before the process starts nor under it.
func TestClockPutBack(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, step := range []time.Duration{8 * time.Hour, 365 * 24 * time.Hour} {
			t.Run(fmt.Sprint(step, " running ", running), func(t *testing.T) {
				l, c := newLedger(t), newClock()
				right := c.Now()
				c.Set(right.Add(step))
				var ready atomic.Bool
				b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
					if !ready.Load() {
						w.WriteHeader(http.StatusInternalServerError)
					}
				})
				cfg := config(t, l, b)
				cfg.Now, cfg.Poll = c.Now, time.Millisecond
				record(t, l, newEvent("evt_leased", c.Now()))
				es, err := l.Claim(context.Background(), ledger.Claim{Scope: scope, Owner: "dead", Now: c.Now(), Until: c.Now().Add(leaseTime), Limit: 1})
				if err != nil || len(es) != 1 {
					t.Fatal(es, err)
				}
				record(t, l, newEvent("evt_failed", c.Now()))
				stop := start(t, cfg)
				stopClock := follow(t, l, c)
				waitAttempts(t, l, "evt_failed", 1)
				if !running {
					stop()
					stopClock()
					record(t, l, newEvent("evt_recorded", c.Now()))
				}
				ready.Store(true)
				c.Set(right)
				record(t, l, newEvent("evt_new", c.Now()))
				if !running {
					start(t, cfg)
					follow(t, l, c)
				}
				for _, id := range []string{"evt_new", "evt_leased", "evt_failed", "evt_recorded"} {
					if id == "evt_recorded" && running {
						continue // delivered before the step
					}
					waitFor(t, id+" to be delivered", func() bool {
						c.Set(c.Now().Add(10 * time.Millisecond))
						e, _ := load(t, l, id)
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

// follow runs a reconciler beside a relay of the tests' scope.
func follow(t *testing.T, l ledger.Ledger, c *clock) (stop func()) {
	t.Helper()
	p := newProvider(t)
	p.clock, p.scope = c, scope
	return run(t, p.reconciler(l, zaptest.NewLogger(t)).Run)
}

// An app and mode without events, which no relay runs for, has its look-ups back too: of charges and of refunds.
func TestClockPutBackWithoutEvents(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			p, l := newProvider(t), clockLooks{Ledger: newLedger(t), begun: make(chan struct{}, 99)}
			right := p.clock.Now()
			p.after(8 * time.Hour)
			r := p.reconciler(l, zaptest.NewLogger(t))
			paid := p.paidCharge(l, r, "order1")
			refund := p.asks(l, r, paid, "order1", "R1", 1000)
			late := p.charge(l, "order2", 100).ID
			if running {
				run(t, r.Run)
				<-l.begun
			}
			p.clock.Set(right)
			p.pay(late)
			p.settle(refund.ID, "succeed")
			if !running {
				run(t, r.Run)
			}
			for what, found := range map[string]func() bool{
				"the payment": func() bool { return p.known(l, late).Paid },
				"the refund":  func() bool { return p.refund(l, "R1").State == ledger.RefundSucceeded },
			} {
				waitFor(t, what+" to be found", func() bool {
					p.after(10 * time.Millisecond)
					return found()
				})
			}
			if after := p.clock.Now().Sub(right); after > 10*time.Minute {
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
	signal(l.begun)
	if l.stuck {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return l.Ledger.Overdue(ctx, s, now)
}

// While the ledger takes long over what a wrong clock has left, events are delivered.
func TestClockHoldsUpNoDelivery(t *testing.T) {
	l, c := clockLooks{newLedger(t), make(chan struct{}, 9), true}, newClock()
	cfg := config(t, l, newBackend(t, answerOK))
	cfg.Now = c.Now
	follow(t, l, c)
	start(t, cfg)
	<-l.begun
	record(t, l, newEvent("evt_1", c.Now()))
	waitAttempts(t, l, "evt_1", 1)
}

// A clock that is put forward, or a pause longer than a lease, during an attempt: the relay does not take the event from itself, and
// the outcome counts once.
func TestClockPutForward(t *testing.T) {
	l, c := newLedger(t), newClock()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_1" {
			arrived <- struct{}{}
			<-proceed
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	w := &claims{Ledger: l}
	cfg := config(t, w, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	record(t, l, newEvent("evt_1", c.Now()))
	start(t, cfg)
	<-arrived
	c.Set(c.Now().Add(8 * time.Hour))
	waitFor(t, "the relay to claim its own event", func() bool { return w.of("evt_1") >= 2 })
	close(proceed)
	e, d := waitAttempts(t, l, "evt_1", 1)
	if e.Attempts != 1 || e.State != ledger.Pending || d.Status != http.StatusInternalServerError {
		t.Errorf("%+v, %+v", e, d)
	}
	if n := len(b.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

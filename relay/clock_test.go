package relay

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

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
				waitAttempts(t, l, "evt_failed", 1)
				if !running {
					stop()
					record(t, l, newEvent("evt_recorded", c.Now()))
				}
				ready.Store(true)
				c.Set(right)
				record(t, l, newEvent("evt_new", c.Now()))
				if !running {
					start(t, cfg)
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

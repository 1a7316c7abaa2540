package relay

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// untilDead lets time pass from one attempt of an event to the next until it is dead, for so many attempts at most.
func untilDead(t *testing.T, l ledger.Ledger, c *clock, id string, most int) (*ledger.Event, []ledger.Delivery) {
	t.Helper()
	for n := 1; n <= most; n++ {
		waitFor(t, fmt.Sprint("attempt ", n, " of ", id), func() bool {
			c.Set(c.Now().Add(time.Millisecond)) // the relay may not be done with the attempt before yet
			_, ds := load(t, l, id)
			return len(ds) >= n
		})
		e, ds := load(t, l, id)
		if e.State == ledger.Dead {
			return e, ds
		}
		if e.Due.After(c.Now()) {
			c.Set(e.Due)
		}
	}
	return load(t, l, id)
}

// A lone event that a server in front of the backend answers in the backend's place, or that never gets an answer, is dead by its
// schedule like any other, and its order goes on: only its refund, of which the backend is not to hear before the payment, waits for the replay.
func TestPoisonAlone(t *testing.T) {
	for name, poison := range failures {
		t.Run(name, func(t *testing.T) {
			l, c := newLedger(t), newClock()
			var cured atomic.Bool
			b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Webhook-Id") == "evt_poison" && !cured.Load() {
					poison(w, r)
				}
			})
			payment := newEvent("evt_poison", c.Now())
			payment.Change = &ledger.ChargeChange{Paid: true, TimePaid: c.Now()}
			payment.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: c.Now()}
			record(t, l, payment)
			next := newEvent("evt_next", c.Now().Add(time.Second))
			next.Type, next.ObjectID, next.OrderNo, next.Lane = "order.succeeded", "or_1", "orderevt_poison", "orderevt_poison"
			record(t, l, next)
			refund := newEvent("evt_refund", c.Now())
			refund.Type, refund.ObjectID, refund.ChargeID = "refund.succeeded", "re_1", "ch_evt_poison"
			refund.OrderNo, refund.Lane, refund.Rank = "orderevt_poison", "orderevt_poison", 1
			record(t, l, refund)
			cfg := config(t, l, b)
			cfg.Now, cfg.Poll, cfg.Retry = c.Now, time.Millisecond, DefaultRetry[:8]
			if name == "sleeps" {
				cfg.Backend = hasty{b, func(r *http.Request) bool { return r.Header.Get("Webhook-Id") == "evt_poison" && !cured.Load() }}
			}
			began := c.Now()
			start(t, cfg)
			e, ds := untilDead(t, l, c, "evt_poison", 100)
			if e.State != ledger.Dead || e.Attempts != len(cfg.Retry)+1 {
				t.Fatalf("%s after %d attempts, of which %d count", e.State, len(ds), e.Attempts)
			}
			if after := c.Now().Sub(began); after < 10*time.Hour || after > 17*time.Hour {
				t.Errorf("dead after %s", after)
			}
			waitFor(t, "the rest of its order", func() bool {
				c.Set(c.Now().Add(time.Second))
				e, _ := load(t, l, "evt_next")
				return e.State == ledger.Delivered
			})
			if e, ds := load(t, l, "evt_refund"); e.State != ledger.Filtered || len(ds) != 0 {
				t.Errorf("the refund of a dead payment is %s after %d attempts", e.State, len(ds))
			}
			cured.Store(true)
			if err := l.Decide(context.Background(), ledger.Decision{Scope: scope, EventID: "evt_poison", Action: ledger.ActionReplay, Now: c.Now(), By: "test"}); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the refund after the replay", func() bool {
				c.Set(c.Now().Add(time.Second)) // what comes after an outage comes slowly
				e, _ := load(t, l, "evt_refund")
				return e.State == ledger.Delivered
			})
			if e, _ := load(t, l, "evt_poison"); e.State != ledger.Delivered {
				t.Errorf("the refund came first: its payment is %s", e.State)
			}
		})
	}
}

// While a lone event's connection does not come about its clock stands still: nothing reaches the backend. It arrives when the
// backend is back, and when a server in front of the backend is all that is back, it goes by its schedule.
func TestLoneEventWhileNothingListens(t *testing.T) {
	l, c := newLedger(t), newClock()
	var poison atomic.Bool
	o := newOutage(t, func(w http.ResponseWriter, _ *http.Request) {
		if poison.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	away := refusing()
	o.away.Store(&away)
	record(t, l, newEvent("evt_1", c.Now()))
	cfg := config(t, l, o)
	cfg.Now, cfg.Poll, cfg.Retry, cfg.Logger = c.Now, time.Millisecond, DefaultRetry[:8], zap.NewNop()
	start(t, cfg)
	began := c.Now()
	for n := 1; c.Now().Sub(began) < 5*24*time.Hour; n++ {
		waitFor(t, fmt.Sprint("attempt ", n), func() bool {
			c.Set(c.Now().Add(time.Millisecond))
			_, ds := load(t, l, "evt_1")
			return len(ds) >= n
		})
		c.Set(c.Now().Add(time.Hour))
	}
	if e, ds := load(t, l, "evt_1"); e.State != ledger.Pending || e.Attempts != 0 || len(ds) < 100 {
		t.Fatalf("after five days: %s, %d attempts, of which %d count", e.State, len(ds), e.Attempts)
	}
	poison.Store(true)
	o.away.Store(nil)
	if e, ds := untilDead(t, l, c, "evt_1", 200); e.State != ledger.Dead || e.Attempts != len(cfg.Retry)+1 {
		t.Errorf("%s after %d attempts, of which %d count", e.State, len(ds), e.Attempts)
	}
}

// A poisonous event does not pause the deliveries of others, however seldom they come.
func TestPoisonAmongOthers(t *testing.T) {
	l, c := newLedger(t), newClock()
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_poison" {
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	})
	var out logs
	cfg := config(t, l, b)
	cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, out.Logger()
	record(t, l, newEvent("evt_poison", c.Now()))
	start(t, cfg)
	for i := range 20 {
		if i < 4 {
			untilDead(t, l, c, "evt_poison", 3*i) // more than enough in a row
		}
		id := fmt.Sprint("evt_", i)
		record(t, l, newEvent(id, c.Now()))
		waitDelivered(t, l, id) // no time passes
		c.Set(c.Now().Add(30 * time.Minute))
	}
	if e, ds := untilDead(t, l, c, "evt_poison", 300); e.State != ledger.Dead || e.Attempts != len(DefaultRetry)+1 {
		t.Errorf("%s after %d attempts, of which %d count", e.State, len(ds), e.Attempts)
	}
	if strings.Contains(out.String(), "events wait") {
		t.Error("deliveries were paused")
	}
}

// While the backend is unreachable the events take turns: none of several poisonous ones is the only probe.
func TestProbesTakeTurns(t *testing.T) {
	l, c := newLedger(t), newClock()
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Webhook-Id"), "evt_poison") {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	var out logs
	cfg := config(t, l, b)
	cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, out.Logger()
	for i := range 3 {
		record(t, l, newEvent(fmt.Sprint("evt_poison", i), c.Now()))
	}
	start(t, cfg)
	waitFor(t, "the breaker to open", func() bool { return strings.Contains(out.String(), "events wait") })
	attempts := func() int { return len(b.Requests()) }
	for range 12 {
		n := attempts()
		waitFor(t, "the next probe", func() bool { c.Set(c.Now().Add(time.Second)); return attempts() > n })
	}
	var probes []string
	for _, r := range b.Requests()[3:] {
		probes = append(probes, r.Header.Get("Webhook-Id"))
	}
	for i := range 3 {
		if n := strings.Count(strings.Join(probes, " "), fmt.Sprint("evt_poison", i)); n < 3 {
			t.Errorf("evt_poison%d was the probe %d times: %q", i, n, probes)
		}
	}
	record(t, l, newEvent("evt_good", c.Now()))
	n := attempts()
	good := func() int {
		return slices.IndexFunc(b.Requests(), func(r received) bool { return r.Header.Get("Webhook-Id") == "evt_good" })
	}
	waitFor(t, "the probe that finds the backend", func() bool { c.Set(c.Now().Add(time.Second)); return good() >= 0 })
	if i := good(); i > n+3 { // those that were due before it have their turn
		t.Errorf("the good event is attempt %d, want at most %d", i, n+3)
	}
	waitDelivered(t, l, "evt_good")
}

// When the backend is back nothing waits any longer because it was not, whatever it had asked for, and whoever recorded that.
func TestOutageOutlivesNothing(t *testing.T) {
	l, c := newLedger(t), newClock()
	var down atomic.Bool
	down.Store(true)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	const events = 10
	for i := range events {
		record(t, l, newEvent(fmt.Sprint("evt_", i), c.Now()))
	}
	run := func(out *logs) (stop func()) {
		cfg := config(t, l, b)
		cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, out.Logger()
		return start(t, cfg)
	}
	var before, after logs
	stop := run(&before)
	waitFor(t, "the breaker to open", func() bool { return strings.Contains(before.String(), "events wait") })
	for range 5 {
		n := len(b.Requests())
		waitFor(t, "a probe, whatever Retry-After says", func() bool { c.Set(c.Now().Add(time.Second)); return len(b.Requests()) > n })
	}
	for i := range events {
		e, _ := load(t, l, fmt.Sprint("evt_", i))
		if ahead := e.Due.Sub(c.Now()); ahead > time.Hour {
			t.Errorf("%s is due in %s", e.ID, ahead)
		}
	}
	stop() // a new configuration, or a new process, goes on
	down.Store(false)
	began := c.Now()
	run(&after)
	for i := range events {
		waitFor(t, fmt.Sprintf("evt_%d to be delivered", i), func() bool {
			c.Set(c.Now().Add(time.Millisecond))
			e, _ := load(t, l, fmt.Sprint("evt_", i))
			return e.State == ledger.Delivered
		})
	}
	if took := c.Now().Sub(began); took > 2*time.Minute {
		t.Errorf("the last one was delivered %s after the backend was back", took)
	}
}

package relay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// failures are the ways in which a backend that is away, or an event that it dies of, may look alike.
var failures = map[string]http.HandlerFunc{
	"502": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	"503": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	"504":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGatewayTimeout) },
	"sleeps":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
}

// hasty gives up soon what the backend is never to answer, and leaves the rest as much time as a busy machine takes.
type hasty struct {
	http.RoundTripper
	never func(*http.Request) bool
}

func (h hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	if !h.never(r) {
		return h.RoundTripper.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
	defer cancel()
	return h.RoundTripper.RoundTrip(r.WithContext(ctx))
}

// tried lets time pass from one attempt of an event to the next, until a time has come or it waits no more.
func tried(t *testing.T, l ledger.Ledger, c *clock, id string, until time.Time) (*ledger.Event, []ledger.Delivery) {
	t.Helper()
	_, ds := load(t, l, id)
	for n := len(ds); ; {
		e, ds := load(t, l, id)
		if e.State != ledger.Pending {
			return e, ds
		}
		if len(ds) > n {
			n = len(ds)
		}
		if e.Due.After(until) {
			c.Set(until)
			return e, ds
		}
		c.Set(later(e.Due, c.Now()))
		waitFor(t, fmt.Sprint("attempt ", n+1, " of ", id), func() bool {
			c.Set(c.Now().Add(time.Millisecond)) // the relay may not be done with the attempt before yet
			e, ds := load(t, l, id)
			return len(ds) > n || e.State != ledger.Pending
		})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// arrives lets time pass until an event is delivered, and says how long that took.
func arrives(t *testing.T, l ledger.Ledger, c *clock, id string) time.Duration {
	t.Helper()
	began := c.Now()
	waitFor(t, id+" to be delivered", func() bool {
		e, _ := load(t, l, id)
		if e.State == ledger.Pending {
			c.Set(c.Now().Add(20 * time.Millisecond))
		}
		return e.State == ledger.Delivered
	})
	return c.Now().Sub(began)
}

// An event that alone waited through a night in which the backend was away is due as soon as another one gets through, and without
// another one it is tried before long. Its attempts in that night count no more often than the schedule has them.
func TestLoneEventAfterANight(t *testing.T) {
	for name, fails := range failures {
		for _, other := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", another event comes: ", other), func(t *testing.T) {
				t.Parallel()
				l, c := newLedger(t), newClock()
				var away atomic.Bool
				b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
					if away.Load() {
						fails(w, r)
					}
				})
				cfg := config(t, l, b)
				cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, zap.NewNop()
				if name == "sleeps" {
					cfg.Backend = hasty{b, func(*http.Request) bool { return away.Load() }}
				}
				start(t, cfg)
				record(t, l, newEvent("evt_before", c.Now()))
				waitDelivered(t, l, "evt_before")
				away.Store(true)
				record(t, l, newEvent("evt_1", c.Now()))
				e, ds := tried(t, l, c, "evt_1", c.Now().Add(9*time.Hour))
				if e.State != ledger.Pending || e.Attempts > 8 || e.Attempts < 7 {
					t.Fatalf("%s after %d attempts, of which %d count", e.State, len(ds), e.Attempts)
				}
				away.Store(false)
				if !other {
					most := 31 * time.Minute
					if name == "503" { // as it asks for
						most = 61 * time.Minute
					}
					if e, _ := tried(t, l, c, "evt_1", c.Now().Add(most)); e.State != ledger.Delivered {
						t.Errorf("due %s after the backend was back", e.Due.Sub(c.Now()))
					}
					return
				}
				record(t, l, newEvent("evt_2", c.Now()))
				waitDelivered(t, l, "evt_2") // no time passes
				waitDelivered(t, l, "evt_1")
			})
		}
	}
}

// An attempt that was under way when another one got through, and failed, says nothing: its event is tried again at once.
func TestUnderWayWhenTheBackendCameBack(t *testing.T) {
	l, c := newLedger(t), newClock()
	arrived, fail := make(chan struct{}, 9), make(chan struct{})
	var back atomic.Bool
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_slow" && !back.Load() {
			arrived <- struct{}{}
			<-fail
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	})
	cfg := config(t, l, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	cfg.Retry = []time.Duration{5 * time.Hour, 5 * time.Hour}
	slow := newEvent("evt_slow", c.Now())
	record(t, l, slow)
	start(t, cfg)
	<-arrived
	record(t, l, newEvent("evt_quick", c.Now()))
	waitDelivered(t, l, "evt_quick")
	back.Store(true)
	close(fail)
	e, _ := waitAttempts(t, l, "evt_slow", 1)
	if e.Attempts != 0 {
		t.Errorf("%d attempts count", e.Attempts)
	}
	if e, _ := tried(t, l, c, "evt_slow", c.Now().Add(10*time.Second)); e.State != ledger.Delivered {
		t.Errorf("due in %s", e.Due.Sub(c.Now()))
	}
}

// pastAttempts lets three hours pass again and again, with an attempt each time, until ok says that it is enough.
func pastAttempts(t *testing.T, c *clock, b *backend, most int, ok func() bool) {
	t.Helper()
	for range most {
		n := len(b.Requests())
		waitFor(t, "another attempt", func() bool {
			c.Set(c.Now().Add(time.Second))
			return len(b.Requests()) > n || ok()
		})
		if ok() {
			return
		}
		c.Set(c.Now().Add(3 * time.Hour))
	}
}

// An outage of several days costs nothing that waits, be it one event or many, whether nobody reloads or somebody does all the time.
func TestOutageOfDays(t *testing.T) {
	for _, events := range []int{2, 3, 8} {
		for _, reloads := range []bool{false, true} {
			t.Run(fmt.Sprint(events, " events, reloads: ", reloads), func(t *testing.T) {
				t.Parallel()
				l, c := newLedger(t), newClock()
				var away atomic.Bool
				away.Store(true)
				b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
					if away.Load() {
						w.WriteHeader(http.StatusBadGateway)
					}
				})
				for i := range events {
					record(t, l, newEvent(fmt.Sprint("evt_", i), c.Now()))
				}
				cfg := config(t, l, b)
				cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, zap.NewNop()
				began := c.Now()
				stop := start(t, cfg)
				for n := 0; c.Now().Sub(began) < 7*24*time.Hour; n++ {
					pastAttempts(t, c, b, 1, func() bool { return false })
					if reloads && n%4 == 3 {
						stop()
						cfg.Owner = fmt.Sprint(t.Name(), n)
						stop = start(t, cfg)
					}
				}
				for i := range events {
					e, ds := load(t, l, fmt.Sprint("evt_", i))
					t.Log(e.ID, len(ds), "attempts,", e.Attempts, "of them count")
					if most := 8; e.State != ledger.Pending || e.Attempts > most || events > few && e.Attempts > 1 {
						t.Errorf("%s is %s, %d attempts count", e.ID, e.State, e.Attempts)
					}
				}
				away.Store(false)
				for i := range events {
					if took := arrives(t, l, c, fmt.Sprint("evt_", i)); took > 5*time.Minute {
						t.Errorf("evt_%d took %s", i, took)
					}
				}
			})
		}
	}
}

// A few events of which the backend dies, with nothing else to try, look like an outage, but not for ever: they end as dead.
func TestFewPoisonousEventsDie(t *testing.T) {
	for name, n := range map[string]int{"502": 2, "hangs up": 3} {
		t.Run(fmt.Sprint(n, " get ", name), func(t *testing.T) {
			t.Parallel()
			l, c := newLedger(t), newClock()
			b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Webhook-Id"), "evt_poison") {
					failures[name](w, r)
				}
			})
			for i := range n {
				record(t, l, newEvent(fmt.Sprint("evt_poison", i), c.Now()))
			}
			cfg := config(t, l, b)
			cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, zap.NewNop()
			began := c.Now()
			start(t, cfg)
			dead := func() bool {
				for i := range n {
					if e, _ := load(t, l, fmt.Sprint("evt_poison", i)); e.State != ledger.Dead {
						return false
					}
				}
				return true
			}
			pastAttempts(t, c, b, 8*20, dead)
			for i := range n {
				e, ds := load(t, l, fmt.Sprint("evt_poison", i))
				if e.State != ledger.Dead || e.Attempts != len(DefaultRetry)+1 {
					t.Fatalf("%s: %s after %d attempts, of which %d count, in %s", e.ID, e.State, len(ds), e.Attempts, c.Now().Sub(began))
				}
			}
			if after := c.Now().Sub(began); after < 7*24*time.Hour {
				t.Errorf("dead after %s: an outage may last as long", after)
			}
			record(t, l, newEvent("evt_good", c.Now()))
			if took := arrives(t, l, c, "evt_good"); took > 5*time.Minute {
				t.Errorf("the next one took %s", took)
			}
		})
	}
}

// What an attempt that does not reach the backend costs its event, and when the next one is.
func TestUnreached(t *testing.T) {
	now := newClock().Now()
	const h, m = time.Hour, time.Minute
	dead := ledger.Dead
	for _, tt := range []struct {
		name       string
		tries      int
		since      time.Duration // before now that it last counted; 0: it has not failed so yet
		wait       wait
		retryAfter time.Duration

		counts bool
		state  ledger.State
		due    time.Duration // from now
		back   time.Duration // before now
	}{
		{"the first", 0, 0, wait{}, 0, true, "", 5 * time.Second, 0},
		{"the first after it waited for the end of an outage", 0, 9 * h, wait{}, 0, true, "", 5 * time.Second, 0},
		{"by the schedule", 4, 10 * m, wait{}, 0, true, "", 30 * m, 0},
		{"by the schedule, at the short end of the jitter", 4, 8 * m, wait{}, 0, true, "", 30 * m, 0},
		{"before its time", 4, 7 * m, wait{}, 0, false, "", 3 * m, 7 * m},
		{"shortly before its time", 2, 23 * time.Second, wait{}, 0, false, "", 30 * time.Second, 23 * time.Second},
		{"a long gap, in steps", 7, 3 * h, wait{}, 0, true, "", 30 * m, 0},
		{"between the steps", 8, 30 * m, wait{}, 0, false, "", 30 * m, 30 * m},
		{"the last step", 8, 5*h + 50*m, wait{}, 0, false, "", 10 * m, 5*h + 50*m},
		{"Retry-After", 4, 10 * m, wait{}, h, true, "", h, 0},
		{"Retry-After between the steps", 8, 30 * m, wait{}, h, false, "", h, 30 * m},
		{"the last of the schedule", 11, 24 * h, wait{}, 0, true, dead, 0, 0},
		{"before the last of the schedule", 11, 23 * h, wait{}, 0, false, "", 30 * m, 23 * h},
		{"more than a shortened schedule has", 20, h, wait{}, 0, true, dead, 0, 0},
		{"a clock that was put back", 8, -h, wait{}, 0, true, "", 30 * m, 0},
		{"nothing heard yet, and it has failed so before", 4, 9 * h, wait{pace: unsure}, 0, false, "", 30 * time.Second, 9 * h},
		{"nothing heard yet, the first", 4, 0, wait{pace: unsure}, 0, true, "", 30 * m, 0},
		{"an outage", 0, 0, wait{never, 8 * time.Second}, 0, false, "", 8 * time.Second, 0},
		{"an outage, Retry-After", 4, 90 * h, wait{never, 8 * time.Second}, h, false, "", 8 * time.Second, 90 * h},
		{"an outage of few events", 0, 0, wait{daily, 8 * time.Second}, 0, false, "", 8 * time.Second, 0},
		{"an outage of few events, before a day", 4, 23 * h, wait{daily, 8 * time.Second}, 0, false, "", 8 * time.Second, 23 * h},
		{"an outage of few events, after a day", 4, 24 * h, wait{daily, 8 * time.Second}, h, true, "", 8 * time.Second, 0},
		{"an outage of few events, the last", 11, 24 * h, wait{daily, 8 * time.Second}, 0, true, dead, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t, nil, nil)
			cfg.Retry = DefaultRetry
			r := &schedule{cfg.Retry, cfg.Rand}
			ev := newEvent("evt_1", now)
			ev.Tries = tt.tries
			if tt.since != 0 {
				ev.Back = now.Add(-tt.since)
			}
			want := ledger.Delivery{State: ledger.Pending, Uncounted: !tt.counts, Due: now.Add(tt.due), Back: now.Add(-tt.back)}
			if tt.state == dead {
				want = ledger.Delivery{State: dead}
			}
			var d ledger.Delivery
			r.unreached(&d, ev, tt.wait, now, tt.retryAfter)
			if d.State != want.State || d.Uncounted != want.Uncounted || !d.Due.Equal(want.Due) || !d.Back.Equal(want.Back) {
				t.Errorf("%s, uncounted %t, due in %s, counted %s ago", d.State, d.Uncounted, d.Due.Sub(now), now.Sub(d.Back))
			}
		})
	}
}

// Whatever the jitter, a lone event that never reaches the backend has every attempt of the schedule, and is dead when that says. It is
// tried between them only where the schedule has long gaps.
func TestLoneEventsSchedule(t *testing.T) {
	var sum, long time.Duration
	for _, gap := range DefaultRetry {
		sum += gap
		if gap > longestWait {
			long += gap
		}
	}
	for seed := range uint64(50) {
		cfg := config(t, nil, nil)
		cfg.Retry, cfg.Rand = DefaultRetry, rand.New(rand.NewPCG(seed, 0)).Float64
		r := &schedule{cfg.Retry, cfg.Rand}
		began := newClock().Now()
		now, between := began, 0
		ev := newEvent("evt_1", began)
		for ev.State == ledger.Pending {
			var d ledger.Delivery
			r.unreached(&d, ev, wait{}, now, 0)
			if ev.State, ev.Back = d.State, d.Back.Truncate(time.Millisecond); d.Uncounted {
				between++
			} else {
				ev.Tries++
			}
			if d.State == ledger.Pending {
				now = d.Due.Truncate(time.Millisecond).Add(3 * time.Millisecond)
			}
		}
		took := now.Sub(began)
		if ev.Tries != len(DefaultRetry)+1 || took < sum*9/10 || took > sum*12/10 || between > 2*int(long/longestWait) {
			t.Errorf("seed %d: dead after %s and %d attempts, with %d between them", seed, took, ev.Tries, between)
		}
	}
}

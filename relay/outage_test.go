package relay

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// outage is a backend that can be away, in one of the ways in which backends are.
type outage struct {
	*backend
	away   atomic.Pointer[http.RoundTripper] // in its place; nil: it is there
	under  atomic.Int64                      // requests under way
	most   atomic.Int64                      // at one time, since it was last reset
	tries  atomic.Int64
	answer http.HandlerFunc
}

func newOutage(t *testing.T, answer http.HandlerFunc) *outage {
	o := &outage{answer: answer}
	o.backend = newBackend(t, func(w http.ResponseWriter, r *http.Request) { o.answer(w, r) })
	return o
}

func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	o.tries.Add(1)
	n := o.under.Add(1)
	defer o.under.Add(-1)
	for m := o.most.Load(); n > m && !o.most.CompareAndSwap(m, n); m = o.most.Load() {
	}
	if away := o.away.Load(); away != nil {
		return (*away).RoundTrip(r)
	}
	return o.backend.RoundTrip(r)
}

// refusing is an address at which nobody listens, and which no system gives to another test meanwhile.
func refusing() http.RoundTripper {
	return &backend{URL: "127.0.0.1:1", Transport: &http.Transport{}}
}

// A backend that is away for a day: only probes go out, no event's clock moves on, and when it is back everything arrives,
// each lane in order, at no more than the concurrency.
func TestBackendAwayForADay(t *testing.T) {
	const lanes, perLane, concurrency = 30, 3, 4
	for name, tt := range map[string]struct {
		away    http.RoundTripper
		counted int // attempts that may count before it opens
		why     string
	}{
		"refused": {refusing(), 0, "connection refused"},
		"503": {newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}), 2, "overloaded or down for maintenance"},
		"hangs up": {newBackend(t, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }), 2, "closed the connection without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			l, c := newLedger(t), newClock()
			order := newOrder(t)
			o := newOutage(t, order.ok)
			o.away.Store(&tt.away)
			for i := range perLane {
				for lane := range lanes {
					e := newEvent(fmt.Sprintf("evt_%d_%d", lane, i), c.Now())
					e.Lane, e.Created = fmt.Sprint("lane", lane), e.Created.Add(time.Duration(i)*time.Second)
					record(t, l, e)
				}
			}
			var out logs
			var seen [4]atomic.Int64
			cfg := config(t, l, o)
			cfg.Now, cfg.Concurrency, cfg.Logger, cfg.Poll = c.Now, concurrency, out.Logger(), time.Millisecond
			cfg.Observe = func(result string, since time.Duration) {
				for i, name := range []string{"delivered", "unreachable", "failed", "dead"} {
					if name == result {
						seen[i].Add(1)
					}
				}
				if result == "delivered" && since < 24*time.Hour {
					t.Errorf("delivered after %s", since)
				}
			}
			began := c.Now()
			r, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			run(t, r.Run)
			waitFor(t, "the breaker to open, and the attempts under way to end", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.breaker.open && r.sending == 0 && o.tries.Load() == seen[1].Load()
			})
			first := o.tries.Load() // until the clock is moved
			if first > 2*concurrency {
				t.Errorf("%d attempts before it opened", first)
			}
			o.most.Store(0)
			for probes := int64(1); c.Now().Before(began.Add(25 * time.Hour)); probes++ {
				c.Set(c.Now().Add(20 * time.Minute))
				waitFor(t, fmt.Sprint("probe ", probes), func() bool { return seen[1].Load() >= first+probes })
				if n := o.tries.Load(); n != first+probes {
					t.Fatalf("%d attempts after %d probes, %d before them", n, probes, first)
				}
			}
			if n := o.most.Load(); n != 1 {
				t.Errorf("%d probes at one time", n)
			}
			if line := out.String(); strings.Count(line, "events wait") != 1 || !strings.Contains(line, tt.why) {
				t.Errorf("log: %.2000s", line)
			}
			counted := 0
			for lane := range lanes {
				for i := range perLane {
					e, _ := load(t, l, fmt.Sprintf("evt_%d_%d", lane, i))
					counted += e.Attempts
					if e.State != ledger.Pending || e.Tries != e.Attempts {
						t.Errorf("%+v", e)
					}
				}
			}
			if counted > tt.counted {
				t.Errorf("%d attempts counted, want at most %d", counted, tt.counted)
			}

			o.most.Store(0)
			o.away.Store(nil)
			for range 4 { // the last probe's event, and those with attempts that counted, have a time of their own
				c.Set(c.Now().Add(20 * time.Minute))
			}
			waitFor(t, "everything to arrive", func() bool { return seen[0].Load() == lanes*perLane })
			if n := o.most.Load(); n > concurrency {
				t.Errorf("%d deliveries at one time, want at most %d", n, concurrency)
			}
			order.check(lanes, perLane)
			if n := seen[2].Load() + seen[3].Load(); n != 0 {
				t.Errorf("%d attempts failed or were the last", n)
			}
			if !strings.Contains(out.String(), "the backend is back") {
				t.Error("no line says that it is back")
			}
			waitFor(t, "the records", func() bool {
				due, err := l.NextDue(context.Background(), scope)
				return err == nil && due.Pending == 0
			})
		})
	}
}

// order sees to the order of lanes whose events are evt_<lane>_<number>, and to each being received once.
type order struct {
	t    *testing.T
	mu   sync.Mutex
	next map[string]int
}

func newOrder(t *testing.T) *order { return &order{t: t, next: make(map[string]int)} }

// seen notes that an event was acknowledged.
func (o *order) seen(id string) {
	var lane string
	var i int
	parts := strings.Split(id, "_")
	lane = parts[1]
	fmt.Sscan(parts[2], &i)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next[lane] != i {
		o.t.Errorf("lane %s: event %d arrived, want %d", lane, i, o.next[lane])
	}
	o.next[lane] = i + 1
}

func (o *order) ok(_ http.ResponseWriter, r *http.Request) { o.seen(r.Header.Get("Webhook-Id")) }

func (o *order) check(lanes, perLane int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for lane := range lanes {
		if n := o.next[fmt.Sprint(lane)]; n != perLane {
			o.t.Errorf("lane %d: %d events, want %d", lane, n, perLane)
		}
	}
}

// A backend that comes back is given one event, then two, then four at a time.
func TestRecoveryIsNoStampede(t *testing.T) {
	const events, concurrency = 100, 16
	l, c := newLedger(t), newClock()
	var mu sync.Mutex
	under, done, worst := 0, 0, 0
	o := newOutage(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		under++
		allowed := 1
		for allowed < concurrency && done >= 2*allowed { // the first only closes the breaker
			allowed *= 2
		}
		if under > allowed {
			t.Errorf("%d deliveries at one time after %d successes, want at most %d", under, done, allowed)
		}
		worst = max(worst, under)
		mu.Unlock()
		time.Sleep(2 * time.Millisecond) // the backend's work, in which too many would show
		mu.Lock()
		under--
		done++
		mu.Unlock()
	})
	away := refusing()
	o.away.Store(&away)
	for i := range events {
		record(t, l, newEvent(fmt.Sprintf("evt_%d", i), c.Now()))
	}
	cfg := config(t, l, o)
	cfg.Now, cfg.Concurrency = c.Now, concurrency
	start(t, cfg)
	waitFor(t, "the outcomes of the first attempts", func() bool {
		n := int64(0)
		for i := range events {
			_, ds := load(t, l, fmt.Sprintf("evt_%d", i))
			n += int64(len(ds))
		}
		return n >= concurrency && n == o.tries.Load()
	})
	o.away.Store(nil)
	c.Set(c.Now().Add(time.Minute))
	for i := range events {
		waitFor(t, fmt.Sprintf("evt_%d to be delivered", i), func() bool {
			c.Set(c.Now().Add(time.Millisecond)) // the relay may not be done with one of the first attempts yet
			e, _ := load(t, l, fmt.Sprintf("evt_%d", i))
			return e.State == ledger.Delivered
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if worst < 4 || done != events {
		t.Errorf("%d at one time at most, %d received; the concurrency did not grow again", worst, done)
	}
}

// A backend that answers errors for some orders only: their lanes wait, all others flow, and nothing is paused.
func TestSomeOrdersFail(t *testing.T) {
	const lanes, perLane, bad = 60, 2, 15
	for _, status := range []int{500, 404, 302} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			l := newLedger(t)
			order := newOrder(t)
			o := newOutage(t, func(w http.ResponseWriter, r *http.Request) {
				var lane, i int
				fmt.Sscanf(r.Header.Get("Webhook-Id"), "evt_%d_%d", &lane, &i)
				if lane < bad {
					w.WriteHeader(status)
					if i > 0 {
						t.Errorf("lane %d: event %d went out before the one before it was through", lane, i)
					}
					return
				}
				order.ok(w, r)
			})
			for lane := range lanes {
				for i := range perLane {
					e := newEvent(fmt.Sprintf("evt_%d_%d", lane, i), time.Now())
					e.Lane, e.Created = fmt.Sprint("lane", lane), e.Created.Add(time.Duration(i)*time.Second)
					record(t, l, e)
				}
			}
			var out logs
			cfg := config(t, l, o)
			cfg.Logger, cfg.Retry, cfg.Poll = out.Logger(), []time.Duration{20 * time.Millisecond, time.Hour}, time.Hour
			start(t, cfg)
			for lane := bad; lane < lanes; lane++ {
				for i := range perLane {
					waitDelivered(t, l, fmt.Sprintf("evt_%d_%d", lane, i))
				}
			}
			for lane := range bad {
				waitAttempts(t, l, fmt.Sprintf("evt_%d_0", lane), 2)
			}
			if strings.Contains(out.String(), "events wait") {
				t.Error("deliveries were paused")
			}
		})
	}
}

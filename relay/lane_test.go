package relay

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// inLane is event i of a lane, as order reads its id.
func inLane(lane, i int, now time.Time) *ledger.Event {
	e := newEvent(fmt.Sprintf("evt_%d_%d", lane, i), now)
	e.Lane, e.Created = fmt.Sprint("lane", lane), now.Add(time.Duration(i)*time.Second)
	return e
}

// Lanes keep their order through failures and retries, and whatever order their events were recorded in.
func TestLanesKeepOrder(t *testing.T) {
	const lanes, perLane = 12, 6
	l := newLedger(t)
	order := newOrder(t)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := fnv.New32()
		h.Write([]byte(r.Header.Get("Webhook-Id") + r.Header.Get("X-Pay-Attempt")))
		if h.Sum32()%3 == 0 {
			w.WriteHeader(500)
			return
		}
		order.ok(w, r)
	})
	now := time.Now()
	for i := range perLane {
		for lane := range lanes {
			j := perLane - 1 - i // the last comes first
			e := inLane(lane, j, now)
			if j > 2 { // the later half by rank, although they say they are older
				e.Rank, e.Created = 1, e.Created.Add(-time.Hour)
			}
			record(t, l, e)
		}
	}
	cfg := config(t, l, b)
	cfg.Retry = nil
	for range 30 {
		cfg.Retry = append(cfg.Retry, time.Millisecond)
	}
	start(t, cfg)
	for lane := range lanes {
		waitDelivered(t, l, fmt.Sprintf("evt_%d_%d", lane, perLane-1))
	}
	order.check(lanes, perLane)
}

// The poll never comes: the end of one event wakes the next of its lane.
func TestNextOfLaneWithoutPolling(t *testing.T) {
	const events = 50
	l := newLedger(t)
	order := newOrder(t)
	cfg := config(t, l, newBackend(t, order.ok))
	cfg.Poll = time.Hour
	for i := range events {
		record(t, l, inLane(0, i, time.Now()))
	}
	start(t, cfg)
	waitDelivered(t, l, fmt.Sprintf("evt_0_%d", events-1))
	order.check(1, events)
}

// What nobody will deliver any more, or not yet, holds nothing up.
func TestWhatDoesNotBlockItsLane(t *testing.T) {
	for _, state := range []ledger.State{ledger.Dead, ledger.Held, ledger.Filtered} {
		t.Run(string(state), func(t *testing.T) {
			l := newLedger(t)
			b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Webhook-Id") == "evt_0_0" {
					w.WriteHeader(500)
				}
			})
			cfg := config(t, l, b)
			cfg.Poll, cfg.Retry = time.Hour, []time.Duration{time.Millisecond}
			first := inLane(0, 0, time.Now())
			if state != ledger.Dead {
				first.State, first.Reasons = state, []string{"a reason"}
			}
			record(t, l, first)
			record(t, l, inLane(0, 1, time.Now()))
			start(t, cfg)
			waitDelivered(t, l, "evt_0_1")
			if e, _ := load(t, l, "evt_0_0"); e.State != state {
				t.Errorf("the first is %s", e.State)
			}
		})
	}
}

// A replay is delivered again, says so, and has the whole schedule before it.
func TestReplay(t *testing.T) {
	l, c := newLedger(t), newClock()
	var status int
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	cfg := config(t, l, b)
	cfg.Now, cfg.Retry, cfg.Poll = c.Now, []time.Duration{time.Second}, time.Hour
	var seen []string
	cfg.Observe = func(result string, since time.Duration) { seen = append(seen, fmt.Sprint(result, " ", since)) }
	e := newEvent("evt_1", c.Now())
	record(t, l, e)
	status = 200
	c.Set(c.Now().Add(time.Second))
	stop := start(t, cfg)
	waitAttempts(t, l, "evt_1", 1)
	stop()

	status = 500
	stop = start(t, cfg)
	replay := ledger.Decision{Scope: scope, EventID: "evt_1", Action: ledger.ActionReplay, Now: c.Now(), By: "test"}
	if err := l.Decide(context.Background(), replay); err != nil {
		t.Fatal(err)
	}
	got, _ := waitAttempts(t, l, "evt_1", 2)
	if got.State != ledger.Pending || got.Tries != 1 || got.Attempts != 2 || !got.Replay {
		t.Errorf("%+v", got)
	}
	stop()
	c.Set(got.Due)
	stop = start(t, cfg)
	got, _ = waitAttempts(t, l, "evt_1", 3)
	stop()
	if got.State != ledger.Dead {
		t.Errorf("after its two attempts the replay is %s", got.State)
	}

	status = 200
	if err := l.Decide(context.Background(), replay); err != nil {
		t.Fatal(err)
	}
	stop = start(t, cfg)
	waitAttempts(t, l, "evt_1", 4)
	stop()
	requests := b.Requests()
	for i, r := range requests {
		want := "1"
		if i == 0 {
			want = ""
		}
		if h := r.Header; h.Get("X-Pay-Replay") != want || h.Get("X-Pay-Attempt") != fmt.Sprint(i+1) || h.Get("Webhook-Id") != "evt_1" {
			t.Errorf("request %d: %v", i+1, h)
		}
	}
	if want := []string{"delivered 1s", "failed 0s", "dead 0s", "delivered 0s"}; len(requests) != 4 || !slices.Equal(seen, want) {
		t.Errorf("%d requests, observed %q, want %q", len(requests), seen, want)
	}
}

func TestHeadersOfWhatIsUnusual(t *testing.T) {
	r, err := New(config(t, newLedger(t), http.DefaultTransport))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		event                  ledger.Event
		mismatch, late, replay string
	}{
		"usual":              {},
		"one check":          {event: ledger.Event{Reasons: []string{ledger.ReasonAmount}}, mismatch: "amount"},
		"several checks":     {event: ledger.Event{Reasons: []string{ledger.ReasonAmount, ledger.ReasonPaidTwice}}, mismatch: "amount,paid_twice"},
		"filtered, replayed": {event: ledger.Event{Reasons: []string{ledger.ReasonType}, Replay: true}, replay: "1"},
		"late":               {event: ledger.Event{Late: "closed"}, late: "closed"},
	} {
		req, err := r.courier.request(context.Background(), &tt.event, 1, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for header, want := range map[string]string{"X-Pay-Mismatch": tt.mismatch, "X-Pay-Late": tt.late, "X-Pay-Replay": tt.replay} {
			if got, sent := req.Header.Get(header), len(req.Header.Values(header)) > 0; got != want || sent != (want != "") {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

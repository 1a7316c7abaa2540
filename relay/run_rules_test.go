package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// claimedLedger is a ledger that gives what a test wants, and keeps what it was asked.
type claimedLedger struct {
	failingLedger
	clock    *clock
	takes    time.Duration // each call
	events   []ledger.Event
	renewed  []string // what a renewal prolongs
	due      ledger.Due
	err      error
	claims   []ledger.Claim
	renewals []ledger.Claim
	resumed  int
}

func (l *claimedLedger) Claim(_ context.Context, c ledger.Claim) ([]ledger.Event, error) {
	l.claims = append(l.claims, c)
	l.clock.Set(l.clock.Now().Add(l.takes))
	return slices.Clone(l.events), l.err
}

func (l *claimedLedger) Renew(_ context.Context, owner string, c ledger.Claim) ([]string, error) {
	if c.Owner != owner {
		return nil, errors.New("two owners")
	}
	l.renewals = append(l.renewals, c)
	return l.renewed, l.err
}

func (l *claimedLedger) NextDue(context.Context, ledger.Scope) (ledger.Due, error) {
	return l.due, l.err
}

func (l *claimedLedger) Resume(context.Context, ledger.Scope) error { l.resumed++; return l.err }

// idler is a relay of eight slots, all of which are taken: what a test claims for it is not started.
func idler(t *testing.T) (*Relay, *claimedLedger, *observer.ObservedLogs) {
	t.Helper()
	c := newClock()
	l := &claimedLedger{clock: c}
	core, lines := observer.New(zap.DebugLevel)
	cfg := config(t, l, failing(errors.New("nobody")))
	cfg.Concurrency, cfg.Now, cfg.Logger, cfg.Poll = 8, c.Now, zap.New(core), time.Second
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.sending = 8
	return r, l, lines
}

// How many events are claimed, and how long is waited where that is none.
func TestRoomToClaim(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Relay)
		n       int
		wait    time.Duration
		drained bool
	}{
		"idle":                        {func(r *Relay) { r.sending = 0 }, 8, time.Second, true},
		"some are under way":          {func(r *Relay) { r.sending, r.lent = 3, 1 }, 4, time.Second, true},
		"none is free":                {func(*Relay) {}, 0, time.Second, false},
		"none is free, and some soon": {func(r *Relay) { r.ahead = 5 }, 5, time.Second, true},
		"some are ready":              {func(r *Relay) { r.ahead, r.ready = 5, make([]task, 1) }, 4, time.Second, true},
		"some are ready: no hurry":    {func(r *Relay) { r.ahead, r.ready = 5, make([]task, 2) }, 0, time.Second, false},
		"none is ready: no hurry":     {func(r *Relay) { r.ahead = 3 }, 3, time.Second, true},
		"more are ready than ahead":   {func(r *Relay) { r.ahead, r.ready = 1, make([]task, 2) }, 0, time.Second, false},
		"so many are held":            {func(r *Relay) { r.sending, r.lent = 0, 30; r.sending = -30 }, 2, time.Second, true},
		"nobody is there": {func(r *Relay) {
			r.sending, r.ahead, r.breaker.open, r.breaker.next = 0, 5, true, r.cfg.Now().Add(300*time.Millisecond)
		}, 0, 300 * time.Millisecond, false},
		"nobody is there for long":          {func(r *Relay) { r.sending, r.breaker.open, r.breaker.next = 0, true, r.cfg.Now().Add(20*time.Second) }, 0, time.Second, false},
		"nobody is there, the probe is due": {func(r *Relay) { r.sending, r.ahead, r.breaker.open, r.breaker.next = 0, 5, true, r.cfg.Now() }, 1, time.Second, true},
	} {
		r, _, _ := idler(t)
		r.drained = true
		c.change(r)
		if n, wait := r.room(); n != c.n || wait != c.wait || r.drained != c.drained {
			t.Errorf("%s: %d in %s, drained %t; want %d in %s, %t", name, n, wait, r.drained, c.n, c.wait, c.drained)
		}
		r.drained = false
		if r.room(); r.drained {
			t.Errorf("%s: it is drained by looking", name)
		}
	}
}

// What is claimed, for how long, and what becomes of it before there is a slot.
func TestClaimRules(t *testing.T) {
	events := []ledger.Event{{ID: "evt_1"}, {ID: "evt_2", Attempts: 3}}
	for name, c := range map[string]struct {
		takes   time.Duration
		renewed []string
		change  func(*Relay, *claimedLedger)
		claimed int
		held    string
		lease   time.Duration // from when it was claimed, or prolonged
		renews  int
		err     string
	}{
		"in time":               {0, nil, nil, 2, "evt_1/1 evt_2/4", leaseTime, 0, ""},
		"just in time":          {leaseTime / 2, nil, nil, 2, "evt_1/1 evt_2/4", leaseTime, 0, ""},
		"late":                  {leaseTime/2 + 1, []string{"evt_1", "evt_2"}, nil, 2, "evt_1/1 evt_2/4", leaseTime + 2*(leaseTime/2+1), 1, ""},
		"late, and one is gone": {leaseTime, []string{"evt_2"}, nil, 1, "evt_2/4", 3 * leaseTime, 1, ""},
		"late, and nothing":     {leaseTime, nil, func(_ *Relay, l *claimedLedger) { l.events = nil }, 0, "", 0, 0, ""},
		"not at all":            {0, nil, func(_ *Relay, l *claimedLedger) { l.err = errors.New("broken") }, 0, "", 0, 0, "broken"},
		"what goes on already":  {0, nil, func(r *Relay, _ *claimedLedger) { r.held[hold{"evt_2", 4}] = lease{owner: "old"} }, 1, "evt_1/1 evt_2/4", leaseTime, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, l, _ := idler(t)
			r.quick, r.ahead = 11, 2
			l.takes, l.renewed, l.events = c.takes, c.renewed, events
			if c.change != nil {
				c.change(r, l)
			}
			began := l.clock.Now()
			n, err := r.claim(t.Context(), "me#1", 7)
			if n != c.claimed || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("%d, %v", n, err)
			}
			if got := l.claims[0]; got != (ledger.Claim{Scope: scope, Owner: "me#1", Now: began, Until: began.Add(leaseTime), Limit: 7}) || len(l.renewals) != c.renews {
				t.Errorf("%+v, and %d renewals", got, len(l.renewals))
			}
			var held []string
			for h, lease := range r.held {
				held = append(held, fmt.Sprint(h.id, "/", h.attempt))
				if lease.owner != "me#1" || lease.until.Sub(lease.claimed) != c.lease || !lease.claimed.Equal(began.Add(time.Duration(c.renews)*c.takes)) {
					t.Errorf("%+v", lease)
				}
			}
			slices.Sort(held)
			if got := fmt.Sprint(held); got != "["+c.held+"]" || len(r.ready) != c.claimed {
				t.Errorf("holds %s, %d are ready", got, len(r.ready))
			}
			if want := map[bool][2]int{true: {8, 0}, false: {2, 11}}[err == nil]; r.ahead != want[0] || r.quick != want[1] {
				t.Errorf("%d ahead, %d quick", r.ahead, r.quick)
			}
		})
	}
	// A lease that was prolonged and is over by then is none.
	r, l, _ := idler(t)
	l.renewed = []string{"evt_1"}
	slow := r.cfg.Now
	calls := 0
	r.cfg.Now = func() time.Time {
		if calls++; calls > 1 {
			return slow().Add(ledger.LongestLease)
		}
		return slow()
	}
	if _, _, _, err := r.prolong(t.Context(), "me#1", events, ledger.LongestLease); err == nil {
		t.Error("a lease that is over")
	}
}

// What is ready starts where a slot is free; what nobody would prolong is given back.
func TestStartReadyRules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Relay)
		left   int
		held   int
	}{
		"no slot":             {func(*Relay) {}, 2, 2},
		"the breaker is open": {func(r *Relay) { r.breaker.open, r.breaker.probing = true, true }, 0, 0},
		"the leases are over": {func(r *Relay) {
			r.sending = 0
			r.held[hold{"evt_1", 1}] = lease{}
			r.held[hold{"evt_2", 1}] = lease{until: r.cfg.Now()}
		}, 0, 0},
		"the leases are over, no slot": {func(r *Relay) { r.held[hold{"evt_1", 1}] = lease{} }, 2, 2},
	} {
		r, l, _ := idler(t)
		for _, id := range []string{"evt_1", "evt_2"} {
			h := hold{id, 1}
			r.ready, r.held[h] = append(r.ready, task{h, &ledger.Event{ID: id}}), lease{until: l.clock.Now().Add(time.Minute)}
		}
		c.change(r)
		r.startReady(t.Context(), l.clock.Now())
		if len(r.ready) != c.left || len(r.held) != c.held {
			t.Errorf("%s: %d are ready, %d held", name, len(r.ready), len(r.held))
		}
	}
}

// What the end of an attempt says to the others.
func TestSentRules(t *testing.T) {
	for name, c := range map[string]struct {
		took   time.Duration
		how    reach
		change func(*breaker)
		brisk  bool
		resume bool
		line   string
	}{
		"quick":      {quick - 1, succeeded, nil, true, false, ""},
		"not quick":  {quick, succeeded, nil, false, false, ""},
		"the first":  {0, succeeded, func(b *breaker) { b.reached = false }, true, true, ""},
		"it is back": {0, succeeded, func(b *breaker) { b.open = true }, true, true, "info the backend is back, events flow again"},
		"it is away": {0, unsent, nil, true, true, "error the backend is unreachable: events wait, and one at a time goes out to see whether it is back"},
		"one event's": {0, unreachable, func(b *breaker) { b.open, b.missed = true, []miss{{"evt_1", false}, {"evt_1", false}} }, true, false,
			"warn only one event does not reach the backend: it is tried by its schedule, and others flow"},
	} {
		r, l, lines := idler(t)
		r.breaker.reached, r.breaker.heard = true, true
		r.breaker.since = l.clock.Now().Add(-time.Minute)
		if c.change != nil {
			c.change(r.breaker)
		}
		now := l.clock.Now()
		w, resume := r.sent(t.Context(), "evt_1", answer{reach: c.how, verdict: refused("because")}, pass{n: 9}, now.Add(-c.took), now)
		if r.sending != 7 || r.brisk != c.brisk || r.quick != boolInt(c.brisk) || resume != c.resume || len(r.freed) != 1 || (w.still > 0) != (name == "it is away") {
			t.Errorf("%s: %d under way, brisk %t, %d quick, resume %t, told %d, %+v", name, r.sending, r.brisk, r.quick, resume, len(r.freed), w)
		}
		line := ""
		for _, l := range lines.All() {
			line += l.Level.String() + " " + l.Message
			if m := l.ContextMap(); m["scope"] != scope.Key() || l.Level > zap.InfoLevel && m["why"] != "because" || l.Level == zap.InfoLevel && m["unreachable_for"] != time.Minute || l.Level == zap.WarnLevel && m["event"] != "evt_1" {
				t.Errorf("%s: %v", name, m)
			}
		}
		if line != c.line {
			t.Errorf("%s: %q", name, line)
		}
	}
}

// Leases are prolonged once they are old enough, and only those that the ledger has prolonged.
func TestRenewRules(t *testing.T) {
	r, l, lines := idler(t)
	now := l.clock.Now()
	set := func() {
		r.held = map[hold]lease{
			{"evt_old", 1}: {owner: "a", claimed: now.Add(-renewEvery / 2), until: now.Add(time.Second)}, {"evt_older", 1}: {owner: "a", claimed: now.Add(-time.Second), until: now.Add(time.Second)},
			{"evt_young", 1}: {owner: "b", claimed: now.Add(1 - renewEvery/2), until: now.Add(time.Second)}, {"evt_gone", 1}: {owner: "a", claimed: now.Add(-time.Second), until: now.Add(time.Second)},
			{"evt_long", 1}: {owner: "a", claimed: now.Add(-time.Second), until: now.Add(time.Hour)},
		}
	}
	set()
	if got := r.owners(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q", got)
	}
	l.renewed = []string{"evt_old", "evt_older", "evt_long", "evt_young"}
	r.renewOne(t.Context(), "a")
	for id, want := range map[string]time.Duration{"evt_old": leaseTime, "evt_older": leaseTime, "evt_young": time.Second, "evt_gone": time.Second, "evt_long": time.Hour} {
		if got := r.held[hold{id, 1}].until.Sub(now); got != want {
			t.Errorf("%s for %s, want %s", id, got, want)
		}
	}
	if got := l.renewals[0]; got != (ledger.Claim{Scope: scope, Owner: "a", Now: now, Until: now.Add(leaseTime)}) {
		t.Errorf("%+v", got)
	}
	set()
	l.err = errors.New("broken")
	r.renewOne(t.Context(), "a")
	if r.held[hold{"evt_old", 1}].until.Sub(now) != time.Second || lines.FilterMessage("cannot prolong the lease on events under delivery; another process may deliver them a second time").Len() != 1 {
		t.Errorf("%v", lines.All())
	}
	if got := r.owner(hold{"evt_old", 1}); got != "a" {
		t.Errorf("%q", got)
	}
	r.release(t.Context(), hold{"evt_old", 1}, "a", ledger.Delivered)
	if _, ok := r.held[hold{"evt_old", 1}]; ok || len(r.freed) != 1 {
		t.Error("it is held after its release")
	}
}

// When the ledger is asked again, and what becomes of what waits for the backend.
func TestNextDueRules(t *testing.T) {
	r, l, lines := idler(t)
	now := l.clock.Now()
	for _, c := range []struct {
		due  time.Time
		want time.Duration
	}{{time.Time{}, time.Second}, {now.Add(time.Hour), time.Hour}, {now.Add(-time.Hour), -time.Hour}} {
		l.due.At = c.due
		if got, err := r.nextDue(t.Context()); err != nil || got.Sub(now) != c.want {
			t.Errorf("%s, %v", got.Sub(now), err)
		}
	}
	r.resume(t.Context())
	if lines.Len() != 0 {
		t.Errorf("%v", lines.All())
	}
	l.err = errors.New("broken")
	if got, err := r.nextDue(t.Context()); !got.IsZero() || err == nil {
		t.Errorf("%s, %v", got, err)
	}
	if r.resume(t.Context()); lines.Len() != 1 || l.resumed != 2 {
		t.Errorf("%v", lines.All())
	}
	done := make(chan struct{})
	over, end := context.WithCancel(t.Context())
	end()
	go func() { defer close(done); sleep(over, time.Hour) }()
	<-done
	began := time.Now()
	if sleep(t.Context(), 5*time.Millisecond); time.Since(began) < 5*time.Millisecond {
		t.Error("it has not slept")
	}
}

package relay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// lender is a relay of so many slots that has found nothing waiting. It does not run: what a test lends stays where it is.
func lender(t *testing.T, slots int) (*Relay, *clock) {
	t.Helper()
	c := newClock()
	cfg := config(t, &failingLedger{}, failing(errors.New("nobody")))
	cfg.Concurrency, cfg.Now = slots, c.Now
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.lendFrom(t.Context())
	r.drain(true)
	return r, c
}

// How many events may be lent: as many as there are slots for, or soon will be.
func TestPlacesToLend(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Relay)
		want   int
	}{
		"idle":                              {func(*Relay) {}, 8},
		"each takes a slot":                 {func(r *Relay) { r.sending, r.lent, r.ready = 1, 1, make([]task, 2) }, 4},
		"no slot is free":                   {func(r *Relay) { r.sending = 8 }, 0},
		"none, but soon":                    {func(r *Relay) { r.sending, r.brisk = 8, true }, 32},
		"none, but soon, within limits":     {func(r *Relay) { r.sending, r.brisk, r.lent = 8, true, 30 }, 2},
		"more than may be held":             {func(r *Relay) { r.lent = 31; r.sending = -30 }, 1},
		"it grows again after an outage":    {func(r *Relay) { r.brisk, r.breaker.allowed = true, 2 }, 2},
		"nobody is there":                   {func(r *Relay) { r.brisk, r.breaker.open = true, true }, 0},
		"outcomes wait for a sound page":    {func(r *Relay) { r.brisk, r.stranded = true, 3 }, 35},
		"so many that there is an end":      {func(r *Relay) { r.brisk, r.stranded = true, 5000 }, 32 + maxStranded},
		"what is held counts":               {func(r *Relay) { r.brisk = true; r.held[hold{"evt_1", 1}] = lease{} }, 31},
		"nobody is there, the probe is due": {func(r *Relay) { r.breaker.open = true; r.breaker.next = r.cfg.Now() }, 0},
	} {
		r, clock := lender(t, 8)
		c.change(r)
		if got := r.places(clock.Now()); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Who lends, and under what name. Where there is no place nothing more is lent before a claim has found that nothing waits.
func TestLendRules(t *testing.T) {
	r, c := lender(t, 2)
	owners := map[string]bool{}
	for range 2 {
		var l ledger.Lease
		if !r.lend(c.Now(), &l) || !l.Until.Equal(c.Now().Add(leaseTime)) || owners[l.Owner] {
			t.Errorf("%+v", l)
		}
		owners[l.Owner] = true
	}
	for n := range 2 {
		if !owners[fmt.Sprint(r.cfg.Owner, "+", n+1)] {
			t.Errorf("%v", owners)
		}
	}
	var l ledger.Lease
	if r.lend(c.Now(), &l) || l.Owner != "" || r.lent != 2 || r.drained {
		t.Errorf("a third: %+v, %d lent, drained %t", l, r.lent, r.drained)
	}
	r.lent = 0
	if r.lend(c.Now(), &l) {
		t.Error("before a claim")
	}
	r.drain(true)
	over, end := context.WithCancel(t.Context())
	end()
	for name, running := range map[string]context.Context{"never run": nil, "that has ended": over} {
		if r.running = running; r.lend(c.Now(), &l) {
			t.Errorf("by one %s", name)
		}
	}
	r.work.Add(-2)
	r.work.Wait()
}

// Only what is to be delivered is lent.
func TestOnlyPendingIsLent(t *testing.T) {
	l := newLentLedger(t)
	r, _ := idle(t, l, config(t, l, newBackend(t, answerOK)))
	e := paid("evt_1", "o1", time.Now())
	e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonType}
	if did, err := r.Append(t.Context(), e); did != ledger.Recorded || err != nil || e.Lease.Owner != "" {
		t.Errorf("%s %v, leased to %q", did, err, e.Lease.Owner)
	}
}

// What becomes of an event that was lent, when it was recorded in time, too late, or not at all.
func TestTakeRules(t *testing.T) {
	for name, c := range map[string]struct {
		given   bool
		took    time.Duration
		drained bool
		taken   bool
		after   bool // drained then
	}{
		"recorded":                              {true, 0, true, true, true},
		"recorded at the last moment":           {true, maxAppend, true, true, true},
		"recorded, and something waits":         {true, 0, false, true, false},
		"recorded too late":                     {true, maxAppend + 1, true, false, false},
		"not recorded":                          {false, 0, true, false, true},
		"not recorded, and something waits":     {false, 0, false, false, false},
		"not recorded, after too long a moment": {false, time.Hour, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, clock := lender(t, 2)
			began := clock.Now()
			e := newEvent("evt_1", began)
			e.Attempts = 4
			if !r.lend(began, &e.Lease) {
				t.Fatal("nothing is lent")
			}
			r.sending, r.drained = 2, c.drained // no slot is free
			clock.Set(began.Add(c.took))
			r.take(e, c.given, began)
			h := hold{"evt_1", 5}
			l, held := r.held[h]
			if held != c.taken || len(r.ready) != boolInt(c.taken) || r.lent != 0 || r.drained != c.after || len(r.freed) != boolInt(!c.taken) {
				t.Errorf("held %t, %d ready, %d lent, drained %t, told %d", held, len(r.ready), r.lent, r.drained, len(r.freed))
			}
			if c.taken && (l != lease{owner: e.Lease.Owner, claimed: began, until: e.Lease.Until} || r.ready[0].hold != h || r.ready[0].event == e || r.ready[0].event.ID != e.ID) {
				t.Errorf("%+v %+v", l, r.ready[0])
			}
			r.work.Wait()
		})
	}
}

func boolInt(b bool) int { return map[bool]int{true: 1}[b] }

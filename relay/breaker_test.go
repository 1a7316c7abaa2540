package relay

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const half = 0.5 // no jitter

// trip is one thing that happens to a breaker, and what must be true after it.
type trip struct {
	after time.Duration // the time that passes before
	do    string        // wait, start, probe (start and be one), ok, answered, gone, unsent; with "the probe's " before it where the probe ends
	of    string        // the event; empty: one of its own

	still time.Duration // the event stands still
	did   turn
	room  int           // with nothing under way
	wait  time.Duration // for room
}

func TestBreaker(t *testing.T) {
	const s = time.Second
	tests := map[string][]trip{
		"two are patience": {
			{do: "gone", room: 8}, {do: "gone", room: 8}, {do: "ok", room: 8}, {do: "gone", room: 8}, {do: "gone", room: 8},
		},
		"three in a row of one event are its own matter": {
			{of: "a", do: "gone", room: 8}, {of: "a", do: "gone", room: 8}, {of: "a", do: "gone", room: 8}, {of: "a", do: "gone", room: 8},
			{of: "b", do: "gone", still: s, did: opened, wait: s}, // another's, in the same row
		},
		"among others that get through they never open it": {
			{of: "a", do: "gone", room: 8}, {of: "b", do: "gone", room: 8}, {do: "ok", room: 8}, {of: "a", do: "gone", room: 8}, {of: "b", do: "gone", room: 8}, {do: "ok", room: 8},
		},
		"when only one event is left in the row it closes": {
			{do: "gone", room: 8}, {do: "gone", room: 8}, {of: "a", do: "gone", still: s, did: opened, wait: s},
			{after: s, do: "probe"}, {of: "a", do: "the probe's gone", still: 2 * s, wait: 2 * s},
			{after: 2 * s, do: "probe"}, {of: "a", do: "the probe's gone", did: narrowed, room: 1},
			{of: "a", do: "gone", room: 1}, {of: "b", do: "gone", still: s, did: opened, wait: s},
		},
		"but not after a connection that did not come about": {
			{of: "a", do: "unsent", still: s, did: opened, wait: s},
			{after: s, do: "probe"}, {of: "a", do: "the probe's unsent", still: 2 * s, wait: 2 * s},
			{after: 2 * s, do: "probe"}, {of: "a", do: "the probe's unsent", still: 4 * s, wait: 4 * s},
			{after: 4 * s, do: "probe"}, {of: "a", do: "the probe's gone", still: 8 * s, wait: 8 * s},
			{after: 8 * s, do: "probe"}, {of: "a", do: "the probe's gone", still: 16 * s, wait: 16 * s},
			{after: 16 * s, do: "probe"}, {of: "a", do: "the probe's gone", did: narrowed, room: 1}, // it is there, and does not like this event
		},
		"a clock that was put back does not keep the probe": {
			{do: "unsent", still: s, did: opened, wait: s}, {after: -8 * time.Hour, do: "wait", room: 1},
		},
		"three in a row open it": {
			{do: "gone", room: 8}, {do: "gone", room: 8}, {do: "gone", still: s, did: opened, wait: s},
		},
		"who answers, be it with an error, is there": {
			{do: "gone", room: 8}, {do: "gone", room: 8}, {do: "answered", room: 8}, {do: "gone", room: 8}, {do: "gone", room: 8},
		},
		"errors of the backend's own never open it": {
			{do: "answered", room: 8}, {do: "answered", room: 8}, {do: "answered", room: 8}, {do: "answered", room: 8},
		},
		"no connection opens it at once": {
			{do: "unsent", still: s, did: opened, wait: s},
		},
		"probes at growing gaps": {
			{do: "unsent", still: s, did: opened, wait: s},
			{after: s, do: "probe"}, {do: "the probe's gone", still: 2 * s, wait: 2 * s},
			{after: 2 * s, do: "probe"}, {after: s, do: "the probe's unsent", still: 4 * s, wait: 4 * s},
			{after: 4 * s, do: "probe"}, {do: "the probe's gone", still: 8 * s, wait: 8 * s},
			{after: 8 * s, do: "probe"}, {do: "the probe's gone", still: 16 * s, wait: 16 * s},
			{after: 16 * s, do: "probe"}, {do: "the probe's gone", still: 30 * s, wait: 30 * s},
			{after: time.Hour, do: "probe"}, {do: "the probe's gone", still: 30 * s, wait: 30 * s},
		},
		"not before its time": {
			{do: "unsent", still: s, did: opened, wait: s}, {after: s / 4, do: "wait", wait: s * 3 / 4}, {after: s * 3 / 4, do: "wait", room: 1},
		},
		"one at a time": {
			{do: "unsent", still: s, did: opened, wait: s}, {after: s, do: "probe"}, {after: time.Minute, do: "start"},
		},
		"the next event's turn comes soon when somebody answers": {
			{do: "unsent", still: s, did: opened, wait: s},
			{after: s, do: "probe"}, {do: "the probe's gone", still: 2 * s, wait: 2 * s},
			{after: 2 * s, do: "probe"}, {do: "the probe's answered", wait: s},
			{after: s, do: "probe"}, {do: "the probe's gone", still: 2 * s, wait: 2 * s},
		},
		"what was under way when it opened": {
			{do: "unsent", still: s, did: opened, wait: s},
			{after: s / 2, do: "gone", still: s / 2, wait: s / 2}, // stands still as long, but makes the gap no longer
			{after: s / 2, do: "probe"}, {do: "gone", still: s}, {do: "answered"},
			{do: "the probe's gone", still: 2 * s, wait: 2 * s},
		},
		"recovery grows": {
			{do: "unsent", still: s, did: opened, wait: s}, {after: s, do: "probe"},
			{do: "the probe's ok", did: closed, room: 1},
			{do: "ok", room: 2},
			{do: "answered", room: 2}, {do: "ok", room: 2}, {do: "ok", room: 4},
			{do: "ok", room: 4}, {do: "ok", room: 4}, {do: "ok", room: 4}, {do: "ok", room: 8},
			{do: "ok", room: 8},
		},
		"it opens again half-way": {
			{do: "unsent", still: s, did: opened, wait: s}, {after: s, do: "probe"}, {do: "the probe's ok", did: closed, room: 1}, {do: "ok", room: 2},
			{do: "unsent", still: s, did: opened, wait: s}, {after: s, do: "probe"}, {do: "the probe's ok", did: closed, room: 1},
		},
		"a late success closes it, and its probe is still the only one": {
			{do: "unsent", still: s, did: opened, wait: s}, {after: s, do: "probe"}, {do: "ok", did: closed, room: 1},
			{do: "unsent", still: s, did: opened}, {after: s, do: "start"}, {do: "the probe's gone", still: 2 * s, wait: 2 * s},
		},
	}
	for name, trips := range tests {
		t.Run(name, func(t *testing.T) {
			now := newClock().Now()
			b := newBreaker(8, func() float64 { return half })
			b.reached = true
			ends := map[string]reach{"ok": succeeded, "answered": answered, "gone": unreachable, "unsent": unsent}
			for i, step := range trips {
				now = now.Add(step.after)
				var still time.Duration
				var did turn
				do, probe := step.do, false
				if len(do) > len("the probe's ") && do[:len("the probe's ")] == "the probe's " {
					do, probe = do[len("the probe's "):], true
				}
				if how, ok := ends[do]; ok {
					still, did = b.end(cmp.Or(step.of, fmt.Sprint(i)), how, probe, now)
				}
				if do == "start" || do == "probe" {
					if got := b.start(); got != (do == "probe") {
						t.Fatalf("step %d, %s: is the probe: %t", i, step.do, got)
					}
				}
				if still != step.still || did != step.did {
					t.Fatalf("step %d, %s: stands still %s, turn %d; want %s, %d", i, step.do, still, did, step.still, step.did)
				}
				if room, wait := b.room(now, 0); room != step.room || wait != step.wait {
					t.Fatalf("step %d, %s: room for %d in %s; want %d in %s", i, step.do, room, wait, step.room, step.wait)
				}
			}
		})
	}
}

// Whatever happens: never more than the limit, one probe at most, no attempt that counts while it is open, and a success
// always lets events flow.
func TestBreakerInvariants(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		limit := 1 + random.IntN(20)
		b := newBreaker(limit, random.Float64)
		now := newClock().Now()
		var under []bool // attempts under way: is it a probe?
		probes := 0
		for range 500 {
			now = now.Add(time.Duration(random.ExpFloat64() * float64(time.Second)))
			n, wait := b.room(now, len(under))
			if n < 0 || n+len(under) > limit || n > 0 && wait > 0 || wait > lastProbe*6/5 || b.open && n+probes > 1 {
				t.Fatalf("seed %d: room for %d in %s, %d under way, %d of them probes, limit %d", seed, n, wait, len(under), probes, limit)
			}
			if n == 0 && wait == 0 && len(under) == 0 {
				t.Fatalf("seed %d: stuck", seed)
			}
			for range n {
				probe := b.start()
				under = append(under, probe)
				if probe {
					probes++
				}
			}
			if len(under) == 0 || random.IntN(3) == 0 {
				continue
			}
			i := random.IntN(len(under))
			how := reach(random.IntN(4))
			still, did := b.end(fmt.Sprint(random.IntN(3)), how, under[i], now)
			if under[i] {
				probes--
			}
			under = append(under[:i], under[i+1:]...)
			if (still > 0) != (b.open && (how == unreachable || how == unsent)) {
				t.Fatalf("seed %d: stands still %s, open %t, came %d", seed, still, b.open, how)
			}
			if how == succeeded && b.open || did == opened && !b.open || (did == closed || did == narrowed) && b.open {
				t.Fatalf("seed %d: open %t after %d", seed, b.open, how)
			}
		}
	}
}

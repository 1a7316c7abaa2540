package relay

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const half = 0.5 // no jitter

// trip is one thing that happens to a breaker, and what must be true after it.
type trip struct {
	after time.Duration // the time that passes before
	do    string        // wait, start, probe (start and be one), ok, answered, gone, unsent; with "the probe's " or "the first's " before it where that attempt ends
	of    string        // the event; empty: one of its own

	still time.Duration // the event stands still; its attempt does not count then
	daily bool          // or one a day does
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
			{do: "unsent", still: s, did: opened}, {after: s, do: "start"}, {do: "the probe's gone", still: s, room: 1}, // from before that success
		},
		"what went out before the backend was back says nothing and may go out again": {
			{do: "start", room: 8}, {do: "unsent", still: s, did: opened, wait: s}, {after: s, do: "probe"}, {do: "the probe's ok", did: closed, room: 1},
			{do: "the first's unsent", still: s, room: 1}, {do: "the first's gone", still: s, room: 1}, {do: "the first's gone", still: s, room: 1},
			{do: "ok", room: 2}, {do: "gone", room: 2}, {do: "gone", room: 2}, {do: "the first's gone", still: s, room: 2}, {do: "gone", still: s, did: opened, wait: s},
		},
		"a success after many of one event's misses": {
			{of: "a", do: "gone", room: 8}, {of: "a", do: "gone", room: 8}, {do: "ok", room: 8}, {of: "a", do: "gone", room: 8}, {of: "a", do: "gone", room: 8},
			{of: "a", do: "gone", room: 8}, {do: "answered", room: 8}, {do: "ok", did: first, room: 8}, {do: "ok", room: 8},
		},
		"a few by turns": {
			{of: "a", do: "gone", room: 8}, {of: "b", do: "gone", room: 8}, {of: "a", do: "gone", still: s, did: opened, wait: s},
			{after: s, do: "probe"}, {of: "b", do: "the probe's gone", still: 2 * s, wait: 2 * s},
			{after: 2 * s, do: "probe"}, {of: "a", do: "the probe's gone", still: 4 * s, wait: 4 * s},
			{after: 4 * s, do: "probe"}, {of: "b", do: "the probe's gone", daily: true, still: 8 * s, wait: 8 * s},
			{after: 8 * s, do: "probe"}, {of: "c", do: "the probe's gone", daily: true, still: 16 * s, wait: 16 * s},
			{after: 16 * s, do: "probe"}, {of: "d", do: "the probe's gone", still: 30 * s, wait: 30 * s}, // so many are an outage
			{after: 30 * s, do: "probe"}, {of: "a", do: "the probe's gone", still: 30 * s, wait: 30 * s},
		},
		"a few that find nobody listening now and then": {
			{of: "a", do: "gone", room: 8}, {of: "b", do: "gone", room: 8}, {of: "a", do: "gone", still: s, did: opened, wait: s},
			{after: s, do: "probe"}, {of: "b", do: "the probe's unsent", still: 2 * s, wait: 2 * s},
			{after: 2 * s, do: "probe"}, {of: "a", do: "the probe's gone", still: 4 * s, wait: 4 * s},
			{after: 4 * s, do: "probe"}, {of: "b", do: "the probe's gone", still: 8 * s, wait: 8 * s},
			{after: 8 * s, do: "probe"}, {of: "a", do: "the probe's gone", still: 16 * s, wait: 16 * s},
		},
	}
	for name, trips := range tests {
		t.Run(name, func(t *testing.T) {
			now := newClock().Now()
			b := newBreaker(8, func() float64 { return half })
			b.reached, b.heard = true, true
			ends := map[string]reach{"ok": succeeded, "answered": answered, "gone": unreachable, "unsent": unsent}
			var probe pass
			for i, step := range trips {
				now = now.Add(step.after)
				var got, want wait
				var did turn
				do, p := step.do, pass{n: 1000}
				if rest, ok := strings.CutPrefix(do, "the probe's "); ok {
					do, p = rest, probe
				} else if rest, ok := strings.CutPrefix(do, "the first's "); ok {
					do, p = rest, pass{n: 1}
				}
				if how, ok := ends[do]; ok {
					got, did = b.end(cmp.Or(step.of, fmt.Sprint(i)), how, p, now)
				}
				if do == "start" || do == "probe" {
					p := b.start()
					if p.probe != (do == "probe") {
						t.Fatalf("step %d, %s: is the probe: %t", i, step.do, p.probe)
					}
					if p.probe {
						probe = p
					}
				}
				if want.still = step.still; step.daily {
					want.pace = daily
				} else if step.still > 0 {
					want.pace = never
				}
				if got != want || did != step.did {
					t.Fatalf("step %d, %s: %+v, turn %d; want %+v, %d", i, step.do, got, did, want, step.did)
				}
				if room, wait := b.room(now, 0); room != step.room || wait != step.wait {
					t.Fatalf("step %d, %s: room for %d in %s; want %d in %s", i, step.do, room, wait, step.room, step.wait)
				}
			}
		})
	}
}

// A breaker that has heard nothing yet, as after a reload, does not know whose matter a miss is: only an event's first counts.
func TestBreakerKnowsNothingYet(t *testing.T) {
	now := newClock().Now()
	for _, tt := range []struct {
		name string
		ends []reach
		want []pace
	}{
		{"one event alone", []reach{unreachable, unreachable, unreachable, unreachable}, []pace{unsure, unsure, bySchedule, bySchedule}},
		{"somebody answers", []reach{unreachable, answered, unreachable, unreachable}, []pace{unsure, bySchedule, bySchedule, bySchedule}},
		{"somebody is content", []reach{succeeded, unreachable}, []pace{bySchedule, bySchedule}},
	} {
		b := newBreaker(8, func() float64 { return half })
		for i, how := range tt.ends {
			p := b.start()
			if w, _ := b.end("a", how, p, now); w.pace != tt.want[i] || w.still != 0 {
				t.Errorf("%s, %d: %+v, want pace %d", tt.name, i, w, tt.want[i])
			}
		}
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
		var under []pass // attempts under way
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
				p := b.start()
				under = append(under, p)
				if p.probe {
					probes++
				}
			}
			if len(under) == 0 || random.IntN(3) == 0 {
				continue
			}
			i := random.IntN(len(under))
			how, late := reach(random.IntN(4)), under[i].n <= b.back
			w, did := b.end(fmt.Sprint(random.IntN(3)), how, under[i], now)
			if under[i].probe {
				probes--
			}
			under = append(under[:i], under[i+1:]...)
			if missed := how == unreachable || how == unsent; (w.still > 0) != (missed && (b.open || late)) || (w.pace == never || w.pace == daily) != (w.still > 0) {
				t.Fatalf("seed %d: %+v, open %t, late %t, came %d", seed, w, b.open, late, how)
			}
			if how == succeeded && b.open || did == opened && !b.open || (did == closed || did == narrowed) && b.open {
				t.Fatalf("seed %d: open %t after %d", seed, b.open, how)
			}
		}
	}
}

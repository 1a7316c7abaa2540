package sqlite

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestSteps: for as long as a lease lasts after a step of the clock, leases are judged by the clock before it too.
func TestSteps(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const lease = 2 * time.Second
	type look struct {
		passed time.Duration // since the ledger was opened
		ahead  time.Duration // of the wall clock
		want   time.Duration // how far ahead the other clock is by which leases are judged
	}
	for name, looks := range map[string][]look{
		"no step":           {{0, 0, 0}, {time.Second, 0, 0}, {time.Hour, 0, 0}},
		"drift":             {{time.Second, 300 * time.Millisecond, 300 * time.Millisecond}, {2 * time.Second, -300 * time.Millisecond, -300 * time.Millisecond}},
		"forward":           {{time.Second, 0, 0}, {2 * time.Second, 8 * time.Hour, 0}, {3 * time.Second, 8 * time.Hour, 0}, {4 * time.Second, 8 * time.Hour, 8 * time.Hour}},
		"back":              {{time.Second, 0, 0}, {2 * time.Second, -8 * time.Hour, 0}, {3 * time.Second, -8 * time.Hour, 0}, {4 * time.Second, -8 * time.Hour, -8 * time.Hour}},
		"back and again":    {{time.Second, -8 * time.Hour, 0}, {2 * time.Second, -16 * time.Hour, 0}, {5 * time.Second, -16 * time.Hour, -16 * time.Hour}},
		"a call that waits": {{time.Second, 8 * time.Hour, 0}, {900 * time.Millisecond, 0, 0}, {1100 * time.Millisecond, 8 * time.Hour, 0}, {4 * time.Second, 8 * time.Hour, 8 * time.Hour}},
		"steps apart": {{time.Second, 8 * time.Hour, 0}, {time.Hour, 8 * time.Hour, 8 * time.Hour}, {time.Hour + time.Second, 9 * time.Hour, 8 * time.Hour},
			{time.Hour + 4*time.Second, 9 * time.Hour, 9 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSteps(noon)
			for i, l := range looks {
				if got := s.other(noon.Add(l.passed+l.ahead), l.passed, lease).Sub(noon) - l.passed; got != l.want {
					t.Errorf("look %d: the other clock is %s ahead, want %s", i, got, l.want)
				}
			}
		})
	}
}

// TestStepTakesNoLease: when the clock is put forward or back nobody takes what another is at, though its lease has run out by the new
// clock or ends too far ahead; a dead owner's is free as soon as it would have been.
func TestStepTakesNoLease(t *testing.T) {
	for name, step := range map[string]time.Duration{"forward": 8 * time.Hour, "back": -8 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			const lease = 1800 * time.Millisecond
			l := openFile(t, newFile(t))
			appendEvents(t, l, "evt_1")
			wall := time.Now().Round(0)
			var passed time.Duration
			claim := func(owner string) int {
				t.Helper()
				// To a ledger that was opened later less has passed: that is how a clock looks which was put forward.
				now := wall.Add(passed)
				l.steps.began = now.Add(-passed)
				es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: owner, Now: now, Until: now.Add(lease), Limit: 9})
				must(t, err)
				return len(es)
			}
			l.steps.wall = wall
			if claim("a") != 1 {
				t.Fatal("nothing to claim")
			}
			wall = wall.Add(step)
			passed = 500 * time.Millisecond
			if claim("b") != 0 {
				t.Fatal("the step took a lease that is in use")
			}
			now := wall.Add(passed)
			_, err := l.Renew(t.Context(), "a", ledger.Claim{Scope: scope, Owner: "a", Now: now, Until: now.Add(lease)})
			must(t, err)
			passed = 2 * time.Second
			if claim("b") != 0 {
				t.Fatal("the lease was taken although its owner had prolonged it")
			}
			passed = 10 * time.Second // the owner has died
			if claim("b") != 1 {
				t.Fatal("a dead owner's lease is not free")
			}
		})
	}
}

package core

import (
	"testing"
	"time"
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

// TestLeasesAfterAStep: a lease that either clock says is in use is.
func TestLeasesAfterAStep(t *testing.T) {
	const day = 24 * time.Hour
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		step time.Duration
		want Span
	}{
		"none":    {0, Span{noon.Add(time.Second), noon.Add(time.Second + tooFar)}},
		"forward": {day, Span{noon.Add(time.Second), noon.Add(day + time.Second + tooFar)}},
		"back":    {-day, Span{noon.Add(time.Second - day), noon.Add(time.Second + tooFar)}},
	} {
		s := newSteps(noon)
		now := noon.Add(time.Second + c.step)
		s.began = now.Add(-time.Second) // to a ledger that was opened then a second has passed
		if got := s.leases(now, 2*time.Second); got != c.want {
			t.Errorf("%s: in use from %s to %s", name, got.Now, got.Far)
		}
	}
}

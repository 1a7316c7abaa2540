package relay

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestUnreachedRules: when an event is tried again that an attempt did not bring to the backend, and which attempts count.
func TestUnreachedRules(t *testing.T) {
	const m, h = time.Minute, time.Hour
	r := &schedule{retry: []time.Duration{m, 2 * h}, rand: func() float64 { return 0.5 }} // no jitter
	end := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return end.Add(-d) }
	for name, c := range map[string]struct {
		tries int // that counted before
		back  time.Time
		wait  wait
		after time.Duration // Retry-After

		state   ledger.State
		counts  bool
		due     time.Duration // from now
		wasBack time.Time
	}{
		"the first": {0, time.Time{}, wait{}, 0, ledger.Pending, true, m, end},
		"the first, and the backend asks for more":      {0, time.Time{}, wait{}, 10 * m, ledger.Pending, true, 10 * m, end},
		"the first, and the backend asks for less":      {0, time.Time{}, wait{}, 10 * time.Second, ledger.Pending, true, m, end},
		"the second, of a long gap":                     {1, time.Time{}, wait{}, 0, ledger.Pending, true, 30 * m, end},
		"the second, of a long gap, and asked for more": {1, time.Time{}, wait{}, h, ledger.Pending, true, h, end},
		"the last":                          {2, time.Time{}, wait{}, 0, ledger.Dead, true, 0, time.Time{}},
		"between two that count":            {2, ago(30 * m), wait{}, 0, ledger.Pending, false, 30 * m, ago(30 * m)},
		"near the next that counts":         {2, ago(100 * m), wait{}, 0, ledger.Pending, false, 20 * m, ago(100 * m)},
		"next to the next that counts":      {1, ago(40 * time.Second), wait{}, 0, ledger.Pending, false, 30 * time.Second, ago(40 * time.Second)},
		"between, and asked for more":       {2, ago(30 * m), wait{}, 45 * m, ledger.Pending, false, 45 * m, ago(30 * m)},
		"just not long enough ago":          {1, ago(48*time.Second - 1), wait{}, 0, ledger.Pending, false, 30 * time.Second, ago(48*time.Second - 1)},
		"just long enough ago":              {1, ago(48 * time.Second), wait{}, 0, ledger.Pending, true, 30 * m, end},
		"long enough, of a long gap":        {2, ago(114 * m), wait{}, 0, ledger.Dead, true, 0, time.Time{}},
		"by a clock that was put back":      {0, end.Add(1), wait{}, 0, ledger.Pending, true, m, end},
		"at this moment":                    {1, end, wait{}, 0, ledger.Pending, false, m, end},
		"unsure, the first":                 {0, time.Time{}, wait{pace: unsure}, 0, ledger.Pending, true, m, end},
		"unsure, since":                     {0, ago(h), wait{pace: unsure}, 0, ledger.Pending, false, 30 * time.Second, ago(h)},
		"daily, the first":                  {0, time.Time{}, wait{pace: daily}, 0, ledger.Pending, false, m, end},
		"daily, not yet":                    {0, ago(24*h - 1), wait{pace: daily}, 0, ledger.Pending, false, 30 * time.Second, ago(24*h - 1)},
		"daily, by now":                     {0, ago(24 * h), wait{pace: daily}, 0, ledger.Pending, true, m, end},
		"daily, and the last":               {2, ago(24 * h), wait{pace: daily}, 0, ledger.Dead, true, 0, time.Time{}},
		"nothing counts":                    {1, time.Time{}, wait{pace: never}, 0, ledger.Pending, false, m, end},
		"it stands still, whatever is said": {0, time.Time{}, wait{still: 3 * time.Second}, h, ledger.Pending, true, 3 * time.Second, end},
		"it stands still, between":          {1, ago(time.Second), wait{still: 3 * time.Second}, h, ledger.Pending, false, 3 * time.Second, ago(time.Second)},
		"beyond the schedule, as it was":    {9, ago(0), wait{}, 0, ledger.Dead, true, 0, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			var d ledger.Delivery
			r.unreached(&d, &ledger.Event{Tries: c.tries, Back: c.back}, c.wait, end, c.after)
			if d.State != c.state || d.Uncounted == c.counts {
				t.Errorf("it is %s, and counts: %t", d.State, !d.Uncounted)
			}
			if c.state == ledger.Pending && (d.Due.Sub(end) != c.due || !d.Back.Equal(c.wasBack)) {
				t.Errorf("due in %s, and when the backend is back at %s; want %s, %s", d.Due.Sub(end), d.Back, c.due, c.wasBack)
			}
			if c.state == ledger.Dead && !d.Back.IsZero() {
				t.Errorf("it is over, and waits for the backend since %s", d.Back)
			}
		})
	}
	var d ledger.Delivery // an answer that is no receipt: by the schedule alone, or later if the backend says so
	for after, want := range map[time.Duration]time.Duration{0: m, 10 * m: 10 * m} {
		if r.again(&d, 1, end, after); d.State != ledger.Pending || d.Due.Sub(end) != want {
			t.Errorf("asked to wait %s it is %s, due in %s", after, d.State, d.Due.Sub(end))
		}
	}
	if r.again(&d, 3, end, 0); d.State != ledger.Dead {
		t.Errorf("after the last gap it is %s", d.State)
	}
	for failures, want := range map[int]time.Duration{0: 50 * time.Millisecond, 1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 7: 3200 * time.Millisecond, 8: 5 * time.Second, 99: 5 * time.Second} {
		if got := r.backoff(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}

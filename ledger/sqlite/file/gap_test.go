package file

import (
	"testing"
	"time"
)

// Another program is left the lock for a moment by a writer that had to wait for one lately, and by one that has written without a pause for long.
func TestGap(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const long = time.Hour
	for _, c := range []struct {
		name                 string
		waited, ended, stint time.Duration // ago
		want                 bool
	}{
		{"a first transaction", long, long, long, false},
		{"after a pause", long, 2 * lockGap, lockStint * 2, false},
		{"without a pause, not for long", long, 0, lockStint / 2, false},
		{"without a pause, for long", long, 0, lockStint + 1, true},
		{"after a wait", contention / 2, long, long, true},
		{"after a wait, without a pause", contention / 2, 0, lockStint / 2, true},
		{"some time after a wait", contention + 1, 0, 0, false},
	} {
		w := &writer{waited: ago(c.waited), ended: ago(c.ended), stint: ago(c.stint)}
		if got := w.gap(now); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	// A gap ends what went on without a pause, and so does a pause.
	for _, ended := range []time.Duration{0, 2 * lockGap} {
		w := &writer{waited: ago(long), ended: ago(ended), stint: ago(2 * lockStint)}
		if got := w.gap(now); got != (ended == 0) {
			t.Errorf("%s after the last one: %t", ended, got)
		}
		for after, want := range []bool{false, true, false} { // in stints, each two thirds of the longest
			at := now.Add(time.Duration(after+1) * lockStint * 2 / 3)
			w.ended = at
			if got := w.gap(at); got != want {
				t.Errorf("the transaction %d after a gap or pause: %t", after, got)
			}
		}
	}
}

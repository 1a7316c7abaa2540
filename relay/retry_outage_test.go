package relay

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What does not count waits for the next probe at most, whatever Retry-After says, and is due at once when the backend is back.
func TestRetryAfterHoldsUpNoProbe(t *testing.T) {
	l, c := newLedger(t), newClock()
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	const events = 6
	for i := range events {
		record(t, l, newEvent(fmt.Sprint("evt_", i), c.Now()))
	}
	var out logs
	cfg := config(t, l, b)
	cfg.Now, cfg.Poll, cfg.Logger, cfg.Concurrency = c.Now, time.Millisecond, out.Logger(), 1
	stop := start(t, cfg)
	waitFor(t, "the breaker to open", func() bool { return strings.Contains(out.String(), "events wait") })
	var waiting []string
	waitFor(t, "the outcome of the attempt that opened it", func() bool {
		waiting = nil
		for i := range events {
			if _, ds := load(t, l, fmt.Sprint("evt_", i)); len(ds) > 0 && ds[len(ds)-1].Uncounted {
				waiting = append(waiting, fmt.Sprint("evt_", i))
			}
		}
		return len(waiting) > 0
	})
	stop()
	for _, id := range waiting {
		if e, _ := load(t, l, id); e.Due.Sub(c.Now()) > longestGap {
			t.Errorf("%s stands still for %s", id, e.Due.Sub(c.Now()))
		}
	}
	if err := l.Resume(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	for _, id := range waiting {
		if e, _ := load(t, l, id); e.Due.After(c.Now()) {
			t.Errorf("the backend is back, and %s is due in %s", id, e.Due.Sub(c.Now()))
		}
	}
}

package relay

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// People see whether the backend is unreachable, since when, and when it is tried again; and what came of the last attempt, without the
// backend's own words.
func TestOutageIsSaid(t *testing.T) {
	l, c := newLedger(t), newClock()
	var away atomic.Bool
	away.Store(true)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "openid oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", http.StatusServiceUnavailable)
			return
		}
		answerOK(w, r)
	})
	var mu sync.Mutex
	var last Attempt
	tried := func() Attempt {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
	cfg := config(t, l, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	cfg.Tried = func(a Attempt) {
		mu.Lock()
		defer mu.Unlock()
		last = a
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if o := r.Outage(); o != (Outage{}) {
		t.Errorf("before an attempt: %+v", o)
	}
	for _, id := range []string{"evt_1", "evt_2", "evt_3", "evt_4"} {
		e := newEvent(id, c.Now())
		e.Lane = id
		record(t, l, e)
	}
	run(t, r.Run)
	waitFor(t, "the outage", func() bool { return !r.Outage().Since.IsZero() && !r.Outage().Probe.IsZero() })
	if o := r.Outage(); !o.Since.Equal(c.Now()) || !o.Probe.After(o.Since) || o.Probe.After(o.Since.Add(2*firstProbe)) {
		t.Errorf("%+v at %s", o, c.Now())
	}
	waitFor(t, "the attempt", func() bool { return tried().Status == http.StatusServiceUnavailable })
	if a := tried(); !a.At.Equal(c.Now()) || !strings.Contains(a.Why, "your backend answered 503") || strings.Contains(a.Why, "openid") {
		t.Errorf("%+v", a)
	}
	away.Store(false)
	c.Set(c.Now().Add(time.Hour))
	waitFor(t, "the end of the outage", func() bool { return r.Outage() == (Outage{}) && tried().Status == http.StatusOK })
	if a := tried(); a.Why != "" {
		t.Errorf("%+v", a)
	}
}

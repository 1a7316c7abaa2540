package relay

import (
	"net/http"
	"testing"
)

// slowBackend answers the first request when it is told to, and all others at once.
func slowBackend(t *testing.T) (b *backend, answer func()) {
	t.Helper()
	wait, first := make(chan struct{}), make(chan struct{}, 1)
	first <- struct{}{}
	b = newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-first:
			<-wait
		default:
		}
		answerOK(w, r)
	})
	return b, func() { close(wait) }
}

// An event that was claimed ahead has waited for a slot until its lease was over: somebody else may have it by now, and it is not started.
func TestLeaseThatIsOverStartsNothing(t *testing.T) {
	l, c := newLedger(t), newClock()
	b, answer := slowBackend(t)
	cfg := config(t, l, b)
	cfg.Now, cfg.Concurrency = c.Now, 1
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, newEvent("evt_1", c.Now()))
	record(t, l, newEvent("evt_2", c.Now()))
	if n, err := r.claim(t.Context(), "a", 2); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	waitFor(t, "the first is sent", func() bool { return len(b.Requests()) == 1 })
	c.Set(c.Now().Add(leaseTime))
	answer()
	r.work.Wait()
	if n := len(b.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) != 0 || len(r.ready) != 0 {
		t.Errorf("still held: %v, ready: %v", r.held, r.ready)
	}
}

// The lease of an attempt under way is over, and the relay claims the event again, under another name: the attempt goes on under that one, and its
// outcome counts.
func TestLeaseThatIsOverUnderWay(t *testing.T) {
	l, c := newLedger(t), newClock()
	b, answer := slowBackend(t)
	cfg := config(t, l, b)
	cfg.Now = c.Now
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, newEvent("evt_1", c.Now()))
	for i, owner := range []string{"a", "b"} {
		if n, err := r.claim(t.Context(), owner, 1); n != 1-i || err != nil {
			t.Fatal(n, err)
		}
		waitFor(t, "it is sent", func() bool { return len(b.Requests()) == 1 })
		if got := r.owner(hold{"evt_1", 1}); got != owner {
			t.Errorf("leased by %q, want %q", got, owner)
		}
		if i == 0 {
			c.Set(c.Now().Add(leaseTime))
		}
	}
	answer()
	r.work.Wait()
	e, ds := load(t, l, "evt_1")
	if len(b.Requests()) != 1 || len(ds) != 1 || e.State != "delivered" {
		t.Errorf("%d requests, %d attempts, %s", len(b.Requests()), len(ds), e.State)
	}
}

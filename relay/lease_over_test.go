package relay

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/caddypay/caddypay/ledger"
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

// meanwhile is a ledger in which something happens once an outcome has been recorded, and before the relay knows of it.
type meanwhile struct {
	ledger.Ledger
	then func()
}

func (m *meanwhile) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	err := m.Ledger.Settle(ctx, owner, d)
	if then := m.then; then != nil {
		m.then = nil
		then()
	}
	return err
}

// An event is due again, and claimed, before the relay is done with the attempt before, which does not count: it is tried at once, not when the lease
// that nobody uses is over.
func TestClaimedBeforeTheAttemptBeforeIsOver(t *testing.T) {
	l, c := newLedger(t), newClock()
	back := newBackend(t, answerOK)
	var away atomic.Bool
	away.Store(true)
	m := &meanwhile{Ledger: l}
	cfg := config(t, m, transport(func(r *http.Request) (*http.Response, error) {
		if away.Swap(false) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return back.RoundTrip(r)
	}))
	cfg.Now = c.Now
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.then = func() {
		e, _ := load(t, l, "evt_1")
		c.Set(e.Due)
		if n, err := r.claim(t.Context(), "b", 1); n != 0 || err != nil { // its attempt goes on, as far as the relay knows
			t.Error(n, err)
		}
	}
	record(t, l, newEvent("evt_1", c.Now()))
	if n, err := r.claim(t.Context(), "a", 1); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	r.work.Wait()
	if e, ds := load(t, l, "evt_1"); e.State != ledger.Delivered || e.Attempts != 1 || len(ds) != 2 || !ds[1].At.Equal(ds[0].Due) {
		t.Errorf("%s after %d attempts that count, of %+v", e.State, e.Attempts, ds)
	}
	if len(r.held) != 0 || len(r.ready) != 0 || r.sending != 0 {
		t.Errorf("still held: %v, ready: %v, under way: %d", r.held, r.ready, r.sending)
	}
}

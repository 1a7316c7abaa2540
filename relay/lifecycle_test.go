package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A reload or SIGTERM while the backend is at work: its answer still counts, and is recorded before Run returns.
func TestShutdownMidDelivery(t *testing.T) {
	for _, status := range []int{200, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			l := newLedger(t)
			arrived, proceed := make(chan struct{}), make(chan struct{})
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				arrived <- struct{}{}
				<-proceed
				w.WriteHeader(status)
			})
			cfg := config(t, l, b)
			cfg.Concurrency, cfg.Retry = 1, []time.Duration{time.Hour}
			r, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			record(t, l, newEvent("evt_1", time.Now()))
			record(t, l, newEvent("evt_2", time.Now()))
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.Run(ctx)
			}()
			<-arrived
			cancel()
			select {
			case <-done:
				t.Error("Run returned while a delivery was under way")
			case <-time.After(leaseTime + 200*time.Millisecond): // longer than a lease that nobody renews
			}
			claim := ledger.Claim{Scope: scope, Owner: "new", Now: time.Now(), Until: time.Now().Add(time.Minute), Limit: 10}
			free, err := l.Claim(context.Background(), claim)
			if err != nil || len(free) != 1 || free[0].ID != "evt_2" {
				t.Errorf("the new configuration can claim %v, %v; want evt_2 only", free, err)
			}
			close(proceed)
			<-done
			e, ds := load(t, l, "evt_1")
			want := ledger.Delivered
			if status != 200 {
				want = ledger.Pending
			}
			if e.State != want || len(ds) != 1 || ds[0].Status != status {
				t.Errorf("%+v, %+v", e, ds)
			}
			if n := len(b.Requests()); n != 1 {
				t.Errorf("%d requests after the end, want 1", n)
			}
		})
	}
}

// Two relays with ledgers of their own on one file, as the old and the new configuration or two processes have.
func TestTwoRelaysShareTheWork(t *testing.T) {
	const events = 80
	file := t.TempDir() + "/ledger.db"
	var mu sync.Mutex
	busy, times := map[string]bool{}, map[string]int{}
	var clashes atomic.Int64
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Webhook-Id")
		mu.Lock()
		if busy[id] {
			clashes.Add(1)
		}
		busy[id] = true
		times[id]++
		first := times[id] == 1
		mu.Unlock()
		time.Sleep(2 * time.Millisecond) // the backend's work, in which a clash would show
		mu.Lock()
		busy[id] = false
		mu.Unlock()
		if first {
			w.WriteHeader(500)
		}
	})
	l := openLedger(t, file)
	var relays []func()
	for range 2 {
		cfg := config(t, openLedger(t, file), b)
		cfg.Retry = []time.Duration{time.Millisecond, time.Millisecond}
		cfg.Concurrency = 4
		relays = append(relays, start(t, cfg))
	}
	for i := range events {
		record(t, l, newEvent(fmt.Sprintf("evt_%d", i), time.Now()))
	}
	for i := range events {
		waitAttempts(t, l, fmt.Sprintf("evt_%d", i), 2)
	}
	for _, stop := range relays {
		stop()
	}
	if n := clashes.Load(); n != 0 {
		t.Errorf("%d events were under delivery twice at one time", n)
	}
	for id, n := range times {
		if n != 2 {
			t.Errorf("%s was sent %d times, want 2", id, n)
		}
	}
}

// A process that dies leaves leases behind; they hold its events up for two seconds at most.
func TestDeadOwnersEventsAreFree(t *testing.T) {
	l, b := newLedger(t), newBackend(t, answerOK)
	died := time.Now()
	record(t, l, newEvent("evt_1", died))
	if es, err := l.Claim(context.Background(), ledger.Claim{Scope: scope, Owner: "dead", Now: died, Until: died.Add(leaseTime), Limit: 1}); err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	cfg := config(t, l, b)
	cfg.Poll = time.Hour
	start(t, cfg)
	_, d := waitAttempts(t, l, "evt_1", 1)
	if late := d.At.Sub(died); late < leaseTime-5*time.Millisecond || late > 30*time.Second { // nothing else wakes the relay within an hour
		t.Errorf("delivered after %s", late)
	}
}

// faulty is a ledger whose methods fail as often as told.
type faulty struct {
	ledger.Ledger
	claims, settles, dues, renews, orphans atomic.Int64 // failures to come
	calls                                  atomic.Int64
}

var errDisk = errors.New("disk full")

func (f *faulty) Claim(ctx context.Context, c ledger.Claim) ([]ledger.Event, error) {
	f.calls.Add(1)
	if f.claims.Add(-1) >= 0 {
		return nil, errDisk
	}
	es, err := f.Ledger.Claim(ctx, c)
	if len(es) > 0 && f.orphans.Add(-1) >= 0 { // committed, but the answer was lost
		return nil, errDisk
	}
	return es, err
}

func (f *faulty) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	f.calls.Add(1)
	if f.settles.Add(-1) >= 0 {
		return errDisk
	}
	return f.Ledger.Settle(ctx, owner, d)
}

func (f *faulty) NextDue(ctx context.Context, s ledger.Scope) (ledger.Due, error) {
	f.calls.Add(1)
	if f.dues.Add(-1) >= 0 {
		return ledger.Due{}, errDisk
	}
	return f.Ledger.NextDue(ctx, s)
}

func (f *faulty) Renew(ctx context.Context, owner string, c ledger.Claim) ([]string, error) {
	if f.renews.Add(-1) >= 0 {
		return nil, errDisk
	}
	return f.Ledger.Renew(ctx, owner, c)
}

func TestLedgerErrors(t *testing.T) {
	tests := map[string]func(*faulty){
		"claim":             func(f *faulty) { f.claims.Store(3) },
		"settle":            func(f *faulty) { f.settles.Store(3) },
		"next due":          func(f *faulty) { f.dues.Store(3) },
		"claim's answer":    func(f *faulty) { f.orphans.Store(1) },
		"all of them":       func(f *faulty) { f.claims.Store(2); f.settles.Store(2); f.dues.Store(2) },
		"none, for control": func(*faulty) {},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			f := &faulty{Ledger: l}
			spoil(f)
			b := newBackend(t, answerOK)
			record(t, l, newEvent("evt_1", time.Now()))
			start(t, config(t, f, b))
			if e, _ := waitAttempts(t, l, "evt_1", 1); e.State != ledger.Delivered {
				t.Errorf("%+v", e)
			}
			if n := len(b.Requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// Renewals that fail now and then cost no lease.
func TestRenewErrors(t *testing.T) {
	l := newLedger(t)
	f := &faulty{Ledger: l}
	f.renews.Store(2)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-proceed
	})
	record(t, l, newEvent("evt_1", time.Now()))
	start(t, config(t, f, b))
	<-arrived
	waitFor(t, "renewals after the failed ones", func() bool { return f.renews.Load() < -2 })
	claim := ledger.Claim{Scope: scope, Owner: "other", Now: time.Now(), Until: time.Now().Add(time.Minute), Limit: 1}
	if es, err := l.Claim(context.Background(), claim); err != nil || len(es) != 0 {
		t.Errorf("another relay could claim %v, %v", es, err)
	}
	close(proceed)
	if e, _ := waitAttempts(t, l, "evt_1", 1); e.State != ledger.Delivered {
		t.Errorf("%+v", e)
	}
}

// A claim that was committed though its answer was lost must not be renewed for ever by a relay that is always busy.
func TestLostClaimEndsWhileBusy(t *testing.T) {
	l := newLedger(t)
	f := &faulty{Ledger: l}
	proceed, slow := make(chan struct{}), make(chan struct{}, 1)
	b := newBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_slow" {
			slow <- struct{}{}
			<-proceed
		}
	})
	cfg := config(t, f, b)
	cfg.Poll = 50 * time.Millisecond
	start(t, cfg)
	defer close(proceed)
	record(t, l, newEvent("evt_slow", time.Now()))
	<-slow
	f.orphans.Store(1)
	record(t, l, newEvent("evt_1", time.Now()))
	waitAttempts(t, l, "evt_1", 1)
}

func TestBrokenLedgerIsNoBusyLoop(t *testing.T) {
	f := &faulty{Ledger: newLedger(t)}
	f.claims.Store(1 << 40)
	stop := start(t, config(t, f, newBackend(t, answerOK)))
	waitFor(t, "a few tries", func() bool { return f.calls.Load() >= 4 })
	began := time.Now()
	n := f.calls.Load() // it may have gone on since
	waitFor(t, "two more", func() bool { return f.calls.Load() >= n+2 })
	if d := time.Since(began); d < 100*time.Millisecond {
		t.Errorf("two more tries in %s", d)
	}
	stop()
}

// At shutdown with a ledger that takes nothing, Run ends soon all the same.
func TestShutdownWithBrokenLedger(t *testing.T) {
	l := newLedger(t)
	f := &faulty{Ledger: l}
	f.settles.Store(1 << 40)
	b := newBackend(t, answerOK)
	record(t, l, newEvent("evt_1", time.Now()))
	stop := start(t, config(t, f, b))
	waitFor(t, "the delivery", func() bool { return len(b.Requests()) == 1 })
	began := time.Now()
	stop()
	if d := time.Since(began); d > 30*time.Second {
		t.Errorf("Run took %s to end", d)
	}
	if e, _ := load(t, l, "evt_1"); e.State != ledger.Pending {
		t.Errorf("%s; it must come again", e.State)
	}
}

func TestIdleRelayLeavesLeasesAlone(t *testing.T) {
	f := &renewCounter{Ledger: newLedger(t)}
	stop := start(t, config(t, f, newBackend(t, answerOK)))
	<-time.After(2 * renewEvery)
	stop()
	if n := f.renews.Load(); n != 0 {
		t.Errorf("%d renewals with nothing under way", n)
	}
}

type renewCounter struct {
	ledger.Ledger
	renews atomic.Int64
}

func (c *renewCounter) Renew(ctx context.Context, owner string, cl ledger.Claim) ([]string, error) {
	c.renews.Add(1)
	return c.Ledger.Renew(ctx, owner, cl)
}

// However many events wait, the relay has a few of them in hand.
func TestNeverHoldsMuch(t *testing.T) {
	const events, concurrency = 500, 4
	l := newLedger(t)
	h := &handful{Ledger: l}
	cfg := config(t, h, newBackend(t, answerOK))
	cfg.Concurrency = concurrency
	backlog(t, l, events, false)
	start(t, cfg)
	waitFor(t, "all to be delivered", func() bool { return h.settled.Load() >= events }) // more on a machine so slow that leases run out
	if n := h.most.Load(); n > 4*concurrency {
		t.Errorf("%d events in hand, want at most %d", n, 4*concurrency)
	}
	if n := h.claims.Load(); n > events/2 {
		t.Errorf("%d claims for %d events", n, events)
	}
}

// handful counts the events between claim and settlement.
type handful struct {
	ledger.Ledger
	claims, settled, inHand, most atomic.Int64
}

func (h *handful) Claim(ctx context.Context, c ledger.Claim) ([]ledger.Event, error) {
	h.claims.Add(1)
	es, err := h.Ledger.Claim(ctx, c)
	n := h.inHand.Add(int64(len(es)))
	for m := h.most.Load(); n > m && !h.most.CompareAndSwap(m, n); m = h.most.Load() {
	}
	return es, err
}

func (h *handful) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	err := h.Ledger.Settle(ctx, owner, d)
	h.inHand.Add(-1)
	h.settled.Add(1)
	return err
}

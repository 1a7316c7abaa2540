package relay

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// lentLedger knows which events were claimed, and how they were recorded.
type lentLedger struct {
	ledger.Ledger
	after func(*ledger.Event) error // it was recorded; may be nil

	mu      sync.Mutex
	claims  int
	claimed []string
	lent    []string
}

func (l *lentLedger) Append(ctx context.Context, e *ledger.Event) (ledger.Appended, error) {
	did, err := l.Ledger.Append(ctx, e)
	l.mu.Lock()
	if e.Lease.Owner != "" {
		l.lent = append(l.lent, e.ID)
	}
	l.mu.Unlock()
	if l.after != nil && err == nil {
		err = l.after(e)
	}
	return did, err
}

func (l *lentLedger) Claim(ctx context.Context, c ledger.Claim) ([]ledger.Event, error) {
	es, err := l.Ledger.Claim(ctx, c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.claims++
	}
	for _, e := range es {
		l.claimed = append(l.claimed, e.ID)
	}
	return es, err
}

// were returns which events were lent, which were claimed, and how often somebody looked for some.
func (l *lentLedger) were() (lent, claimed []string, claims int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lent), slices.Clone(l.claimed), l.claims
}

func newLentLedger(t *testing.T) *lentLedger { return &lentLedger{Ledger: newLedger(t)} }

// paid is the event of a payment.
func paid(id, orderNo string, now time.Time) *ledger.Event {
	e := newEvent(id, now)
	e.OrderNo, e.Lane = orderNo, orderNo
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: now}
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: now}
	e.Deliver = true // also what pays an order twice
	return e
}

func accept(t *testing.T, r *Relay, id, orderNo string) {
	t.Helper()
	did, err := r.Append(context.Background(), paid(id, orderNo, r.cfg.Now()))
	if err != nil || did != ledger.Recorded {
		t.Errorf("accept %s: %s, %v", id, did, err)
	}
}

// hearing answers once it is let to, and keeps what it has heard.
type hearing struct {
	let func(id string) // may wait; nil: at once

	mu    sync.Mutex
	heard []*http.Request
}

func (h *hearing) answer(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.heard = append(h.heard, r)
	h.mu.Unlock()
	if h.let != nil {
		h.let(r.Header.Get("Webhook-Id"))
	}
	answerOK(w, r)
}

// requests are those of one order, or all, in the order of their coming.
func (h *hearing) requests(orderNo string) (rs []*http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.heard {
		if orderNo == "" || r.Header.Get("X-Pay-Order-No") == orderNo {
			rs = append(rs, r)
		}
	}
	return rs
}

// idle runs a relay that looks at the ledger only when it is told to, and waits until it has found that nothing waits.
func idle(t *testing.T, l *lentLedger, cfg Config) (r *Relay, stop func()) {
	t.Helper()
	cfg.Poll = time.Hour
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop = run(t, r.Run)
	waitDrained(t, r)
	return r, stop
}

func waitDrained(t *testing.T, r *Relay) {
	t.Helper()
	waitFor(t, "the relay finds that nothing waits", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.drained })
}

// What comes one after the other is delivered without a claim, as it would be with one.
func TestLent(t *testing.T) {
	l, h := newLentLedger(t), new(hearing)
	r, stop := idle(t, l, config(t, l, newBackend(t, h.answer)))
	_, _, before := l.were()
	const many = 20
	for i := range many {
		id := fmt.Sprint("evt_", i)
		accept(t, r, id, "o"+id)
		e, d := waitAttempts(t, l, id, 1)
		if e.State != ledger.Delivered || e.Attempts != 1 || d.Attempt != 1 || d.Status != http.StatusOK || d.Snippet != "success" {
			t.Fatalf("%+v %+v", e, d)
		}
	}
	lent, claimed, claims := l.were()
	if len(lent) != many || len(claimed) != 0 || claims != before {
		t.Errorf("lent %d, claimed %q, %d claims after %d", len(lent), claimed, claims, before)
	}
	got := h.requests("")[0]
	for name, want := range map[string]string{"Webhook-Id": "evt_0", "X-Pay-Order-No": "oevt_0", "X-Pay-Charge": "ch_evt_0", "X-Pay-Attempt": "1", "X-Pay-Source": "webhook"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if e, _ := load(t, l, "evt_0"); got.ContentLength != int64(len(e.Body)) || got.Host != "shop.example.com" {
		t.Errorf("%d bytes to %s", got.ContentLength, got.Host)
	}
	stop()
	accept(t, r, "evt_late", "late") // recorded for whoever comes next
	if lent, _, _ := l.were(); len(lent) != many {
		t.Error("lent by a relay that has ended")
	}
	if r.lent != 0 || len(r.held) != 0 {
		t.Errorf("%d are lent, %d held", r.lent, len(r.held))
	}
}

// A backend that is slow has as many deliveries as it may have; what comes then is not lent, and nothing that comes later is, before that has had its turn.
func TestLentWithinLimits(t *testing.T) {
	l := newLentLedger(t)
	let := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { <-let; answerOK(w, r) })
	cfg := config(t, l, b)
	cfg.Concurrency = 2
	r, _ := idle(t, l, cfg)
	for i := range 5 {
		accept(t, r, fmt.Sprint("evt_", i), fmt.Sprint("o", i))
	}
	lent, claimed, _ := l.were()
	if !slices.Equal(lent, []string{"evt_0", "evt_1"}) || len(claimed) != 0 {
		t.Errorf("with two slots: lent %q, claimed %q", lent, claimed)
	}
	close(let)
	for i := range 5 {
		waitAttempts(t, l, fmt.Sprint("evt_", i), 1)
	}
	if _, claimed, _ := l.were(); !slices.Equal(claimed, []string{"evt_2", "evt_3", "evt_4"}) {
		t.Errorf("claimed %q", claimed)
	}
	waitDrained(t, r)
	accept(t, r, "evt_9", "o9")
	waitAttempts(t, l, "evt_9", 1)
	if lent, _, _ := l.were(); lent[len(lent)-1] != "evt_9" {
		t.Errorf("lent %q after all", lent)
	}
}

// Nothing is lent that would overtake what waits: for its lane, for a slot, or for the backend.
func TestLentOvertakesNothing(t *testing.T) {
	l := newLentLedger(t)
	let := make(chan struct{})
	h := &hearing{let: func(id string) {
		if id == "evt_1" {
			<-let
		}
	}}
	b := newBackend(t, h.answer)
	r, _ := idle(t, l, config(t, l, b))
	accept(t, r, "evt_1", "o1")
	accept(t, r, "evt_2", "o1")
	accept(t, r, "evt_3", "o3")
	waitAttempts(t, l, "evt_3", 1)
	close(let)
	waitAttempts(t, l, "evt_2", 1)
	var order []string
	for _, got := range h.requests("o1") {
		order = append(order, got.Header.Get("Webhook-Id"))
	}
	if lent, claimed, _ := l.were(); !slices.Equal(order, []string{"evt_1", "evt_2"}) || !slices.Equal(lent, []string{"evt_1", "evt_3"}) || !slices.Equal(claimed, []string{"evt_2"}) {
		t.Errorf("delivered %q; lent %q, claimed %q", order, lent, claimed)
	}

	// By one that does not run.
	cfg := config(t, l, b)
	cfg.Poll = time.Hour
	second, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	accept(t, second, "evt_4", "o4")
	if lent, _, _ := l.were(); len(lent) != 2 {
		t.Errorf("lent %q", lent)
	}
	waitAttempts(t, l, "evt_4", 1) // by the first one
}

// While the backend is away nothing is lent: events wait in their order until it is back.
func TestLentWhileAway(t *testing.T) {
	l := newLentLedger(t)
	var away atomic.Bool
	away.Store(true)
	b := newBackend(t, answerOK)
	cfg := config(t, l, transport(func(req *http.Request) (*http.Response, error) {
		if away.Load() {
			return nil, fmt.Errorf("%w: in this test", ErrUnsent)
		}
		return b.RoundTrip(req)
	}))
	r, _ := idle(t, l, cfg)
	accept(t, r, "evt_0", "o0")
	waitFor(t, "the breaker opens", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.breaker.open })
	for i := 1; i < 5; i++ {
		accept(t, r, fmt.Sprint("evt_", i), fmt.Sprint("o", i))
	}
	if lent, _, _ := l.were(); !slices.Equal(lent, []string{"evt_0"}) {
		t.Errorf("lent %q", lent)
	}
	away.Store(false)
	for i := range 5 {
		waitFor(t, "delivery", func() bool {
			e, err := l.Event(context.Background(), scope, fmt.Sprint("evt_", i))
			return err == nil && e.State == ledger.Delivered
		})
	}
}

// An append that fails may have been committed all the same: its lease is renewed by nobody, also while others that were lent are under way, and the event is
// claimed when that ends.
func TestLentAppendFails(t *testing.T) {
	l := newLentLedger(t)
	let := make(chan struct{})
	h := &hearing{let: func(id string) {
		if id == "evt_slow" {
			<-let
		}
	}}
	l.after = func(e *ledger.Event) error {
		if e.ID == "evt_1" {
			return errDisk
		}
		return nil
	}
	r, _ := idle(t, l, config(t, l, newBackend(t, h.answer)))
	accept(t, r, "evt_slow", "slow")
	began := time.Now()
	if _, err := r.Append(context.Background(), paid("evt_1", "o1", began)); err != errDisk {
		t.Fatal(err)
	}
	if n := len(h.requests("o1")); n > 0 {
		t.Fatalf("%d requests", n)
	}
	signal(r.retimed) // as the poll would
	waitAttempts(t, l, "evt_1", 1)
	if took := time.Since(began); took < leaseTime {
		t.Errorf("delivered %s after it was leased", took)
	}
	if _, claimed, _ := l.were(); !slices.Equal(claimed, []string{"evt_1"}) {
		t.Errorf("claimed %q", claimed)
	}
	close(let)
	waitAttempts(t, l, "evt_slow", 1)
}

// A disk that takes longer than a good part of the lease: it ends by itself, and the event is claimed. As long as that goes on nothing is lent.
func TestLentOnSlowDisk(t *testing.T) {
	l, c, b := newLentLedger(t), newClock(), newBackend(t, answerOK)
	l.after = func(e *ledger.Event) error {
		if e.ID == "evt_1" {
			c.Set(c.Now().Add(maxAppend + time.Millisecond))
		}
		return nil
	}
	cfg := config(t, l, b)
	cfg.Now = c.Now
	r, _ := idle(t, l, cfg)
	accept(t, r, "evt_1", "o1")
	accept(t, r, "evt_2", "o2")
	waitAttempts(t, l, "evt_2", 1)
	c.Set(c.Now().Add(leaseTime))
	signal(r.retimed)
	waitAttempts(t, l, "evt_1", 1)
	if lent, claimed, _ := l.were(); !slices.Equal(lent, []string{"evt_1"}) || !slices.Equal(claimed, []string{"evt_2", "evt_1"}) {
		t.Errorf("lent %q, claimed %q", lent, claimed)
	}
}

// A relay that is told to stop between the recording of an event and its delivery delivers it, as it does what it has claimed.
func TestLentAtTheEnd(t *testing.T) {
	l, b := newLentLedger(t), newBackend(t, answerOK)
	writing, let := make(chan struct{}), make(chan struct{})
	l.after = func(*ledger.Event) error { close(writing); <-let; return nil }
	cfg := config(t, l, b)
	r, stop := idle(t, l, cfg)
	accepted, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(accepted); accept(t, r, "evt_1", "o1") }()
	<-writing
	go func() { defer close(ended); stop() }()
	waitFor(t, "the relay is told to stop", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.running.Err() != nil })
	select {
	case <-ended:
		t.Error("the relay has ended, and the event is still being recorded")
	default:
	}
	close(let)
	<-accepted
	<-ended
	if e, ds := load(t, l, "evt_1"); e.State != ledger.Delivered || len(ds) != 1 {
		t.Errorf("%s after %d attempts", e.State, len(ds))
	}
	if _, claimed, _ := l.were(); len(claimed) != 0 {
		t.Errorf("claimed %q", claimed)
	}
}

// The old and the new configuration of a reload share a ledger: what the old one takes in once its relay has ended, the new one's delivers.
func TestLentAfterReload(t *testing.T) {
	l, b := newLentLedger(t), newBackend(t, answerOK)
	old, stop := idle(t, l, config(t, l, b))
	accept(t, old, "evt_1", "o1")
	fresh, _ := idle(t, l, config(t, l, b))
	accept(t, old, "evt_2", "o2")
	accept(t, fresh, "evt_3", "o3")
	stop()
	accept(t, old, "evt_4", "o4")
	for i := range 4 {
		if e, _ := waitAttempts(t, l, fmt.Sprint("evt_", i+1), 1); e.State != ledger.Delivered {
			t.Errorf("%s is %s", e.ID, e.State)
		}
	}
	if lent, claimed, _ := l.were(); !slices.Equal(lent, []string{"evt_1", "evt_2", "evt_3"}) || !slices.Equal(claimed, []string{"evt_4"}) {
		t.Errorf("lent %q, claimed %q", lent, claimed)
	}
}

// Many at once, in few lanes, with a relay that is replaced meanwhile and another process at the same ledger: each is delivered once, in the order of its lane.
func TestLentConcurrent(t *testing.T) {
	l, h := newLentLedger(t), new(hearing)
	b := newBackend(t, h.answer)
	old, stop := idle(t, l, config(t, l, b))
	start(t, config(t, l.Ledger, b))
	var in atomic.Pointer[Relay]
	in.Store(old)
	const callers, each = 8, 15
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				id := fmt.Sprintf("%d_%d", i, j)
				accept(t, in.Load(), "evt_"+id, fmt.Sprint("o", i, "_", j/3))
			}
		})
	}
	stop()
	next, _ := idle(t, l, config(t, l, b))
	in.Store(next)
	all.Wait()
	for i := range callers {
		for j := range each {
			waitAttempts(t, l, fmt.Sprintf("evt_%d_%d", i, j), 1)
		}
	}
	heard := make(map[string]int)
	for n, got := range h.requests("") {
		id := got.Header.Get("Webhook-Id")
		if _, again := heard[id]; again {
			t.Errorf("%s was delivered twice", id)
		}
		heard[id] = n
	}
	for i := range callers {
		for j := range each {
			if j%3 > 0 && heard[fmt.Sprintf("evt_%d_%d", i, j)] < heard[fmt.Sprintf("evt_%d_%d", i, j-1)] {
				t.Errorf("evt_%d_%d overtook the one before it", i, j)
			}
		}
	}
}

package shipping

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// bells is a ledger that says when something changed as the test does, and counts how often it is asked for what is to be reported.
type bells struct {
	ledger.Ledger
	changed chan struct{}
	mu      sync.Mutex
	claims  int
}

func (b *bells) Watch(ledger.Topic) (<-chan struct{}, func()) { return b.changed, func() {} }

func (b *bells) ClaimShipments(_ context.Context, c ledger.ShipmentClaim) ([]ledger.Shipment, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.Daily {
		b.claims++
	}
	return nil, nil
}

func (b *bells) claimed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.claims
}

// ring says that something changed, and has the reporter, which was started then, look once for each time.
func (b *bells) ring(t *testing.T, start time.Time) {
	relaytest.WaitFor(t, "the first look", func() bool { return b.claimed() > 0 })
	for i := range 50 {
		relaytest.WaitFor(t, "it waits for a reason to look", func() bool {
			if n := b.claimed(); n > i+1+int(time.Since(start)/reportsPoll) {
				t.Fatalf("looked %d times for %d reasons", n, i+1)
			}
			select {
			case b.changed <- struct{}{}:
				return true
			default:
				return false
			}
		})
	}
}

// The ledger is asked when something changed, or when it is time, and not again and again.
func TestLooksOnlyForAReason(t *testing.T) {
	for name, poll := range map[string]time.Duration{"by default": 0, "every hour": time.Hour} {
		s := newStage(t)
		b := &bells{Ledger: s.l, changed: make(chan struct{})}
		cfg := s.config(b)
		cfg.Poll = poll
		r, err := New(cfg)
		if err != nil {
			t.Fatal(name, err)
		}
		start := time.Now()
		stop := relaytest.Run(t, r.Run)
		b.ring(t, start)
		stop()
	}
}

// A reporter that runs does all that is done once a day or every few minutes.
func TestRounds(t *testing.T) {
	s := newStage(t)
	var mu sync.Mutex
	var failed []string
	cfg := s.config(s.l)
	cfg.Auto = &Receipts{Type: ledger.ShipVirtual, Items: "tea"}
	cfg.Failed = func(sh *ledger.Shipment) {
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, sh.OrderNo)
	}
	s.paid("1", true)
	bad := s.paid("2", true)
	s.acknowledge()
	s.line.once(upload, answers(10060009))
	s.report("2", tea)
	s.turn(s.reporter(s.l))
	s.want("it failed", s.shipment(bad).State, ledger.ShipmentFailed)
	s.paid("3", true)
	// Since when it is reported is remembered by all processes: here it was long before the payments.
	if err := s.storage.Store(t.Context(), "pay/shipping/app_test_live.json", []byte(`{"since":"2020-01-01T00:00:00Z","told":"2020-01-01T00:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(50 * time.Hour)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	relaytest.Run(t, r.Run)
	relaytest.WaitFor(t, "one is reported by itself, one is told of as failed, and one as over", func() bool {
		mu.Lock()
		defer mu.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		over := false
		for _, due := range s.due {
			over = over || due == "3 true"
		}
		return s.uploads() == 1 && len(failed) == 1 && failed[0] == "2" && over
	})
}

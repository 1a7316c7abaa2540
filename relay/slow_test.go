package relay

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// claims notes what was claimed, and can be slow, as on a disk that takes longer than a lease lasts.
type claims struct {
	ledger.Ledger
	slow   func(claimed []ledger.Event) // before the answer; nil: not slow
	mu     sync.Mutex
	number map[string]int
}

func (c *claims) Claim(ctx context.Context, cl ledger.Claim) ([]ledger.Event, error) {
	es, err := c.Ledger.Claim(ctx, cl)
	c.mu.Lock()
	if c.number == nil {
		c.number = make(map[string]int)
	}
	for _, e := range es {
		c.number[e.ID]++
	}
	c.mu.Unlock()
	if c.slow != nil && len(es) > 0 {
		c.slow(es)
	}
	return es, err
}

func (c *claims) of(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.number[id]
}

// A claim that comes back after its lease is over is used all the same, except for what somebody else has taken over meanwhile.
func TestLateClaimIsUsed(t *testing.T) {
	const events = 20
	l, c := newLedger(t), newClock()
	b := newBackend(t, answerOK)
	w := &claims{Ledger: l}
	var late int
	w.slow = func(es []ledger.Event) {
		if late++; late > 3 {
			return
		}
		c.Set(c.Now().Add(leaseTime + 200*time.Millisecond))
		if es[0].ID != "evt_0" {
			return
		}
		taken, err := l.Claim(context.Background(), ledger.Claim{Scope: scope, Owner: "other", Now: c.Now(), Until: c.Now().Add(time.Minute), Limit: 1})
		if err != nil || len(taken) != 1 {
			t.Errorf("another relay claims %v, %v", taken, err)
		}
	}
	for i := range events {
		record(t, l, newEvent(fmt.Sprint("evt_", i), c.Now()))
	}
	cfg := config(t, w, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	start(t, cfg)
	for i := 1; i < events; i++ {
		waitDelivered(t, l, fmt.Sprint("evt_", i))
	}
	if _, ds := load(t, l, "evt_0"); len(ds) != 0 || len(b.Requests()) != events-1 {
		t.Errorf("%d requests, want %d; of what another relay had taken over: %d", len(b.Requests()), events-1, len(ds))
	}
}

package relay

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// counting counts how often the ledger is asked for events.
type counting struct {
	ledger.Ledger
	claims atomic.Int64
}

func (c *counting) Claim(ctx context.Context, claim ledger.Claim) ([]ledger.Event, error) {
	c.claims.Add(1)
	return c.Ledger.Claim(ctx, claim)
}

func decidePause(t *testing.T, l ledger.Ledger, a ledger.Action) {
	t.Helper()
	if err := l.Decide(context.Background(), ledger.Decision{Scope: scope, Action: a, Now: time.Now(), By: "ops"}); err != nil {
		t.Fatal(err)
	}
}

// While a scope is paused its events are recorded and not delivered, and nobody asks for them again and again; once the pause is over they go out at once.
func TestPause(t *testing.T) {
	l := &counting{Ledger: newLedger(t)}
	b := newBackend(t, answerOK)
	cfg := config(t, l, b)
	cfg.Poll = time.Hour
	decidePause(t, l, ledger.ActionPause)
	record(t, l, newEvent("evt_0", time.Now().Add(-time.Minute)))
	start(t, cfg)
	waitFor(t, "the first claim", func() bool { return l.claims.Load() > 0 })
	for i := 1; i < 4; i++ { // each has the relay look
		before := l.claims.Load()
		record(t, l, newEvent(fmt.Sprint("evt_", i), time.Now().Add(-time.Minute)))
		waitFor(t, "a look at what was recorded", func() bool { return l.claims.Load() > before })
	}
	if n := len(b.Requests()); n > 0 {
		t.Errorf("%d deliveries while they are paused", n)
	}
	if n := l.claims.Load(); n > 10 {
		t.Errorf("asked %d times for what is paused", n)
	}
	decidePause(t, l, ledger.ActionUnpause)
	waitFor(t, "the deliveries", func() bool { return len(b.Requests()) == 4 })
}

// A pause outlives the process.
func TestPauseStays(t *testing.T) {
	file := t.TempDir() + "/ledger.db"
	first := openLedger(t, file)
	decidePause(t, first, ledger.ActionPause)
	record(t, first, newEvent("evt_1", time.Now().Add(-time.Minute)))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	l := &counting{Ledger: openLedger(t, file)}
	b := newBackend(t, answerOK)
	cfg := config(t, l, b)
	start(t, cfg)
	waitFor(t, "several claims", func() bool { return l.claims.Load() > 3 })
	if n := len(b.Requests()); n > 0 {
		t.Errorf("%d deliveries while they are paused", n)
	}
	decidePause(t, l, ledger.ActionUnpause)
	waitFor(t, "the delivery", func() bool { return len(b.Requests()) == 1 })
}

package relay

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// damaged is a ledger that cannot record the outcomes of some events.
type damaged struct {
	ledger.Ledger
	mended atomic.Bool
}

func (d *damaged) Settle(ctx context.Context, owner string, o ledger.Delivery) error {
	if strings.HasPrefix(o.EventID, "evt_damaged") && !d.mended.Load() {
		return ledger.ErrDamaged
	}
	return d.Ledger.Settle(ctx, owner, o)
}

// Outcomes that cannot be recorded stop nothing else, however many they are, and are recorded once they can be.
func TestDamagedOutcomesStopNothing(t *testing.T) {
	l, c := newLedger(t), newClock()
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	const many = 50
	for i := range many {
		record(t, l, newEvent(fmt.Sprintf("evt_damaged%d", i), c.Now()))
	}
	for i := range many {
		record(t, l, newEvent(fmt.Sprintf("evt_sound%d", i), c.Now().Add(time.Second)))
	}
	d := &damaged{Ledger: l}
	cfg := config(t, d, b)
	cfg.Now, cfg.Poll, cfg.Concurrency = c.Now, time.Millisecond, 2
	c.Set(c.Now().Add(2 * time.Second))
	start(t, cfg)
	for i := range many {
		waitDelivered(t, l, fmt.Sprintf("evt_sound%d", i))
	}
	d.mended.Store(true)
	for i := range many {
		id := fmt.Sprintf("evt_damaged%d", i)
		waitDelivered(t, l, id)
		if _, ds := load(t, l, id); len(ds) != 1 {
			t.Errorf("%s was delivered %d times", id, len(ds))
		}
	}
}

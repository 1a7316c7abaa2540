package relay

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// failingLedger is a ledger whose Settle is the test's.
type failingLedger struct {
	ledger.Ledger
	settle func(ctx context.Context, try int) error
	tries  atomic.Int32
}

func (f *failingLedger) Settle(ctx context.Context, _ string, _ ledger.Delivery) error {
	return f.settle(ctx, int(f.tries.Add(1)))
}

// What becomes of an outcome that the ledger does not take: how often it is tried, for how long, and what others see of it meanwhile.
func TestSettleRules(t *testing.T) {
	broken := errors.New("the disk is full")
	for name, c := range map[string]struct {
		errs     []error // of the first tries; after them it is taken
		over     bool    // the relay has been told to stop
		tries    int
		within   time.Duration // that each may take
		least    time.Duration // that all take
		stranded []int         // as each try finds it
		last     string        // that is logged
		failures int64         // that it names
	}{
		"taken":                     {nil, false, 1, settleTimeout, 0, []int{0}, "", 0},
		"broken for a while":        {[]error{broken, broken}, false, 3, settleTimeout, 150 * time.Millisecond, []int{0, 0, 0}, "cannot record the outcome of a delivery, trying again", 2},
		"damaged for a while":       {[]error{ledger.ErrDamaged, ledger.ErrDamaged}, false, 3, settleTimeout, 150 * time.Millisecond, []int{0, 1, 1}, "cannot record the outcome of a delivery, trying again", 2},
		"broken, then damaged":      {[]error{broken, ledger.ErrDamaged}, false, 3, settleTimeout, 150 * time.Millisecond, []int{0, 0, 1}, "cannot record the outcome of a delivery, trying again", 2},
		"not there":                 {[]error{ledger.ErrNotFound}, false, 1, settleTimeout, 0, []int{0}, "the outcome of a delivery could not be recorded; the event may be delivered again", 1},
		"taken at the end":          {nil, true, 1, lastSettle, 0, []int{0}, "", 0},
		"broken at the end":         {[]error{broken}, true, 2, lastSettle, lastSettle / 10, []int{0, 0}, "cannot record the outcome of a delivery, trying again", 1},
		"broken beyond the end":     {[]error{broken, broken, broken, broken}, true, lastSettles, lastSettle, 2 * lastSettle / 10, []int{0, 0, 0}, "the outcome of a delivery could not be recorded; the event may be delivered again", 3},
		"damaged, and told to stop": {[]error{ledger.ErrDamaged, ledger.ErrDamaged, ledger.ErrDamaged}, true, lastSettles, lastSettle, 0, []int{0, 1, 1}, "the outcome of a delivery could not be recorded; the event may be delivered again", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, seen := observer.New(zap.WarnLevel)
			l := &failingLedger{}
			cfg := config(t, l, nil)
			cfg.Backend, cfg.Logger = failing(errors.New("nobody")), zap.New(core)
			r, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.over {
				cancel()
			}
			var stranded []int
			l.settle = func(sctx context.Context, try int) error {
				stranded = append(stranded, r.stranded)
				end, ok := sctx.Deadline()
				if left := time.Until(end); !ok || left > c.within || c.within > lastSettle && left < lastSettle {
					t.Errorf("try %d may take %s, want %s", try, left, c.within)
				}
				if try <= len(c.errs) {
					return c.errs[try-1]
				}
				return nil
			}
			began := time.Now()
			r.settle(ctx, hold{"evt_1", 1}, ledger.Delivery{EventID: "evt_1"})
			tries := int(l.tries.Load())
			if took := time.Since(began); tries != c.tries || took < c.least || !slices.Equal(stranded, c.stranded) || r.stranded != 0 {
				t.Errorf("%d tries in %s, want %d in %s; stranded %v and then %d, want %v", tries, took, c.tries, c.least, stranded, r.stranded, c.stranded)
			}
			last := ""
			if all := seen.All(); len(all) > 0 {
				last = all[len(all)-1].Message
				if got := all[len(all)-1].ContextMap()["failures"]; got != c.failures {
					t.Errorf("%v failures, want %d", got, c.failures)
				}
			}
			if last != c.last {
				t.Errorf("logged %q, want %q", last, c.last)
			}
		})
	}
}

// One more that waits for a sound page makes room for another event, which is told.
func TestStrandedMakesRoom(t *testing.T) {
	cfg := config(t, &failingLedger{}, failing(errors.New("nobody")))
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, -1} {
		if r.strand(n); len(r.freed) != 1 {
			t.Errorf("strand(%d) tells nobody", n)
		}
		<-r.freed
	}
}

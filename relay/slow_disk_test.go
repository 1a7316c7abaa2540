package relay

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// slowDisk is a ledger that takes its time for the first claim that finds something, and for making it good.
type slowDisk struct {
	*claims
	renewed atomic.Bool
	renew   func()
}

func (s *slowDisk) Renew(ctx context.Context, owner string, c ledger.Claim) ([]string, error) {
	ids, err := s.claims.Renew(ctx, owner, c)
	if s.renewed.CompareAndSwap(false, true) {
		s.renew()
	}
	return ids, err
}

// A disk that takes longer than a lease lasts takes as long for the lease that makes a late claim good: that one lasts longer, and the claim
// is used. Only a disk that outlasts even that brings nothing, and says so.
func TestLateClaimOnASlowDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		renew  time.Duration
		claims int // of each event, until it is delivered
		says   string
	}{
		"as slow":     {leaseTime + 200*time.Millisecond, 1, ""},
		"even slower": {ledger.LongestLease, 2, "is it overloaded?"},
	} {
		t.Run(name, func(t *testing.T) {
			l, c := newLedger(t), newClock()
			b := newBackend(t, answerOK)
			w := &slowDisk{claims: &claims{Ledger: l}}
			var late atomic.Bool
			w.slow = func([]ledger.Event) {
				if late.CompareAndSwap(false, true) {
					c.Set(c.Now().Add(leaseTime + 200*time.Millisecond))
				}
			}
			w.renew = func() { c.Set(c.Now().Add(tt.renew)) }
			const events = 3
			for i := range events {
				record(t, l, newEvent(fmt.Sprint("evt_", i), c.Now()))
			}
			var out logs
			cfg := config(t, w, b)
			cfg.Now, cfg.Poll, cfg.Logger = c.Now, time.Millisecond, out.Logger()
			start(t, cfg)
			for i := range events {
				id := fmt.Sprint("evt_", i)
				waitDelivered(t, l, id)
				if n := w.of(id); n != tt.claims {
					t.Errorf("%s was claimed %d times, want %d", id, n, tt.claims)
				}
			}
			if n := len(b.Requests()); n != events {
				t.Errorf("%d requests", n)
			}
			if says := strings.Contains(out.String(), "is it overloaded?"); says != (tt.says != "") {
				t.Errorf("the log says that the disk is overloaded: %t\n%s", says, out.String())
			}
		})
	}
}

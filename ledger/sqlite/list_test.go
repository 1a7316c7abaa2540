package sqlite

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// An event is in every list of all states, also while its state changes.
func TestListMissesNothing(t *testing.T) {
	l := openFile(t, newFile(t))
	const many = 200
	appendMany(t, l, "evt_", many)
	now := time.Now()
	var settling sync.WaitGroup
	settling.Go(func() {
		for i := range many {
			owner := fmt.Sprint("owner", i)
			es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: owner, Now: now, Until: now.Add(time.Second), Limit: 1})
			if err != nil || len(es) != 1 {
				t.Errorf("claimed %d: %v", len(es), err)
				return
			}
			if err := l.Settle(t.Context(), owner, ledger.Delivery{Scope: scope, EventID: es[0].ID, Attempt: 1, At: now, State: ledger.Delivered}); err != nil {
				t.Error(err)
			}
		}
	})
	done := make(chan struct{})
	go func() { settling.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		es, err := l.Events(t.Context(), ledger.Filter{Scope: scope, Limit: 1000})
		must(t, err)
		if len(es) != many {
			t.Fatalf("%d of %d events are in the list", len(es), many)
		}
	}
}

// appendMany records events at the same time, whose ids end in 000 and so on.
func appendMany(t *testing.T, l *Ledger, prefix string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { appendEvents(t, l, fmt.Sprintf("%s%03d", prefix, i)) })
	}
	wg.Wait()
}

package reconcile

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// claimsCounted is a desk that counts how often it is asked what is due.
type claimsCounted struct {
	*desk
	claims atomic.Int64
}

func (c *claimsCounted) ClaimQueries(ctx context.Context, q ledger.QueryClaim) ([]ledger.Charge, error) {
	c.claims.Add(1)
	return c.desk.ClaimQueries(ctx, q)
}

// What is due is looked for once in a second, and what fails is said.
func TestFollowRules(t *testing.T) {
	for _, fails := range []bool{false, true} {
		s := newSitting(t)
		counted := &claimsCounted{desk: s.desk}
		s.Due.ledger = func(context.Context) (ledger.Ledger, error) { return counted, nil }
		if fails {
			s.desk.fails["ClaimQueries"] = errBroken
		}
		said := func() int {
			return s.lines.FilterMessage("cannot look up charges whose webhook is late, trying again").Len()
		}
		began := time.Now()
		stop := relaytest.Run(t, func(ctx context.Context) { s.Due.follow(ctx, ledger.QueryFirst) })
		relaytest.WaitFor(t, "it looks", func() bool { return counted.claims.Load() > 0 && (!fails || said() > 0) })
		time.Sleep(20 * time.Millisecond) // in which one that does not wait would look again and again
		stop()
		if n, most := counted.claims.Load(), 1+int64(time.Since(began)/queryPoll); n > most || (said() > 0) != fails {
			t.Errorf("fails %t: it has looked %d times, and said so %d times", fails, n, said())
		}
	}
}

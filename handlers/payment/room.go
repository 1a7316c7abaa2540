package payment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// ordersOfPayer is how many orders' worth of attempts one payer may have open.
const ordersOfPayer = 2

// room makes sure that one more attempt may be open: each is looked up at Ping++ until it lapses, and takes money if somebody pays it. Old
// ones are reversed first. It returns the order's attempts as they stand then.
func (a *attempt) room(ctx context.Context, l ledger.Ledger, held *ledger.Reserved, attempts []ledger.Charge) ([]ledger.Charge, error) {
	limit, now := a.pay.Budgets.Limits.Attempts, a.pay.Now()
	ofOrder := slices.DeleteFunc(slices.Clone(attempts), func(c ledger.Charge) bool {
		return c.State != ledger.Open || c.Paid || c.Reversed || !now.Before(c.Lapses())
	})
	undone, err := a.undo(ctx, l, ofOrder, limit)
	if err != nil {
		return nil, err
	}
	ofPayer, err := l.Payable(ctx, a.pay.Scope, a.id.Owner(), now)
	if err != nil {
		return nil, err
	}
	more, err := a.undo(ctx, l, ofPayer, limit*ordersOfPayer)
	if err != nil || undone+more == 0 {
		return attempts, err
	}
	return a.earlier(ctx, l, held)
}

// undo reverses what a later attempt has replaced, the oldest first, until fewer than limit may still be paid, and says how many it settled.
// The order's own last attempt is replaced by the one that is to be made.
func (a *attempt) undo(ctx context.Context, l ledger.Ledger, open []ledger.Charge, limit int) (undone int, err error) {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	soonest := time.Duration(math.MaxInt64)
	for i := range open {
		if len(open)-undone < limit {
			return undone, nil
		}
		c := &open[i]
		wait := a.openFor(c)
		if wait <= 0 {
			sure, err := a.pay.Reconciler.Reversals.Undo(ctx, l, c)
			if sure && err == nil {
				undone++
				continue
			}
			a.log.Warn("an old attempt could not be reversed", zap.String("charge", c.ID), zap.Error(err))
		}
		soonest = min(soonest, wait)
	}
	if len(open)-undone < limit {
		return undone, nil
	}
	return undone, problem.Retry("attempts_exceeded", max(soonest, time.Second), fmt.Errorf("%d charges may still be paid, of %d", len(open)-undone, limit))
}

// openFor is how long a charge stays open for certain: until its channel reverses it, or it lapses where that cannot be or must not.
func (a *attempt) openFor(c *ledger.Charge) time.Duration {
	now := a.pay.Now()
	lapses := c.Lapses().Sub(now)
	if !pingpp.Reversible(c.Channel) || !c.Superseded && c.OrderNo != a.req.OrderNo {
		return lapses
	}
	return min(lapses, c.Created.Add(pingpp.ReverseAfter(c.Channel)).Sub(now))
}

package payment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
)

// findTime is how long a request looks at Ping++ for what became of earlier ones.
const findTime = 3 * time.Second

// settleTime is how long a charge that takes the money at once may be under way: to Ping++, or until the payer has typed a password.
const settleTime = time.Minute

// find looks at Ping++ for the charges of earlier attempts that got no answer, and returns the attempts as they stand then. Where
// Ping++ cannot say in time, a new attempt is made all the same: nobody can pay an unknown one. The reconciler goes on looking.
// Only one that takes the money at once needs nobody to pay it, and there is none beside it until it surely does not exist.
func (a *attempt) find(ctx context.Context, l ledger.Ledger, held *ledger.Reserved) ([]ledger.Charge, error) {
	var unknown []ledger.Charge
	for _, c := range held.Attempts {
		if sought(&c) {
			unknown = append(unknown, c)
		}
	}
	within, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	found, missed := a.pay.Reconciler.Attempts.Find(within, l, unknown)
	if missed != nil {
		a.log.Warn("what became of an earlier attempt is not known, and Ping++ cannot say now; it is looked for again later",
			zap.Int("attempts", len(unknown)-found), zap.Error(missed))
	}
	attempts := held.Attempts
	if found > 0 {
		var err error
		if attempts, err = a.earlier(ctx, l, held); err != nil {
			return nil, err
		}
	}
	for i := range attempts {
		if c := &attempts[i]; sought(c) && channel.Of(c.Channel).AtOnce && (missed != nil || a.settling(c) > 0) {
			return nil, a.mayTake(c)
		}
	}
	return attempts, nil
}

// sought reports whether an attempt is unknown and still looked for.
func sought(c *ledger.Charge) bool {
	return c.State == ledger.Unknown && c.ID == "" && !c.Superseded && !c.NextQuery.IsZero()
}

// settle makes sure that no earlier charge which takes the money at once still may: it is reversed, where it is neither paid nor lapsed. It returns
// the attempts as they stand then. While one of them may yet take the money there is no other: it would take it again.
func (a *attempt) settle(ctx context.Context, l ledger.Ledger, held *ledger.Reserved, attempts []ledger.Charge) ([]ledger.Charge, error) {
	asked := false
	for i := range attempts {
		c := &attempts[i]
		if !channel.Of(c.Channel).AtOnce || c.State != ledger.Open || c.Paid || c.Reversed || c.NextQuery.IsZero() && !a.pay.Now().Before(c.Lapses()) {
			continue
		}
		asked = true
		within, cancel := context.WithTimeout(ctx, findTime)
		sure, err := a.pay.Reconciler.Reversals.Undo(within, l, c)
		cancel()
		if err != nil {
			a.log.Warn("whether an earlier charge takes the money is not certain, and Ping++ cannot say now", zap.String("charge", c.ID), zap.Error(err))
		}
		if err == nil && (sure || !pingpp.Reversible(c.Channel) && a.settling(c) <= 0) {
			continue
		}
		return nil, problem.Retry("charge_in_progress", max(a.left(c), time.Second), fmt.Errorf("attempt %s may still take the money by itself", c.Number))
	}
	if !asked {
		return attempts, nil
	}
	return a.earlier(ctx, l, held)
}

// left is how much longer a charge that takes the money at once is to be left alone: until its channel reverses it or, where it cannot, until
// it has surely come to nothing.
func (a *attempt) left(c *ledger.Charge) time.Duration {
	if !pingpp.Reversible(c.Channel) {
		return a.settling(c)
	}
	return c.Created.Add(pingpp.ReverseAfter(c.Channel)).Sub(a.pay.Now())
}

// earlier returns the order's attempts before this one, as they stand now.
func (a *attempt) earlier(ctx context.Context, l ledger.Ledger, held *ledger.Reserved) ([]ledger.Charge, error) {
	attempts, err := l.Attempts(ctx, a.pay.Scope, a.req.OrderNo)
	return slices.DeleteFunc(attempts, func(c ledger.Charge) bool { return c.Number == held.Number }), err
}

// settling is how much longer an attempt may be under way.
func (a *attempt) settling(c *ledger.Charge) time.Duration {
	return c.Created.Add(settleTime).Sub(a.pay.Now())
}

func (a *attempt) mayTake(c *ledger.Charge) *problem.Problem {
	return problem.Retry("charge_in_progress", max(a.settling(c), time.Second), fmt.Errorf("attempt %s may still take the money by itself", c.Number))
}

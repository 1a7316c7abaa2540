package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/reconcile"
)

// errNumberUsed is part of every refusal after which another order number may do.
var errNumberUsed = errors.New("the order number was used before, outside of this ledger")

// earlierCharge is Ping++'s answer with a charge that was made before, by whoever used the number then.
type earlierCharge struct {
	id   string
	paid bool
}

func (e *earlierCharge) Error() string {
	return "Ping++ answered with the charge " + e.id + ", which was made before, for somebody or something else, or is paid"
}

// earlierCharge says what is wrong with what Ping++ has made. A number that it has seen a short while ago it answers with the charge of that time, and
// compares neither metadata nor openid: that charge may be another system's, or another payer's.
func (a *attempt) earlierCharge(made *pingpp.Charge, p *pingpp.ChargeParams) error {
	if answers(made, p) && (!made.Paid || a.channel.AtOnce) {
		return nil
	}
	return &earlierCharge{made.ID, made.Paid}
}

// refused records what became of an attempt that brought no charge, and returns the problem.
func (a *attempt) refused(ctx context.Context, l ledger.Ledger, number string, q *quote, err error) error {
	s := a.pay
	p, as := createProblem(err)
	if errors.Is(p, errNumberUsed) {
		if p = a.unlessPaid(ctx, l, number, p, err); problem.CodeOf(p) == "provider_unavailable" {
			as = ledger.Unsent // the next request takes the same number, which leads here again
		}
	}
	rerr := l.Release(ctx, ledger.Release{Scope: s.Scope, Number: number, As: as, Quote: lastQuote(q, nil, s.Now())})
	if rerr != nil {
		a.log.Warn("the refused attempt could not be recorded", zap.Error(rerr))
		return p
	}
	if as == ledger.Taken && a.whose(ctx, l, number) == reconcile.HolderOther {
		p.Cause = fmt.Errorf("%w: another order has been paid by it: %w", errNumberUsed, err)
		p = a.unlessPaid(ctx, l, number, p, err)
	}
	return p
}

// unlessPaid returns the problem of a number that was used outside of this ledger, after which the next one is tried: unless the order has been paid by a
// charge of ours that the ledger, as a backup, does not have, or nobody can say that now.
func (a *attempt) unlessPaid(ctx context.Context, l ledger.Ledger, number string, used *problem.Problem, err error) *problem.Problem {
	within, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	switch paid, unsure := a.pay.Reconciler.Attempts.FindPayment(within, l, a.req.OrderNo); {
	case paid:
		if unsure != nil {
			a.log.Warn("the order was paid outside of this ledger, and that could not be recorded now", zap.Error(unsure))
		}
		return problem.New("order_already_paid", err)
	case unsure != nil && !errors.Is(unsure, reconcile.ErrNewestOnly):
		return problem.Retry("provider_unavailable", 2*time.Second, fmt.Errorf("whether the order was paid outside of this ledger could not be found out: %w; asked because %w", unsure, err))
	default:
		a.log.Warn("an order number was used before, outside of this ledger; the next one is tried", zap.String("number", number), zap.Error(err), zap.NamedError("looked", unsure))
	}
	return used
}

// whose looks at Ping++ for the charge that has paid a number, and records its payment if it is the order's. What cannot be found out now is looked
// for later; until then nobody is charged for the order.
func (a *attempt) whose(ctx context.Context, l ledger.Ledger, number string) reconcile.Holder {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	attempts, err := l.Attempts(ctx, a.pay.Scope, a.req.OrderNo)
	for i := range attempts {
		if c := &attempts[i]; err == nil && c.Number == number && c.State == ledger.Taken {
			var holder reconcile.Holder
			if holder, err = a.pay.Reconciler.Attempts.FindPaid(ctx, l, c); holder != reconcile.HolderUnknown {
				return holder
			}
		}
	}
	a.log.Warn("the channel says that the order is paid, and by what is not known now; it is looked for again later",
		zap.String("number", number), zap.Error(err))
	return reconcile.HolderUnknown
}

// createProblem gives Ping++'s refusal its code, and says what became of the attempt: only what surely reached no channel frees
// the number, and what may exist at Ping++ is kept as unknown. Nobody holds an unknown attempt's credential, so nobody can pay it; for
// those that take the money without one, see find.
func createProblem(err error) (*problem.Problem, ledger.AttemptState) {
	if earlier, ok := errors.AsType[*earlierCharge](err); ok {
		if earlier.paid {
			return problem.New("order_already_paid", err), ledger.Taken
		}
		return problem.New("charge_rejected", fmt.Errorf("%w: %w", errNumberUsed, err)), ledger.Refused
	}
	perr, ok := errors.AsType[*pingpp.Error](err)
	if !ok {
		return problem.OfPingpp(err), ledger.Unknown
	}
	if perr.NumberUsed() {
		err = fmt.Errorf("%w: %w", errNumberUsed, err)
	}
	p := problem.OfPingpp(err)
	switch {
	case perr.OrderPaid():
		return p, ledger.Taken
	case perr.Kind == pingpp.Channel, perr.NumberUsed():
		return p, ledger.Refused
	case perr.Unknown():
		return p, ledger.Unknown
	}
	return p, ledger.Unsent
}

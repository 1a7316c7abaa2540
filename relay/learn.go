package relay

import (
	"context"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// learn records what Ping++ says of a charge that is paid: its payment, and then what went back since, so that the backend hears of both in that
// order. ours is the charge as the ledger has it; nil when it has not. returned says that it was reversed on purpose.
func (r *Reconciler) learn(ctx context.Context, l ledger.Ledger, ours *ledger.Charge, found *pingpp.Charge, returned bool) error {
	a := Arrival{Event: paidEvent(found, r.cfg.Now()), Charge: ours, Source: ledger.Query, Returned: returned}
	back := arriving(ctx).amount(found.ID)
	if ours != nil {
		a.OrderNo, a.Host = ours.OrderNo, ours.Host
		back += ours.AmountRefunded
	}
	did, err := r.cfg.Intake.Accept(ctx, a)
	if err != nil {
		return err
	}
	if found.Reversed && did != ledger.Recorded && ours != nil && (returned || !ours.Reversed) { // the payment was known; the reversal, or why, was not
		if err := l.Queried(ctx, ledger.Queried{Scope: r.cfg.Scope, ChargeID: ours.ID, Reversed: true, At: r.cfg.Now()}); err != nil {
			return err
		}
	}
	if found.AmountRefunded > back {
		if err := r.LearnRefunds(ctx, l, found.ID, a.OrderNo); err != nil { // the payment is recorded all the same
			r.cfg.Logger.Warn("the refunds of a payment that was found could not be looked up; the comparison of its day does that", zap.String("order_no", a.OrderNo),
				zap.String("charge", found.ID), zap.Error(err))
		}
	}
	return nil
}

// arrival is a refund whose event is being recorded, and waits for its payment to be looked up. It is not learned on the way: it would take the
// place of its event, which Ping++ has signed.
type arrival struct{ *pingpp.Refund }

type arrivalKey struct{}

func withArriving(ctx context.Context, re *pingpp.Refund) context.Context {
	return context.WithValue(ctx, arrivalKey{}, arrival{re})
}

func arriving(ctx context.Context) arrival {
	a, _ := ctx.Value(arrivalKey{}).(arrival)
	return a
}

func (a arrival) is(re *pingpp.Refund) bool { return a.Refund != nil && a.ID == re.ID }

// amount is what of the charge's refunds the arriving one explains, in fen.
func (a arrival) amount(chargeID string) int64 {
	if a.Refund == nil || a.ChargeID != chargeID || !a.Succeed {
		return 0
	}
	return a.Amount
}

package intake

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// searchTime is what going through the refunds of a charge may take.
const searchTime = 30 * time.Second

// Learner records what Ping++ answers about money, as the events that it would have sent.
type Learner struct {
	Scope  ledger.Scope
	Pingpp *pingpp.Client
	Intake *Intake
	Now    func() time.Time
	Logger *zap.Logger
}

// Paid is a charge of which Ping++ says that it is paid.
type Paid struct {
	Found    *pingpp.Charge
	Ours     *ledger.Charge // as the ledger has it; nil when it has not
	Returned bool           // it was reversed on purpose
	Arriving *pingpp.Refund // a refund of it whose event is being recorded now, and is not learned besides; usually nil
}

// Payment records the payment of a charge, and then what went back since, so that the backend hears of both in that order.
func (r *Learner) Payment(ctx context.Context, l ledger.Ledger, p Paid) error {
	ours, found := p.Ours, p.Found
	a := Arrival{Event: paidEvent(found, r.Now()), Charge: ours, Source: ledger.Query, Returned: p.Returned}
	back := p.arriving()
	if ours != nil {
		a.OrderNo, a.Host = ours.OrderNo, ours.Host
		back += ours.AmountRefunded
	}
	did, err := r.Intake.Accept(ctx, a)
	if err != nil {
		return err
	}
	if found.Reversed && did != ledger.Recorded && ours != nil && (p.Returned || !ours.Reversed) { // the payment was known; the reversal, or why, was not
		if err := l.Queried(ctx, ledger.Queried{Scope: r.Scope, ChargeID: ours.ID, Reversed: true, At: r.Now()}); err != nil {
			return err
		}
	}
	if found.AmountRefunded > back {
		if err := r.refunds(ctx, l, found.ID, a.OrderNo, p.Arriving); err != nil { // the payment is recorded all the same
			r.Logger.Warn("the refunds of a payment that was found could not be looked up; the comparison of its day does that", zap.String("order_no", a.OrderNo),
				zap.String("charge", found.ID), zap.Error(err))
		}
	}
	return nil
}

// arriving is what of the charge's refunds the arriving one explains, in fen.
func (p *Paid) arriving() int64 {
	if p.Arriving == nil || p.Arriving.ChargeID != p.Found.ID || !p.Arriving.Succeed {
		return 0
	}
	return p.Arriving.Amount
}

// Refunds records the refunds of a charge that have succeeded at Ping++ and whose events did not come: what was refunded in the dashboard
// while webhooks went missing.
func (r *Learner) Refunds(ctx context.Context, l ledger.Ledger, chargeID, orderNo string) error {
	return r.refunds(ctx, l, chargeID, orderNo, nil)
}

func (r *Learner) refunds(ctx context.Context, l ledger.Ledger, chargeID, orderNo string, arriving *pingpp.Refund) error {
	of := &ledger.Refund{ChargeID: chargeID, OrderNo: orderNo}
	within, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	var failed error
	_, err := SearchRefunds(within, r.Pingpp, of, func(found *pingpp.Refund) bool {
		if found.Succeed && (arriving == nil || arriving.ID != found.ID) {
			failed = r.Refund(ctx, l, of, found)
		}
		return failed != nil
	})
	return errors.Join(failed, err)
}

// Refund records a refund's outcome. Of one that has failed Ping++ sends no event.
func (r *Learner) Refund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, found *pingpp.Refund) error {
	return r.outcome(ctx, l, re, refundEvent(found, r.live(), r.Now()))
}

// Refused records that a refund will not be made, and why.
func (r *Learner) Refused(ctx context.Context, l ledger.Ledger, re *ledger.Refund, code, message string) error {
	return r.outcome(ctx, l, re, refusedEvent(re, code, message, r.live(), r.Now()))
}

func (r *Learner) live() bool { return r.Scope.Mode == ledger.Live }

// outcome records a refund's outcome as an event: its record ends with it in the same write.
func (r *Learner) outcome(ctx context.Context, l ledger.Ledger, re *ledger.Refund, e *pingpp.Event) error {
	charge, err := l.Charge(ctx, r.Scope, re.ChargeID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	a := Arrival{Event: e, Charge: charge, OrderNo: re.OrderNo, Source: ledger.Query}
	if charge != nil {
		a.Host = charge.Host
	}
	_, err = r.Intake.Accept(ctx, a)
	return err
}

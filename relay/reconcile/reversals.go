package reconcile

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
)

const (
	reverseAgain   = time.Minute      // after a reversal that failed for a reason which may pass
	reverseRefused = 10 * time.Minute // after one that the channel refused
)

// Reversals take charges of ours out of their payers' hands.
type Reversals struct {
	scope   ledger.Scope
	pingpp  *pingpp.Client
	learner *intake.Learner
	payers  *rate.Limiter // how often Ping++ may be asked while somebody waits to pay
	now     func() time.Time
	rand    func() float64
	logger  *zap.Logger
}

// unripe is how much longer a charge has to be left alone before it can be reversed.
func unripe(c *ledger.Charge, now time.Time) time.Duration {
	return c.Created.Add(pingpp.ReverseAfter(c.Channel)).Sub(now)
}

// lapsed says that nobody can pay a charge any more.
func lapsed(c *ledger.Charge, now time.Time) bool { return !now.Before(c.Lapses()) }

// may says whether a superseded attempt can be taken out of the user's hands now. Where its channel cannot do that it is watched.
func (r *Reversals) may(c *ledger.Charge) bool {
	return c.Superseded && pingpp.Reversible(c.Channel) && unripe(c, r.now()) <= 0 && !lapsed(c, r.now())
}

// reverse reverses an unpaid charge, and returns it as it stands then. Where that fails it may have been reversed, or paid, all the same, so that
// it is read again; refusal says why it failed.
func (r *Reversals) reverse(ctx context.Context, c *ledger.Charge) (found *pingpp.Charge, refusal, err error) {
	found, refusal = r.pingpp.ReverseCharge(ctx, c.ID)
	if refusal == nil {
		r.logger.Info("charge reversed", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID), zap.String("channel", c.Channel), zap.Int64("amount", c.Amount), zap.Bool("superseded", c.Superseded), zap.Bool("paid", found.Paid))
		return found, nil, nil
	}
	r.logger.Info("a charge could not be reversed", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID), zap.Error(refusal))
	found, err = r.pingpp.GetCharge(ctx, c.ID)
	return found, refusal, err
}

// again says when to try again to reverse a superseded attempt: soon, unless Ping++ will never do it.
func (r *Reversals) again(c *ledger.Charge, next time.Time, refusal error) time.Time {
	if refusal == nil || !c.Superseded || !pingpp.Reversible(c.Channel) || lapsed(c, r.now()) {
		return next
	}
	wait := reverseAgain
	if perr, ok := errors.AsType[*pingpp.Error](refusal); ok {
		switch perr.Kind {
		case pingpp.InvalidRequest, pingpp.NotFound:
			return next
		case pingpp.Channel:
			wait = min(asking.Gap(r.now().Sub(c.Created), r.rand()), reverseRefused)
		}
	}
	if soon := r.now().Add(time.Duration(float64(wait) * (0.9 + 0.2*r.rand()))); next.IsZero() || soon.Before(next) {
		return soon
	}
	return next
}

// Undo makes sure that a charge of ours which takes the money by itself will not do so any more: it is reversed, unless it is paid, or has lapsed and cannot be.
// Its record says what became of it. With sure false it may still take the money: the channel wants it left alone a while, or cannot
// reverse; or an error says that Ping++ does not tell.
func (r *Reversals) Undo(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (sure bool, err error) {
	if err := asking.Soon(ctx, r.payers); err != nil {
		return false, err
	}
	found, err := r.pingpp.GetCharge(ctx, c.ID)
	if err != nil {
		return false, err
	}
	ctx = context.WithoutCancel(ctx) // what has begun is brought to its end, and recorded; the client's own timeout bounds it
	if !found.Paid && !found.Reversed {
		over := lapsed(c, r.now())
		if !pingpp.Reversible(c.Channel) || unripe(c, r.now()) > 0 {
			return over, nil
		}
		// One that has lapsed by our clock may not have by the channel's: only if it cannot be reversed any more is that believed.
		var refusal error
		if found, refusal, err = r.reverse(ctx, c); err == nil && over && !found.Paid && !found.Reversed {
			return true, nil
		}
		if err != nil || !found.Paid && !found.Reversed {
			return false, errors.Join(refusal, err)
		}
	}
	return true, r.recordEnd(ctx, l, c, found, found.Reversed)
}

// recordEnd records that a charge is paid or reversed; made says that it was reversed on purpose, so that it is known where the money of a
// payment is.
func (r *Reversals) recordEnd(ctx context.Context, l ledger.Ledger, c *ledger.Charge, found *pingpp.Charge, made bool) error {
	if found.Paid {
		return r.learner.Payment(ctx, l, intake.Paid{Found: found, Ours: c, Returned: made})
	}
	return l.Queried(ctx, ledger.Queried{Scope: r.scope, ChargeID: c.ID, Reversed: true, At: r.now()})
}

// Record records a reversal that was made for somebody, of a charge that is paid or not. [ledger.ErrNotFound] when it is not ours.
func (r *Reversals) Record(ctx context.Context, l ledger.Ledger, found *pingpp.Charge) error {
	c, err := l.Charge(ctx, r.scope, found.ID)
	if err != nil {
		return err
	}
	return r.recordEnd(ctx, l, c, found, true)
}

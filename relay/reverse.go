package relay

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// ReverseAfter is how old a charge has to be before it is reversed, where its channel wants it left alone for a while.
const ReverseAfter = pingpp.ReverseWait

const (
	reverseAgain   = time.Minute      // after a reversal that failed for a reason which may pass
	reverseRefused = 10 * time.Minute // after one that the channel refused
)

// unripe is how much longer a charge has to be left alone before it can be reversed.
func (r *Reconciler) unripe(c *ledger.Charge) time.Duration {
	return c.Created.Add(pingpp.ReverseAfter(c.Channel)).Sub(r.cfg.Now())
}

// lapsed says that nobody can pay a charge any more.
func (r *Reconciler) lapsed(c *ledger.Charge) bool {
	return !r.cfg.Now().Before(c.Lapses())
}

// mayReverse says whether a superseded attempt can be taken out of the user's hands now. Where its channel cannot do that it is watched.
func (r *Reconciler) mayReverse(c *ledger.Charge) bool {
	return c.Superseded && pingpp.Reversible(c.Channel) && r.unripe(c) <= 0 && !r.lapsed(c)
}

// postpone puts off the look-up of a superseded attempt that cannot be reversed yet, and says whether it did: until then there is no need to ask.
func (r *Reconciler) postpone(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (bool, error) {
	wait := r.unripe(c)
	if !c.Superseded || !pingpp.Reversible(c.Channel) || wait <= 0 {
		return false, nil
	}
	return true, l.Queried(ctx, ledger.Queried{Scope: r.cfg.Scope, ChargeID: c.ID, Next: r.cfg.Now().Add(wait), Superseded: true})
}

// reverse reverses an unpaid charge, and returns it as it stands then. Where that fails it may have been reversed, or paid, all the same, so that
// it is read again; refusal says why it failed.
func (r *Reconciler) reverse(ctx context.Context, c *ledger.Charge) (found *pingpp.Charge, refusal, err error) {
	found, refusal = r.cfg.Pingpp.ReverseCharge(ctx, c.ID)
	if refusal == nil {
		r.cfg.Logger.Info("charge reversed", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID), zap.Bool("superseded", c.Superseded), zap.Bool("paid", found.Paid))
		return found, nil, nil
	}
	r.cfg.Logger.Info("a charge could not be reversed", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID), zap.Error(refusal))
	found, err = r.cfg.Pingpp.GetCharge(ctx, c.ID)
	return found, refusal, err
}

// nextReversal says when to try again to reverse a superseded attempt: soon, unless Ping++ will never do it.
func (r *Reconciler) nextReversal(c *ledger.Charge, next time.Time, refusal error) time.Time {
	if refusal == nil || !c.Superseded || !pingpp.Reversible(c.Channel) || r.lapsed(c) {
		return next
	}
	wait := reverseAgain
	if perr, ok := errors.AsType[*pingpp.Error](refusal); ok {
		switch perr.Kind {
		case pingpp.InvalidRequest, pingpp.NotFound:
			return next
		case pingpp.Channel:
			wait = min(r.gap(r.cfg.Now().Sub(c.Created)), reverseRefused)
		}
	}
	if soon := r.cfg.Now().Add(time.Duration(float64(wait) * (0.9 + 0.2*r.cfg.Rand()))); next.IsZero() || soon.Before(next) {
		return soon
	}
	return next
}

// Undo makes sure that a charge of ours which takes the money by itself will not do so any more: it is reversed, unless it is paid, or has lapsed and cannot be.
// Its record says what became of it. With sure false it may still take the money: the channel wants it left alone a while, or cannot
// reverse; or an error says that Ping++ does not tell.
func (r *Reconciler) Undo(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (sure bool, err error) {
	if err := soon(ctx, r.cfg.Questions.payers); err != nil {
		return false, err
	}
	found, err := r.cfg.Pingpp.GetCharge(ctx, c.ID)
	if err != nil {
		return false, err
	}
	ctx = context.WithoutCancel(ctx) // what has begun is brought to its end, and recorded; the client's own timeout bounds it
	if !found.Paid && !found.Reversed {
		lapsed := r.lapsed(c)
		if !pingpp.Reversible(c.Channel) || r.unripe(c) > 0 {
			return lapsed, nil
		}
		// One that has lapsed by our clock may not have by the channel's: only if it cannot be reversed any more is that believed.
		var refusal error
		if found, refusal, err = r.reverse(ctx, c); err == nil && lapsed && !found.Paid && !found.Reversed {
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
func (r *Reconciler) recordEnd(ctx context.Context, l ledger.Ledger, c *ledger.Charge, found *pingpp.Charge, made bool) error {
	if found.Paid {
		return r.learn(ctx, l, c, found, made)
	}
	return l.Queried(ctx, ledger.Queried{Scope: r.cfg.Scope, ChargeID: c.ID, Reversed: true, At: r.cfg.Now()})
}

// RecordReversal records a reversal that was made for somebody, of a charge that is paid or not. [ledger.ErrNotFound] when it is not ours.
func (r *Reconciler) RecordReversal(ctx context.Context, l ledger.Ledger, found *pingpp.Charge) error {
	c, err := l.Charge(ctx, r.cfg.Scope, found.ID)
	if err != nil {
		return err
	}
	return r.recordEnd(ctx, l, c, found, true)
}

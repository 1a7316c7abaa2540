package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
)

// askEvery is the time between two look-ups of one charge that somebody waits for.
const askEvery = 5 * time.Second

// Charges finds payments whose webhook does not come, by asking Ping++ about one charge.
type Charges struct {
	scope     ledger.Scope
	ledger    func(context.Context) (ledger.Ledger, error)
	pingpp    *pingpp.Client
	learner   *intake.Learner
	reversals *Reversals
	questions *asking.Questions
	schedule  schedule
	observe   func(result string)
	now       func() time.Time
	logger    *zap.Logger

	flight singleflight.Group // one look-up of a charge at a time
	leases sync.Map           // by charge: that of whoever waits for such a look-up and has claimed it

	mu    sync.Mutex
	asked map[string]time.Time // when somebody's question about a charge was last passed on
}

// Ask looks one of our charges up now, because somebody waits for it, until ctx ends; the look-up then goes on. Questions about a
// charge are passed on every five seconds at most; in between, and when payers ask more than Ping++ may be asked until ctx ends,
// nothing happens.
func (r *Charges) Ask(ctx context.Context, chargeID string) error {
	if !r.mayAsk(chargeID) {
		return nil
	}
	if r.questions.Payers.Wait(ctx) != nil {
		r.notAsked(chargeID)
		return nil
	}
	l, err := r.ledger(ctx)
	if err != nil {
		return err
	}
	c, err := l.Charge(ctx, r.scope, chargeID)
	if err != nil || c.Paid || c.Reversed {
		return err
	}
	return r.lookUp(ctx, l, c)
}

// Recover looks a charge up, whether we know it or not, and accepts its payment if it is paid, and what went back since: a refund has come, and
// the backend should hear of the payment first. That refund is arriving, if it is known; see [intake.Intake.Ask].
func (r *Charges) Recover(ctx context.Context, chargeID string, arriving *pingpp.Refund) error {
	if err := asking.Soon(ctx, r.questions.Refunds); err != nil {
		return err
	}
	l, err := r.ledger(ctx)
	if err != nil {
		return err
	}
	ours, err := l.Charge(ctx, r.scope, chargeID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	found, err := r.pingpp.GetCharge(ctx, chargeID)
	if err != nil {
		return err
	}
	if !found.Paid {
		return nil
	}
	return r.learner.Payment(ctx, l, intake.Paid{Found: found, Ours: ours, Arriving: arriving})
}

func (r *Charges) mayAsk(chargeID string) bool {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.asked[chargeID]) < askEvery {
		return false
	}
	if len(r.asked) > 10_000 {
		for id, at := range r.asked {
			if now.Sub(at) >= askEvery {
				delete(r.asked, id)
			}
		}
	}
	r.asked[chargeID] = now
	return true
}

// notAsked lets the next question about a charge pass: this one did not.
func (r *Charges) notAsked(chargeID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.asked, chargeID)
}

// lookUp asks Ping++ about a charge and records what it says.
func (r *Charges) lookUp(ctx context.Context, l ledger.Ledger, c *ledger.Charge) error {
	if !c.Lease.IsZero() {
		r.leases.Store(c.ID, c.Lease)
		defer r.leases.Delete(c.ID)
	}
	answered := r.flight.DoChan(c.ID, func() (any, error) {
		result, err := r.lookUpOnce(context.WithoutCancel(ctx), l, c) // the client's timeout bounds it
		r.observe(result)
		return nil, err
	})
	select {
	case a := <-answered:
		return a.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Charges) lookUpOnce(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (result string, err error) {
	found, err := r.pingpp.GetCharge(ctx, c.ID)
	tried := err == nil && !found.Paid && !found.Reversed && r.reversals.may(c)
	refusal := err
	if tried {
		found, refusal, err = r.reversals.reverse(ctx, c)
	}
	if err != nil {
		return "error", errors.Join(err, l.Queried(ctx, ledger.Queried{
			Scope: r.scope, ChargeID: c.ID, Next: r.reversals.again(c, r.schedule.afterError(c), refusal), Superseded: c.Superseded, Lease: r.leaseOf(c),
		}))
	}
	return r.conclude(ctx, l, c, found, refusal, tried && found.Reversed)
}

// leaseOf is the lease that a look-up of a charge ends. One that somebody wants to know of may be under way already when it is claimed.
func (r *Charges) leaseOf(c *ledger.Charge) time.Time {
	if lease, ok := r.leases.Load(c.ID); ok {
		return lease.(time.Time)
	}
	return c.Lease
}

// conclude records what Ping++ says about a charge, and when to ask for it again. refusal says why a reversal failed, made that one did not.
func (r *Charges) conclude(ctx context.Context, l ledger.Ledger, c *ledger.Charge, found *pingpp.Charge, refusal error, made bool) (result string, err error) {
	done := ledger.Queried{Scope: r.scope, ChargeID: c.ID, Next: r.reversals.again(c, r.schedule.next(c), refusal), Superseded: c.Superseded, Lease: r.leaseOf(c)}
	switch {
	case found.Paid:
		if err := r.reversals.recordEnd(ctx, l, c, found, made); err != nil {
			done.Next = r.schedule.afterError(c)
			return "error", errors.Join(err, l.Queried(ctx, done))
		}
		r.logger.Info("payment found by query", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID), zap.String("channel", c.Channel),
			zap.Int64("amount", found.Amount), zap.String("openid", redact.ShortID(c.Payer)))
		return "paid", nil // recording the payment ended the look-ups
	case found.Reversed:
		return "reversed", r.reversals.recordEnd(ctx, l, c, found, made)
	}
	return "unpaid", l.Queried(ctx, done)
}

package refunds

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
)

const (
	duePoll  = time.Second // how often the ledger is asked for refunds that are due
	dueBatch = 8           // refunds at a time
)

// Due looks up the refunds that are pending, or whose outcome is not known.
type Due struct {
	Maker   *Maker
	Ledger  func(context.Context) (ledger.Ledger, error)
	Budget  *rate.Limiter       // how often Ping++ may be asked
	Owner   string              // names this process in leases
	Observe func(result string) // told of every look-up: refund_succeeded, refund_failed, refund_pending, error
}

// Run looks them up until ctx ends.
func (d *Due) Run(ctx context.Context) {
	poll := time.NewTicker(duePoll)
	defer poll.Stop()
	for round := 0; ctx.Err() == nil; round++ {
		looked, err := d.Round(ctx, d.Owner+" refunds "+strconv.Itoa(round))
		if err != nil && ctx.Err() == nil {
			d.Maker.Logger.Warn("cannot look up pending refunds, trying again", zap.Error(err))
		}
		if looked == dueBatch && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

// Round looks up the refunds that are due, at most dueBatch, and says how many there were. Each round has an owner of its own,
// so that a lease that ran out is not taken for one that holds.
func (d *Due) Round(ctx context.Context, owner string) (int, error) {
	l, err := d.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	now := d.Maker.Now()
	claimed, err := l.ClaimRefunds(ctx, ledger.QueryClaim{Scope: d.Maker.Scope, Owner: owner, Now: now, Until: now.Add(Lease), Limit: dueBatch})
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	for i := range claimed {
		all.Go(func() {
			if err := d.Budget.Wait(ctx); err != nil {
				return // the lease runs out, and somebody else asks
			}
			re := &claimed[i]
			lease := ledger.RefundLease{Scope: d.Maker.Scope, RefundNo: re.RefundNo, Owner: owner}
			if err := d.lookUp(context.WithoutCancel(ctx), l, re, lease); err != nil { // what has begun is brought to its end
				d.Maker.log(re, "a refund could not be looked up", err)
			}
		})
	}
	all.Wait()
	return len(claimed), nil
}

func (d *Due) lookUp(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease) error {
	if re.State == ledger.RefundAsked {
		return d.Maker.Make(ctx, l, re, lease, false)
	}
	found, err := d.get(ctx, re)
	if err == nil && (found.Status == "failed" || found.Succeed) {
		err = d.Maker.Learner.Refund(ctx, l, re, found)
		if err == nil {
			d.Observe("refund_" + map[bool]string{true: "succeeded", false: "failed"}[found.Succeed])
			return nil // recording the outcome ended the look-ups
		}
	}
	d.Observe(map[bool]string{true: "refund_pending", false: "error"}[err == nil])
	return errors.Join(err, l.RefundQueried(ctx, lease, d.Maker.next(re)))
}

// Ask looks a pending refund up now, because a person wants to know. One whose making is under way has its holder, and is left to it.
func (d *Due) Ask(ctx context.Context, l ledger.Ledger, re *ledger.Refund) error {
	if re.State != ledger.RefundPending {
		return nil
	}
	if err := d.Budget.Wait(ctx); err != nil {
		return fmt.Errorf("%w: %w", asking.ErrTooMuch, err)
	}
	found, err := d.get(ctx, re)
	if err != nil || found.Status != "failed" && !found.Succeed {
		return err
	}
	return d.Maker.Learner.Refund(context.WithoutCancel(ctx), l, re, found)
}

func (d *Due) get(ctx context.Context, re *ledger.Refund) (*pingpp.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	if re.Through != "" {
		return d.Maker.Pingpp.GetOrderRefund(ctx, re.Through, re.ID)
	}
	return d.Maker.Pingpp.GetRefund(ctx, re.ChargeID, re.ID)
}

// next says when to look a pending refund up again: at growing gaps, for two months.
func (r *Maker) next(re *ledger.Refund) time.Time {
	now := r.Now()
	age := now.Sub(re.Created)
	if age >= refundsUntil {
		return time.Time{}
	}
	return now.Add(asking.Gap(age, r.Rand()))
}

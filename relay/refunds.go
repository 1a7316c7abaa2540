package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// metaRefundNo is the metadata key under which our refunds carry the merchant's refund number: it is how one whose answer was
// lost is found again.
const metaRefundNo = "pay_refund_no"

// RefundLease is how long a refund is leased to whoever asks Ping++ for it: [ledger.RefundReservation.Until].
const RefundLease = time.Minute

const (
	refundCall    = RefundLease / 2  // what calls to Ping++ may take between two looks at the lease
	refundAfter   = 30 * time.Second // a pending refund is looked up first; as a rule its webhook is faster
	refundLost    = 10 * time.Second // until a refund whose answer was lost is looked for
	refundQuiet   = time.Minute      // how long one that was not found may still be on its way: it is not asked for again before
	refundGiveUp  = 24 * time.Hour   // one that is not at Ping++ after so long will not be made
	refundAsks    = 2                // how often Ping++ is asked for one, as long as it may have heard of it each time
	refundsUntil  = 60 * 24 * time.Hour
	refundPages   = 10 // of 100; WeChat has at most 50 refunds of a charge
	orderPages    = 20 // of 100, when the Ping++ order of a charge is looked for
	refundPerPage = 100
)

// ErrOrderUnknown says that a charge belongs to a Ping++ order that could not be found.
var ErrOrderUnknown = errors.New("relay: the charge belongs to a Ping++ order that could not be found")

// MakeRefund carries out a refund that the lease's owner has reserved. One that is not fresh may exist at Ping++: it is looked for
// there first, and asked for again only when nothing there can be it, long enough has passed for it to have arrived, and that was not done
// before. Otherwise a person has to look, while we go on looking too.
//
// Without an error the ledger knows more than before: the refund is pending, or has failed, or its outcome is not known yet, and the
// reconciler goes on with it. An [*pingpp.Error] or ErrOrderUnknown says that nothing came of it and that a fresh refund's record is gone; any other error that the ledger
// could not be written, and the reconciler goes on with what it has.
func (r *Reconciler) MakeRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, fresh bool) error {
	if !fresh {
		if settled, err := r.settleUnknown(ctx, l, re, lease); settled || err != nil {
			return err
		}
		now := r.cfg.Now()
		switch {
		case now.Sub(re.Asked) < refundQuiet:
			return r.pauseRefund(ctx, l, re, lease, re.Asked.Add(refundQuiet))
		case now.Sub(re.Created) >= refundGiveUp:
			return r.refuseRefund(ctx, l, re, "not_made", "Ping++ did not make this refund within a day.")
		case re.Asks >= refundAsks:
			return r.awaitPerson(ctx, l, re, lease, refundUnanswered)
		}
		re.Asks, re.Unclear = re.Asks+1, ""
	}
	made, err := r.askRefund(ctx, l, re, lease, fresh)
	if err == nil {
		return r.recordRefund(ctx, l, re, lease, made)
	}
	return r.notMade(ctx, l, re, lease, fresh, err)
}

// askRefund asks Ping++ for a refund, of the charge or through the order that it belongs to.
func (r *Reconciler) askRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, fresh bool) (*pingpp.Refund, error) {
	if now := r.cfg.Now(); !fresh || now.Sub(re.Asked) >= refundCall { // a process that stood still may have lost its lease
		if err := l.AskRefund(ctx, lease, ledger.RefundAsk{Through: re.Through, Asks: re.Asks, Now: now, Until: now.Add(RefundLease)}); err != nil {
			return nil, err
		}
	}
	made, err := r.sendRefund(ctx, re)
	if perr, ok := errors.AsType[*pingpp.Error](err); !ok || perr.Code != "charge_request_invalid" || re.Through != "" {
		return made, err
	}
	order, err := r.orderOf(ctx, l, re)
	if err != nil {
		return nil, notAskedError{err}
	}
	re.Through = order
	now := r.cfg.Now()
	if err := l.AskRefund(ctx, lease, ledger.RefundAsk{Through: order, Asks: re.Asks, Now: now, Until: now.Add(RefundLease)}); err != nil {
		return nil, err
	}
	return r.sendRefund(ctx, re)
}

func (r *Reconciler) sendRefund(ctx context.Context, re *ledger.Refund) (*pingpp.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	metadata := map[string]any{metaRefundNo: re.RefundNo}
	if re.Through == "" {
		return r.cfg.Pingpp.CreateRefund(ctx, re.ChargeID, &pingpp.RefundParams{
			Amount: re.Amount, Description: re.Description, Metadata: metadata, FundingSource: re.FundingSource,
		})
	}
	made, err := r.cfg.Pingpp.RefundOrder(ctx, re.Through, &pingpp.OrderRefundParams{
		ChargeID: re.ChargeID, ChargeAmount: re.Amount, Description: re.Description, Metadata: metadata, FundingSource: re.FundingSource,
	})
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// pauseRefund lets go of a refund whose outcome is not known, until it is looked up next.
func (r *Reconciler) pauseRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, next time.Time) error {
	err := l.ReleaseRefund(ctx, lease, ledger.RefundPause{Next: next, Asks: re.Asks, Unclear: re.Unclear})
	if errors.Is(err, ledger.ErrNotFound) { // its event came meanwhile, or somebody else has it now
		return nil
	}
	return err
}

func (r *Reconciler) logRefund(re *ledger.Refund, message string, err error) {
	r.cfg.Logger.Warn(message, zap.String("order_no", re.OrderNo), zap.String("charge", re.ChargeID), zap.String("refund_no", re.RefundNo),
		zap.Int64("amount", re.Amount), zap.Error(err))
}

// recordRefund records a refund that Ping++ has. Of one that has failed there is no webhook, so that its event is made here; that of
// one which has succeeded is left to the webhook for a while.
func (r *Reconciler) recordRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, found *pingpp.Refund) error {
	if found.Amount != re.Amount {
		r.cfg.Logger.Error("a refund at Ping++ has another amount than we know", zap.String("refund_no", re.RefundNo), zap.String("refund", found.ID),
			zap.Int64("there", found.Amount), zap.Int64("here", re.Amount))
	}
	err := l.RefundMade(ctx, lease, found.ID, r.cfg.Now().Add(refundAfter))
	if errors.Is(err, ledger.ErrRefundTaken) { // an answer that was meant for another, or somebody else took it just now
		r.logRefund(re, "Ping++ calls two refunds by one id; this one's outcome is not known", err)
		return r.pauseRefund(ctx, l, re, lease, r.cfg.Now().Add(refundLost))
	}
	if err != nil {
		return fmt.Errorf("refund %s was made but could not be recorded: %w", found.ID, err)
	}
	r.cfg.Logger.Info("refund made", zap.String("order_no", re.OrderNo), zap.String("charge", re.ChargeID), zap.String("refund_no", re.RefundNo),
		zap.String("refund", found.ID), zap.Int64("amount", found.Amount), zap.String("status", found.Status))
	if found.Status != "failed" {
		return nil
	}
	return r.acceptRefund(ctx, l, re, refundEvent(found, r.live(), r.cfg.Now()))
}

func (r *Reconciler) live() bool { return r.cfg.Scope.Mode == ledger.Live }

// acceptRefund records a refund's outcome as an event: its record ends with it in the same write.
func (r *Reconciler) acceptRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, e *pingpp.Event) error {
	charge, err := l.Charge(ctx, r.cfg.Scope, re.ChargeID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	a := Arrival{Event: e, Charge: charge, OrderNo: re.OrderNo, Source: ledger.Query}
	if charge != nil {
		a.Host = charge.Host
	}
	_, err = r.cfg.Intake.Accept(ctx, a)
	return err
}

// LearnRefunds records the refunds of a charge that have succeeded at Ping++ and whose events did not come: what was refunded in the dashboard
// while webhooks went missing.
func (r *Reconciler) LearnRefunds(ctx context.Context, l ledger.Ledger, chargeID, orderNo string) error {
	of := &ledger.Refund{ChargeID: chargeID, OrderNo: orderNo}
	var failed error
	_, err := r.searchRefunds(ctx, of, func(found *pingpp.Refund) bool {
		if found.Succeed && !arriving(ctx).is(found) {
			failed = r.acceptRefund(ctx, l, of, refundEvent(found, r.live(), r.cfg.Now()))
		}
		return failed != nil
	})
	return errors.Join(failed, err)
}

// searchRefunds goes through the refunds of a charge, or of its Ping++ order, until one matches.
func (r *Reconciler) searchRefunds(ctx context.Context, re *ledger.Refund, matches func(*pingpp.Refund) bool) (*pingpp.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	p := pingpp.ListRefundsParams{Limit: refundPerPage}
	for page := 1; page <= refundPages; page++ {
		var list *pingpp.RefundList
		var err error
		if re.Through == "" {
			list, err = r.cfg.Pingpp.ListRefunds(ctx, re.ChargeID, p)
		} else {
			list, err = r.cfg.Pingpp.ListOrderRefunds(ctx, re.Through, pingpp.OrderPage{Page: page, PerPage: refundPerPage})
		}
		if err != nil {
			return nil, err
		}
		for _, found := range list.Data {
			if matches(found) {
				return found, nil
			}
		}
		if !list.HasMore {
			return nil, nil
		}
		p.StartingAfter = list.Data[len(list.Data)-1].ID
	}
	return nil, fmt.Errorf("charge %s has more than %d refunds", re.ChargeID, refundPages*refundPerPage)
}

// orderOf finds the Ping++ order that a charge belongs to: by the order's events, else in Ping++'s list of paid orders.
func (r *Reconciler) orderOf(ctx context.Context, l ledger.Ledger, re *ledger.Refund) (string, error) {
	seen, err := l.Events(ctx, ledger.Filter{Scope: r.cfg.Scope, OrderNo: re.OrderNo, Type: "order.succeeded"})
	if err != nil {
		return "", err
	}
	for _, e := range seen {
		if e.ChargeID == re.ChargeID {
			return e.ObjectID, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	paid := true
	for page := 1; page <= orderPages; page++ {
		list, err := r.cfg.Pingpp.ListOrders(ctx, pingpp.ListOrdersParams{Page: page, PerPage: refundPerPage, Paid: &paid})
		if err != nil {
			return "", err
		}
		for _, order := range list.Data {
			if order.ChargeID == re.ChargeID {
				return order.ID, nil
			}
		}
		if !list.HasMore {
			break
		}
	}
	return "", ErrOrderUnknown
}

// followRefunds looks up refunds that are pending, or whose outcome is not known, until ctx ends.
func (r *Reconciler) followRefunds(ctx context.Context) {
	poll := time.NewTicker(queryPoll)
	defer poll.Stop()
	for round := 0; ctx.Err() == nil; round++ {
		looked, err := r.refundRound(ctx, r.cfg.Owner+" refunds "+strconv.Itoa(round))
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("cannot look up pending refunds, trying again", zap.Error(err))
		}
		if looked == queryBatch && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

// refundRound looks up the refunds that are due, at most queryBatch, and says how many there were. Each round has an owner of its own,
// so that a lease that ran out is not taken for one that holds.
func (r *Reconciler) refundRound(ctx context.Context, owner string) (int, error) {
	l, err := r.cfg.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	now := r.cfg.Now()
	due, err := l.ClaimRefunds(ctx, ledger.QueryClaim{Scope: r.cfg.Scope, Owner: owner, Now: now, Until: now.Add(RefundLease), Limit: queryBatch})
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	for i := range due {
		all.Go(func() {
			if err := r.cfg.Questions.refunds.Wait(ctx); err != nil {
				return // the lease runs out, and somebody else asks
			}
			re := &due[i]
			lease := ledger.RefundLease{Scope: r.cfg.Scope, RefundNo: re.RefundNo, Owner: owner}
			if err := r.lookUpRefund(context.WithoutCancel(ctx), l, re, lease); err != nil { // what has begun is brought to its end
				r.logRefund(re, "a refund could not be looked up", err)
			}
		})
	}
	all.Wait()
	return len(due), nil
}

func (r *Reconciler) lookUpRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease) error {
	if re.State == ledger.RefundAsked {
		return r.MakeRefund(ctx, l, re, lease, false)
	}
	found, err := r.getRefund(ctx, re)
	if err == nil && (found.Status == "failed" || found.Succeed) {
		err = r.acceptRefund(ctx, l, re, refundEvent(found, r.live(), r.cfg.Now()))
		if err == nil {
			r.cfg.Observe("refund_" + map[bool]string{true: "succeeded", false: "failed"}[found.Succeed])
			return nil // recording the outcome ended the look-ups
		}
	}
	r.cfg.Observe(map[bool]string{true: "refund_pending", false: "error"}[err == nil])
	return errors.Join(err, l.RefundQueried(ctx, lease, r.nextRefund(re)))
}

func (r *Reconciler) getRefund(ctx context.Context, re *ledger.Refund) (*pingpp.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	if re.Through != "" {
		return r.cfg.Pingpp.GetOrderRefund(ctx, re.Through, re.ID)
	}
	return r.cfg.Pingpp.GetRefund(ctx, re.ChargeID, re.ID)
}

// nextRefund says when to look a pending refund up again: at growing gaps, for two months.
func (r *Reconciler) nextRefund(re *ledger.Refund) time.Time {
	now := r.cfg.Now()
	age := now.Sub(re.Created)
	if age >= refundsUntil {
		return time.Time{}
	}
	return now.Add(r.gap(age))
}

// refundEvent is the event that Ping++ would have sent, made of what it answered. For a refund that failed it sends none.
func refundEvent(re *pingpp.Refund, live bool, now time.Time) *pingpp.Event {
	outcome, created := "failed", now.Unix()
	if re.Succeed {
		outcome = "succeeded"
		if re.TimeSucceeded != 0 {
			created = re.TimeSucceeded
		}
	}
	return queriedEvent("evt_q_"+re.ID+"_refund_"+outcome, "refund."+outcome, re.ID, re, live, created)
}

func queriedEvent(id, typ, objectID string, re *pingpp.Refund, live bool, created int64) *pingpp.Event {
	raw := fmt.Appendf(nil, `{"id":%q,"object":"event","created":%d,"livemode":%t,"type":%q,"data":{"object":%s},"pending_webhooks":0,"request":null}`,
		id, created, live, typ, re.Raw)
	return &pingpp.Event{
		ID: id, Type: typ, Created: created, Livemode: live, ObjectType: "refund", ObjectID: objectID, ChargeID: re.ChargeID, OrderNo: re.OrderNo,
		Object: re.Raw, Refund: re, Raw: raw,
	}
}

// refundChange is what an event says about its refund.
func refundChange(ev *pingpp.Event) *ledger.RefundChange {
	re := ev.Refund
	if re == nil {
		return nil
	}
	c := &ledger.RefundChange{ID: re.ID, RefundNo: re.Metadata[metaRefundNo], Amount: re.Amount, FailureCode: re.FailureCode, FailureMsg: re.FailureMsg}
	switch {
	case ev.Type == "refund.succeeded" && (re.Succeed || re.Status == "succeeded"):
		c.State, c.TimeSucceeded = ledger.RefundSucceeded, time.Unix(ev.Created, 0)
		if re.TimeSucceeded != 0 {
			c.TimeSucceeded = time.Unix(re.TimeSucceeded, 0)
		}
	case ev.Type == "refund.failed":
		c.State = ledger.RefundFailed
	default:
		return nil
	}
	return c
}

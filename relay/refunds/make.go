// Package refunds makes refunds at Ping++, each at most once although answers are lost, and follows them to their outcome.
package refunds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
)

// Lease is how long a refund is leased to whoever asks Ping++ for it: [ledger.RefundReservation.Until].
const Lease = time.Minute

const (
	refundCall    = Lease / 2        // what calls to Ping++ may take between two looks at the lease
	refundAfter   = 30 * time.Second // a pending refund is looked up first; as a rule its webhook is faster
	refundLost    = 10 * time.Second // until a refund whose answer was lost is looked for
	refundQuiet   = time.Minute      // how long one that was not found may still be on its way: it is not asked for again before
	refundGiveUp  = 24 * time.Hour   // one that is not at Ping++ after so long will not be made
	refundAsks    = 2                // how often Ping++ is asked for one, as long as it may have heard of it each time
	refundsUntil  = 60 * 24 * time.Hour
	orderPages    = 20 // of 100, when the Ping++ order of a charge is looked for
	ordersPerPage = 100
)

// ErrOrderUnknown says that a charge belongs to a Ping++ order that could not be found.
var ErrOrderUnknown = errors.New("relay: the charge belongs to a Ping++ order that could not be found")

// Maker makes the refunds of one app and mode.
type Maker struct {
	Scope   ledger.Scope
	Pingpp  *pingpp.Client
	Learner *intake.Learner
	Unclear func(why string) // told of every refund that begins to wait for a person, and why: ambiguous or unanswered
	Now     func() time.Time
	Rand    func() float64 // in [0, 1), for jitter
	Logger  *zap.Logger
}

// Make carries out a refund that the lease's owner has reserved. One that is not fresh may exist at Ping++: it is looked for
// there first, and asked for again only when nothing there can be it, long enough has passed for it to have arrived, and that was not done
// before. Otherwise a person has to look, while we go on looking too.
//
// Without an error the ledger knows more than before: the refund is pending, or has failed, or its outcome is not known yet, and the
// reconciler goes on with it. An [*pingpp.Error] or ErrOrderUnknown says that nothing came of it and that a fresh refund's record is gone; any other error that the ledger
// could not be written, and the reconciler goes on with what it has.
func (r *Maker) Make(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, fresh bool) error {
	return (&held{r, l, re, lease, fresh}).carryOut(ctx)
}

// held is a refund under a lease.
type held struct {
	*Maker
	l     ledger.Ledger
	re    *ledger.Refund
	lease ledger.RefundLease
	fresh bool // it was never asked for before
}

func (h *held) carryOut(ctx context.Context) error {
	if !h.fresh {
		if settled, err := h.settle(ctx); settled || err != nil {
			return err
		}
		now := h.Now()
		switch {
		case now.Sub(h.re.Asked) < refundQuiet:
			return h.pause(ctx, h.re.Asked.Add(refundQuiet))
		case now.Sub(h.re.Created) >= refundGiveUp:
			return h.Learner.Refused(ctx, h.l, h.re, "not_made", "Ping++ did not make this refund within a day.")
		case h.re.Asks >= refundAsks:
			return h.awaitPerson(ctx, refundUnanswered)
		}
		h.re.Asks, h.re.Unclear = h.re.Asks+1, ""
	}
	made, err := h.ask(ctx)
	if err == nil {
		return h.record(ctx, made)
	}
	return h.notMade(ctx, err)
}

// ask asks Ping++ for a refund, of the charge or through the order that it belongs to.
func (h *held) ask(ctx context.Context) (*pingpp.Refund, error) {
	if now := h.Now(); !h.fresh || now.Sub(h.re.Asked) >= refundCall { // a process that stood still may have lost its lease
		if err := h.l.AskRefund(ctx, h.lease, ledger.RefundAsk{Through: h.re.Through, Asks: h.re.Asks, Now: now, Until: now.Add(Lease)}); err != nil {
			return nil, err
		}
	}
	made, err := h.send(ctx, h.re)
	if perr, ok := errors.AsType[*pingpp.Error](err); !ok || perr.Code != "charge_request_invalid" || h.re.Through != "" {
		return made, err
	}
	order, err := h.orderOf(ctx, h.l, h.re)
	if err != nil {
		return nil, notAskedError{err}
	}
	h.re.Through = order
	now := h.Now()
	if err := h.l.AskRefund(ctx, h.lease, ledger.RefundAsk{Through: order, Asks: h.re.Asks, Now: now, Until: now.Add(Lease)}); err != nil {
		return nil, err
	}
	return h.send(ctx, h.re)
}

func (r *Maker) send(ctx context.Context, re *ledger.Refund) (*pingpp.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	metadata := map[string]any{intake.MetaRefundNo: re.RefundNo}
	if re.Through == "" {
		return r.Pingpp.CreateRefund(ctx, re.ChargeID, &pingpp.RefundParams{
			Amount: re.Amount, Description: re.Description, Metadata: metadata, FundingSource: re.FundingSource,
		})
	}
	made, err := r.Pingpp.RefundOrder(ctx, re.Through, &pingpp.OrderRefundParams{
		ChargeID: re.ChargeID, ChargeAmount: re.Amount, Description: re.Description, Metadata: metadata, FundingSource: re.FundingSource,
	})
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// pause lets go of a refund whose outcome is not known, until it is looked up next.
func (h *held) pause(ctx context.Context, next time.Time) error {
	err := h.l.ReleaseRefund(ctx, h.lease, ledger.RefundPause{Next: next, Asks: h.re.Asks, Unclear: h.re.Unclear})
	if errors.Is(err, ledger.ErrNotFound) { // its event came meanwhile, or somebody else has it now
		return nil
	}
	return err
}

func (r *Maker) log(re *ledger.Refund, message string, err error) {
	r.Logger.Warn(message, zap.String("order_no", re.OrderNo), zap.String("charge", re.ChargeID), zap.String("refund_no", re.RefundNo),
		zap.Int64("amount", re.Amount), zap.Error(err))
}

// record records a refund that Ping++ has. Of one that has failed there is no webhook, so that its event is made here; that of
// one which has succeeded is left to the webhook for a while.
func (h *held) record(ctx context.Context, found *pingpp.Refund) error {
	if found.Amount != h.re.Amount {
		h.Logger.Error("a refund at Ping++ has another amount than we know", zap.String("refund_no", h.re.RefundNo), zap.String("refund", found.ID),
			zap.Int64("there", found.Amount), zap.Int64("here", h.re.Amount))
	}
	err := h.l.RefundMade(ctx, h.lease, found.ID, h.Now().Add(refundAfter))
	if errors.Is(err, ledger.ErrRefundTaken) { // an answer that was meant for another, or somebody else took it just now
		h.log(h.re, "Ping++ calls two refunds by one id; this one's outcome is not known", err)
		return h.pause(ctx, h.Now().Add(refundLost))
	}
	if err != nil {
		return fmt.Errorf("refund %s was made but could not be recorded: %w", found.ID, err)
	}
	h.Logger.Info("refund made", zap.String("order_no", h.re.OrderNo), zap.String("charge", h.re.ChargeID), zap.String("refund_no", h.re.RefundNo),
		zap.String("refund", found.ID), zap.Int64("amount", found.Amount), zap.String("status", found.Status))
	if found.Status != "failed" {
		return nil
	}
	return h.Learner.Refund(ctx, h.l, h.re, found)
}

// orderOf finds the Ping++ order that a charge belongs to: by the order's events, else in Ping++'s list of paid orders.
func (r *Maker) orderOf(ctx context.Context, l ledger.Ledger, re *ledger.Refund) (string, error) {
	seen, err := l.Events(ctx, ledger.Filter{Scope: r.Scope, OrderNo: re.OrderNo, Type: "order.succeeded"})
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
		list, err := r.Pingpp.ListOrders(ctx, pingpp.ListOrdersParams{Page: page, PerPage: ordersPerPage, Paid: &paid})
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

// search goes through the refunds of a charge, or of its Ping++ order, until one matches.
func (r *Maker) search(ctx context.Context, re *ledger.Refund, matches func(*pingpp.Refund) bool) (*pingpp.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, refundCall)
	defer cancel()
	return intake.SearchRefunds(ctx, r.Pingpp, re, matches)
}

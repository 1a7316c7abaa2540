package refunds

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
)

// Why a refund whose outcome is not known waits for a person.
const (
	refundAmbiguous  = "ambiguous"  // Ping++ has refunds of its amount, and which of them it is, if any, nobody can tell
	refundUnanswered = "unanswered" // it was asked for as often as it may be, and is not at Ping++
)

var errAmbiguous = errors.New("relay: refunds at Ping++ that may be the one looked for, or not")

// settle looks for a refund at Ping++ and records it if it is there. It says whether there is nothing more to do at this time; otherwise
// nothing at Ping++ can be this refund.
func (h *held) settle(ctx context.Context) (settled bool, err error) {
	found, err := h.find(ctx)
	switch {
	case errors.Is(err, errAmbiguous):
		return true, h.awaitPerson(ctx, refundAmbiguous)
	case err != nil:
		h.log(h.re, "a refund whose outcome is not known could not be looked for", err)
		now := h.Now()
		return true, h.pause(ctx, now.Add(asking.Gap(now.Sub(h.re.Created), h.Rand())))
	case found == nil:
		if h.re.Unclear == refundAmbiguous {
			h.re.Unclear = ""
		}
		return false, nil
	}
	return true, h.record(ctx, found)
}

// awaitPerson lets go of a refund that we must not ask for again. Its amount stays set aside, and it is looked for at growing gaps: a person who
// makes it at Ping++ need not tell us.
func (h *held) awaitPerson(ctx context.Context, why string) error {
	if h.re.Unclear != why {
		h.Unclear(why)
		advice := "look for it among the charge's refunds at Ping++; if it is missing, refund the amount there, and it is taken for this one; if it is still missing a day after it was asked for, it ends as failed"
		if why == refundAmbiguous {
			advice = "look at the charge's refunds of this amount at Ping++; no more is refunded for this number"
		}
		h.Logger.Error("a refund waits for a person", zap.String("order_no", h.re.OrderNo), zap.String("charge", h.re.ChargeID),
			zap.String("refund_no", h.re.RefundNo), zap.Int64("amount", h.re.Amount), zap.String("why", why), zap.Int("asked", h.re.Asks), zap.String("advice", advice))
	}
	h.re.Unclear = why
	next := h.next(h.re)
	if next.IsZero() {
		return h.l.RefundQueried(ctx, h.lease, next)
	}
	return h.pause(ctx, next)
}

// find looks for a refund at Ping++: by the merchant's number in its metadata; else, since Ping++ may have lost that, among what nothing
// explains. Nil when nothing there can be it, errAmbiguous when nobody can tell.
func (h *held) find(ctx context.Context) (*pingpp.Refund, error) {
	recorded, err := h.l.RefundsOfCharge(ctx, h.Scope, h.re.ChargeID)
	if err != nil {
		return nil, err
	}
	m := newRefundMatch(h.re, recorded)
	found, err := h.search(ctx, h.re, m.take)
	if err != nil || found != nil {
		return found, err
	}
	if found, err = m.guess(); found != nil {
		h.Logger.Warn("a refund at Ping++ that lacks our number is taken for ours", zap.String("order_no", h.re.OrderNo), zap.String("charge", h.re.ChargeID),
			zap.String("refund_no", h.re.RefundNo), zap.String("refund", found.ID), zap.Int64("amount", found.Amount))
	}
	return found, err
}

// Find looks at Ping++ for a fresh refund whose number may have been used all the same: the ledger may be a backup from before that. It says
// whether it is there, and records it then. [ledger.ErrRefundDiffers] when what is there has another amount. With an error the fresh refund's record
// is gone.
func (r *Maker) Find(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease) (made bool, err error) {
	found, err := r.search(ctx, re, func(found *pingpp.Refund) bool {
		return found.ChargeID == re.ChargeID && found.Metadata[intake.MetaRefundNo] == re.RefundNo
	})
	if err == nil && found == nil {
		return false, nil
	}
	if err == nil && found.Amount != re.Amount {
		err = fmt.Errorf("refund %s is %s at Ping++, of %d fen: %w", re.RefundNo, found.ID, found.Amount, ledger.ErrRefundDiffers)
	}
	if err != nil {
		return false, errors.Join(err, l.ReleaseRefund(ctx, lease, ledger.RefundPause{}))
	}
	r.Logger.Warn("a refund was made before, and this ledger did not know of it; it is not made again", zap.String("order_no", re.OrderNo),
		zap.String("charge", re.ChargeID), zap.String("refund_no", re.RefundNo), zap.String("refund", found.ID), zap.Int64("amount", found.Amount))
	return true, (&held{r, l, re, lease, true}).record(ctx, found)
}

// refundMatch finds one of our refunds among those of its charge at Ping++.
type refundMatch struct {
	re        *ledger.Refund
	explained map[string]bool // ids of refunds that are surely another's
	lost      int             // our refunds of this charge and amount whose outcome is not known, this one too
	like      []*pingpp.Refund
}

// newRefundMatch takes the charge's records, in the order in which they were made.
func newRefundMatch(re *ledger.Refund, recorded []ledger.Refund) *refundMatch {
	m := &refundMatch{re: re, explained: make(map[string]bool)}
	before := true
	for i := range recorded {
		other := &recorded[i]
		switch {
		case other.RefundNo == re.RefundNo:
			before = false
			m.lost++
		// Of one made elsewhere an event may have told us, and it is ours. What was told before we asked is not.
		case other.ID != "" && (other.RefundNo != "" || before):
			m.explained[other.ID] = true
		case other.State == ledger.RefundAsked && other.Amount == re.Amount:
			m.lost++
		}
	}
	return m
}

// take says whether a refund is the one; those that may be are kept.
func (m *refundMatch) take(found *pingpp.Refund) bool {
	if found.ChargeID != m.re.ChargeID || m.explained[found.ID] { // a Ping++ order has several charges
		return false
	}
	no := found.Metadata[intake.MetaRefundNo]
	if no == m.re.RefundNo {
		return true
	}
	// Only ours can seem to be older than our question, by clocks that differ: it has our words.
	since := m.re.Created
	if found.Description == m.re.Description {
		since = since.Add(-ledger.ClockSkew)
	}
	if no == "" && found.Amount == m.re.Amount && (found.Created == 0 || found.Created >= since.Unix()) {
		m.like = append(m.like, found)
		m.explained[found.ID] = true // an order's next page can begin with what moved down meanwhile
	}
	return false
}

// guess says which refund is the one although no number says so: the oldest, of those with its description if there are any, as long as there are
// no more of them than we may have made. Whoever saw that it was missing may have made it, in the dashboard and in words of his own.
func (m *refundMatch) guess() (*pingpp.Refund, error) {
	like := m.like
	if same := slices.DeleteFunc(slices.Clone(like), func(f *pingpp.Refund) bool { return f.Description != m.re.Description }); len(same) > 0 {
		like = same
	}
	switch {
	case len(like) == 0:
		return nil, nil
	case len(like) > m.lost:
		return nil, errAmbiguous
	}
	return like[len(like)-1], nil // Ping++ lists the newest first
}

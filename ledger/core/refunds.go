package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// ReserveRefund implements [ledger.Refunds].
func (l *Ledger) ReserveRefund(ctx context.Context, r ledger.RefundReservation) (re *ledger.Refund, fresh bool, err error) {
	if err := checkScope(r.Scope); err != nil {
		return nil, false, err
	}
	if r.RefundNo == "" || r.ChargeID == "" || r.Owner == "" || r.Amount < 0 {
		return nil, false, errors.New("ledger: a refund needs a number, a charge, an owner, and no negative amount")
	}
	leases := l.steps.leases(r.Now, r.Until.Sub(r.Now))
	err = l.store.Write(ctx, func(t Tx) error {
		re, fresh, err = reserveRefund(t, r, leases)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return re, fresh, nil
}

func reserveRefund(t Tx, r ledger.RefundReservation, leases Span) (*ledger.Refund, bool, error) {
	if err := t.Lock(r.Scope, ACharge, r.ChargeID); err != nil {
		return nil, false, err
	}
	known, err := t.Refunds(r.Scope, "", r.RefundNo)
	if err != nil {
		return nil, false, err
	}
	re := byNumber(known, r.RefundNo)
	switch {
	case re == nil:
	case !re.same(r):
		return nil, false, ledger.ErrRefundDiffers
	case re.State != ledger.RefundAsked:
		return &re.Refund, false, nil
	case re.busy(r.Owner, leases):
		return nil, false, ledger.ErrReserved
	}
	of, err := t.RefundsOfCharge(r.Scope, r.ChargeID)
	if err != nil {
		return nil, false, err
	}
	if anotherBusy(of, r.RefundNo, leases) {
		return nil, false, ledger.ErrReserved
	}
	if re != nil {
		before := re.Refund
		re.lease(r.Owner, r.Until)
		return &before, false, t.SetRefund(re)
	}
	c, err := t.Charge(r.Scope, r.ChargeID)
	if err != nil {
		return nil, false, err
	}
	if re, err = asked(r, left(r.Paid, c, of)); err != nil {
		return nil, false, err
	}
	t.Touch(ledger.ChargeTopic(r.Scope, r.ChargeID))
	return &re.Refund, true, t.AddRefund(re)
}

// AskRefund implements [ledger.Refunds].
func (l *Ledger) AskRefund(ctx context.Context, r ledger.RefundLease, a ledger.RefundAsk) error {
	return l.store.Write(ctx, func(t Tx) error {
		re, err := leasedRefund(t, r)
		if err != nil {
			return err
		}
		re.ask(a)
		return t.SetRefund(re)
	})
}

// leasedRefund returns a refund whose outcome is not known for the owner of its lease, or ErrNotFound.
func leasedRefund(t Tx, r ledger.RefundLease) (*Refund, error) {
	known, err := t.Refunds(r.Scope, "", r.RefundNo)
	if err != nil {
		return nil, err
	}
	if re := byNumber(known, r.RefundNo); re.heldBy(r.Owner) {
		return re, nil
	}
	return nil, ledger.ErrNotFound
}

// RefundMade implements [ledger.Refunds].
func (l *Ledger) RefundMade(ctx context.Context, r ledger.RefundLease, id string, next time.Time) error {
	if id == "" {
		return fmt.Errorf("ledger: refund %s needs the id that Ping++ gave it", r.RefundNo)
	}
	return l.store.Write(ctx, func(t Tx) error { return refundMade(t, r, id, next) })
}

func refundMade(t Tx, r ledger.RefundLease, id string, next time.Time) error {
	known, err := t.Refunds(r.Scope, id, r.RefundNo)
	if err != nil {
		return err
	}
	re, other := byNumber(known, r.RefundNo), byID(known, id)
	switch {
	case re == nil:
		return ledger.ErrNotFound
	case other != nil && other.RefundNo != "" && other.RefundNo != r.RefundNo:
		return fmt.Errorf("refund %s, %s: %w", r.RefundNo, id, ledger.ErrRefundTaken)
	case re.ID != "" && re.ID != id:
		return fmt.Errorf("refund %s belongs to another refund at Ping++ already, not to %s", r.RefundNo, id)
	}
	re.made(id, next)
	if other != nil && other.Seq != re.Seq { // an event reported it first, without the merchant's number, so that it was taken for another's
		if err := t.DropRefund(other); err != nil {
			return err
		}
		re.adopt(other)
	}
	t.Touch(ledger.ChargeTopic(r.Scope, re.ChargeID))
	return t.SetRefund(re)
}

// ReleaseRefund implements [ledger.Refunds].
func (l *Ledger) ReleaseRefund(ctx context.Context, r ledger.RefundLease, p ledger.RefundPause) error {
	return l.store.Write(ctx, func(t Tx) error {
		re, err := leasedRefund(t, r)
		if err != nil {
			return err
		}
		t.Touch(ledger.ChargeTopic(r.Scope, re.ChargeID))
		if p.Next.IsZero() {
			if re.ID != "" { // it was made
				return ledger.ErrNotFound
			}
			return t.DropRefund(re)
		}
		re.end(p.Next)
		re.Asks, re.Unclear = p.Asks, p.Unclear
		return t.SetRefund(re)
	})
}

// Refund implements [ledger.Refunds].
func (l *Ledger) Refund(ctx context.Context, s ledger.Scope, refundNo string) (*ledger.Refund, error) {
	var re *Refund
	err := l.store.Read(ctx, func(r Reader) error {
		known, err := r.Refunds(s, "", refundNo)
		if re = byNumber(known, refundNo); err == nil && re == nil {
			err = ledger.ErrNotFound
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &re.Refund, nil
}

// RefundsOf implements [ledger.Refunds].
func (l *Ledger) RefundsOf(ctx context.Context, s ledger.Scope, orderNo string) ([]ledger.Refund, error) {
	return l.refunds(ctx, func(r Reader) ([]Refund, error) { return r.RefundsOf(s, orderNo) })
}

// RefundsOfCharge implements [ledger.Refunds].
func (l *Ledger) RefundsOfCharge(ctx context.Context, s ledger.Scope, chargeID string) ([]ledger.Refund, error) {
	return l.refunds(ctx, func(r Reader) ([]Refund, error) { return r.RefundsOfCharge(s, chargeID) })
}

func (l *Ledger) refunds(ctx context.Context, read func(Reader) ([]Refund, error)) (res []ledger.Refund, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		rows, err := read(r)
		for i := range rows {
			res = append(res, rows[i].Refund)
		}
		return err
	})
	return res, err
}

// ClaimRefunds implements [ledger.Refunds].
func (l *Ledger) ClaimRefunds(ctx context.Context, c ledger.QueryClaim) (res []ledger.Refund, err error) {
	if c.Owner == "" {
		return nil, errNoOwner
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.store.WriteLax(ctx, func(t Tx) error {
		res = nil
		due, err := t.DueRefunds(c, leases)
		if err != nil {
			return err
		}
		for i := range due {
			re := &due[i]
			if re.State == ledger.RefundAsked {
				if err := t.Lock(c.Scope, ACharge, re.ChargeID); err != nil {
					return err
				}
				of, err := t.RefundsOfCharge(c.Scope, re.ChargeID)
				if err != nil {
					return err
				}
				if anotherBusy(of, re.RefundNo, leases) {
					continue
				}
			}
			res = append(res, re.Refund)
			re.lease(c.Owner, c.Until)
			if err := t.SetRefund(re); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// RefundQueried implements [ledger.Refunds].
func (l *Ledger) RefundQueried(ctx context.Context, r ledger.RefundLease, next time.Time) error {
	return l.store.WriteLax(ctx, func(t Tx) error {
		known, err := t.Refunds(r.Scope, "", r.RefundNo)
		if err != nil {
			return err
		}
		re := byNumber(known, r.RefundNo)
		if re == nil || re.Owner == "" || re.Owner != r.Owner {
			return nil
		}
		re.end(next)
		return t.SetRefund(re)
	})
}

package core

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// aheadBatch is how many rows one transaction makes due.
const aheadBatch = 500

// Overdue implements [ledger.Events].
func (l *Ledger) Overdue(ctx context.Context, s ledger.Scope, now time.Time) (n int, err error) {
	a, due := aheadOf(now), Kept(now)
	for _, kind := range []struct {
		find func(r Reader, found func(seq int64) (more bool)) error
		set  func(t Tx, seq int64) error
	}{
		{
			func(r Reader, found func(int64) bool) error {
				return r.EventsAhead(s, a.far, func(e *Event, last time.Time) bool { return !a.event(e, last) || found(e.Seq) })
			},
			func(t Tx, seq int64) error {
				e, err := t.EventAt(s, seq)
				if err != nil || e == nil {
					return err
				}
				e.Due = earlier(e.Due, due)
				return t.SetEvent(e)
			},
		},
		{
			func(r Reader, found func(int64) bool) error {
				return r.ChargesAhead(s, a.far, func(c *Charge) bool { return !a.charge(c) || found(c.Seq) })
			},
			func(t Tx, seq int64) error {
				c, err := t.ChargeAt(s, seq)
				if err != nil || c == nil {
					return err
				}
				c.NextQuery = earlier(c.NextQuery, due)
				return t.SetCharge(c)
			},
		},
		{
			func(r Reader, found func(int64) bool) error {
				return r.RefundsAhead(s, a.far, func(re *Refund) bool { return !a.refund(re) || found(re.Seq) })
			},
			func(t Tx, seq int64) error {
				re, err := t.RefundAt(s, seq)
				if err != nil || re == nil {
					return err
				}
				re.NextQuery = earlier(re.NextQuery, due)
				return t.SetRefund(re)
			},
		},
	} {
		m, err := l.overdue(ctx, s, kind.find, kind.set)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (l *Ledger) overdue(ctx context.Context, s ledger.Scope, find func(r Reader, found func(seq int64) (more bool)) error,
	set func(t Tx, seq int64) error) (n int, err error) {
	for {
		var seqs []int64
		err := l.store.Read(ctx, func(r Reader) error {
			return find(r, func(seq int64) bool {
				seqs = append(seqs, seq)
				return len(seqs) < aheadBatch
			})
		})
		if err != nil || len(seqs) == 0 {
			return n, err
		}
		err = l.store.WriteLax(ctx, func(t Tx) error {
			for _, seq := range seqs {
				if err := set(t, seq); err != nil {
					return err
				}
			}
			t.Touch(ledger.EventsTopic(s))
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(seqs)
	}
}

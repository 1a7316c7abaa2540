package core

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// kinds are in the order in which what was found is shown.
var kinds = []ledger.Kind{ledger.KindOrder, ledger.KindNumber, ledger.KindCharge, ledger.KindTransaction, ledger.KindRefundNo, ledger.KindRefund,
	ledger.KindEvent, ledger.KindObject}

// Find implements [ledger.Desk].
func (l *Ledger) Find(ctx context.Context, s ledger.Scope, name string) (found []ledger.Found, err error) {
	if name == "" {
		return nil, nil
	}
	err = l.atOnce(ctx, func(r Reader) error {
		found, err = r.Find(s, name)
		return err
	})
	rank := func(k ledger.Kind) int { return slices.Index(kinds, k) }
	slices.SortStableFunc(found, func(a, b ledger.Found) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) })
	known := func(k ledger.Kind) bool {
		return slices.ContainsFunc(found, func(f ledger.Found) bool { return f.Kind == k })
	}
	if known(ledger.KindCharge) || known(ledger.KindRefund) { // events are about that, and it says more
		found = slices.DeleteFunc(found, func(f ledger.Found) bool { return f.Kind == ledger.KindObject })
	}
	return slices.Compact(found), err
}

// Order implements [ledger.Desk].
func (l *Ledger) Order(ctx context.Context, s ledger.Scope, orderNo string) (life *ledger.Life, err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		life, err = lifeOf(r, s, orderNo)
		return err
	})
	if err != nil {
		return nil, err
	}
	if life.Quote == nil && len(life.Charges) == 0 && len(life.Refunds) == 0 && len(life.Events) == 0 {
		return nil, ledger.ErrNotFound
	}
	return life, nil
}

func lifeOf(r Reader, s ledger.Scope, orderNo string) (*ledger.Life, error) {
	life := &ledger.Life{OrderNo: orderNo}
	if orderNo == "" {
		return life, nil
	}
	var err error
	if life.Quote, err = r.Quote(s, orderNo); err != nil {
		return nil, err
	}
	attempts, err := r.LastAttempts(s, orderNo, lifeRows)
	if err != nil {
		return nil, err
	}
	life.Charges = publish(attempts)
	refunds, err := r.RefundsOf(s, orderNo)
	if err != nil {
		return nil, err
	}
	for i := range refunds[max(0, len(refunds)-lifeRows):] {
		life.Refunds = append(life.Refunds, refunds[i].Refund)
	}
	list, err := events(r, ledger.Filter{Scope: s, OrderNo: orderNo, Limit: lifeRows})
	if err != nil {
		return nil, err
	}
	es, _, _, err := list.page(Mark{Seq: top.Seq})
	if err != nil {
		return nil, err
	}
	if life.Shipped, err = shippedOf(r, s, orderNo); err != nil {
		return nil, err
	}
	for i := range slices.Backward(es) {
		told, err := toldOf(r, es[i])
		if err != nil {
			return nil, err
		}
		life.Events = append(life.Events, told)
	}
	return life, nil
}

// toldOf reads what became of an event.
func toldOf(r Reader, e ledger.Event) (told ledger.Told, err error) {
	told.Event = e
	if told.Deliveries, err = r.LastDeliveries(&e, lifeDeliveries); err != nil {
		return told, err
	}
	parts, err := r.AuditParts(ledger.AuditFilter{Scope: e.Scope, EventID: e.ID})
	if err != nil {
		return told, err
	}
	all := list[ledger.Decided]{parts: parts, mark: auditMark, limit: lifeRows, look: lifeRows, want: func(*ledger.Decided) (bool, error) { return true, nil }}
	told.Decisions, _, _, err = all.page(top)
	slices.Reverse(told.Decisions)
	return told, err
}

// Figures implements [ledger.Desk].
func (l *Ledger) Figures(ctx context.Context, s ledger.Scope) (f *ledger.Figures, err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		if f, err = r.Figures(s); err != nil {
			return err
		}
		free, leased, _, err := r.NextDue(s)
		f.NextAttempt = first(free, leased)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// first is the earlier of two times; zero is none.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Hours implements [ledger.Desk].
func (l *Ledger) Hours(ctx context.Context, s ledger.Scope, from, to time.Time) (hours []ledger.Hour, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		hours, err = r.Hours(s, from, to)
		return err
	})
	return hours, err
}

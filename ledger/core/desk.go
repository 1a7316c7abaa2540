package core

import (
	"cmp"
	"context"
	"slices"

	"github.com/caddypay/caddypay/ledger"
)

// How many rows a page looks through, so that it takes no longer than its reader has patience. Rows that the engine leaves out by itself are looked at in
// a tenth of the time, and so are the attempts that are read for each order.
const (
	lookRows   = 3000
	lookOrders = 600
	skipRows   = 25_000
	skipOrders = 8000
)

const (
	lifeRows       = 1000 // of each kind on an order's page
	lifeDeliveries = 200  // of each event there
	orderAttempts  = 100  // of an order in a list
)

func limited(limit int) int { return min(cmp.Or(max(limit, 0), pageDefault), pageMax) }

func eventMark(e *ledger.Event) Mark    { return Mark{Seq: e.Seq} }
func chargeMark(c *Charge) Mark         { return Mark{millis(c.Created), c.Seq} }
func refundMark(r *Refund) Mark         { return Mark{millis(r.Created), r.Seq} }
func auditMark(d *ledger.Decided) Mark  { return Mark{millis(d.Now), d.Seq} }
func same[T any](v *T) T                { return *v }
func (r *Refund) public() ledger.Refund { return r.Refund }

// ListEvents implements [ledger.Desk].
func (l *Ledger) ListEvents(ctx context.Context, f ledger.Filter) (p ledger.Page[ledger.Event], err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		list, err := events(r, f)
		if err != nil {
			return err
		}
		p, err = pageOf(list, f.Cursor, Mark{Seq: top.Seq}, same)
		return err
	})
	return p, err
}

func events(r Reader, f ledger.Filter) (list[ledger.Event], error) {
	parts, err := r.EventParts(f)
	return list[ledger.Event]{parts: parts, mark: eventMark, limit: limited(f.Limit), look: lookRows, skip: skipRows, want: func(e *ledger.Event) (bool, error) {
		return among(e.State, f.States) && (f.Type == "" || e.Type == f.Type) && (f.Reason == "" || slices.Contains(e.Reasons, f.Reason)) &&
			(f.Source == "" || e.Source == f.Source) && (!f.AtRisk || e.AtRisk()) && within(e.Received, f.Since, f.Until), nil
	}}, err
}

// Events implements [ledger.Events].
func (l *Ledger) Events(ctx context.Context, f ledger.Filter) (es []ledger.Event, err error) {
	from := Mark{Seq: top.Seq}
	if f.Before > 0 {
		from.Seq = f.Before
	}
	limit := limited(f.Limit)
	for more := true; more && len(es) < limit; {
		err = l.atOnce(ctx, func(r Reader) error {
			list, err := events(r, f)
			if err != nil {
				return err
			}
			var rows []ledger.Event
			list.limit = limit - len(es)
			rows, from, more, err = list.page(from)
			es = append(es, rows...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return es, nil
}

// ListCharges implements [ledger.Desk].
func (l *Ledger) ListCharges(ctx context.Context, f ledger.ChargeFilter) (p ledger.Page[ledger.Charge], err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		parts, err := r.ChargeParts(f, statesOf(f.Statuses))
		if err != nil {
			return err
		}
		p, err = pageOf(list[Charge]{parts: parts, mark: chargeMark, limit: limited(f.Limit), look: lookRows, want: func(c *Charge) (bool, error) {
			shown := c.public()
			return (f.Channel == "" || c.Channel == f.Channel) && within(c.Created, f.Since, f.Until) && among(shown.Status(f.Now), f.Statuses), nil
		}}, f.Cursor, until(f.Until), (*Charge).public)
		return err
	})
	return p, err
}

var allAttempts = []ledger.AttemptState{ledger.Reserving, ledger.Open, ledger.Refused, ledger.Unknown, ledger.Taken, ledger.Foreign}

// statesOf are those in which an attempt can have one of some statuses.
func statesOf(statuses []ledger.Status) (states []ledger.AttemptState) {
	for _, s := range statuses {
		switch s {
		case ledger.StatusPreparing:
			states = append(states, ledger.Reserving)
		case ledger.StatusRefused:
			states = append(states, ledger.Refused)
		case ledger.StatusUnknown:
			states = append(states, ledger.Unknown, ledger.Taken)
		case ledger.StatusCreated, ledger.StatusExpired:
			states = append(states, ledger.Open, ledger.Foreign)
		default:
			return allAttempts
		}
	}
	if len(states) == 0 {
		return allAttempts
	}
	slices.Sort(states)
	return slices.Compact(states)
}

// ListRefunds implements [ledger.Desk].
func (l *Ledger) ListRefunds(ctx context.Context, f ledger.RefundFilter) (p ledger.Page[ledger.Refund], err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		parts, err := r.RefundParts(f)
		if err != nil {
			return err
		}
		p, err = pageOf(list[Refund]{parts: parts, mark: refundMark, limit: limited(f.Limit), look: lookRows, want: func(re *Refund) (bool, error) {
			return (f.OrderNo == "" || re.OrderNo == f.OrderNo) && (f.ChargeID == "" || re.ChargeID == f.ChargeID) && among(re.State, f.States) &&
				(!f.Unclear || re.Unclear != "") && within(re.Created, f.Since, f.Until), nil
		}}, f.Cursor, until(f.Until), (*Refund).public)
		return err
	})
	return p, err
}

// ListOrders implements [ledger.Desk].
func (l *Ledger) ListOrders(ctx context.Context, f ledger.OrderFilter) (p ledger.Page[ledger.Order], err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		parts, err := r.ChargeParts(ledger.ChargeFilter{Scope: f.Scope, Since: f.Since}, allAttempts)
		if err != nil {
			return err
		}
		orders := make(map[int64]ledger.Order) // by its first attempt
		spent := 0
		p, err = pageOf(list[Charge]{parts: parts, mark: chargeMark, limit: limited(f.Limit), look: lookOrders, skip: skipOrders, spent: &spent, want: func(c *Charge) (bool, error) {
			if c.OrderNo == "" || !within(c.Created, f.Since, f.Until) {
				return false, nil
			}
			attempts, err := r.OrderAttempts(f.Scope, c.OrderNo, 2) // all that most orders have
			if err != nil || attempts[0].Seq != c.Seq {
				return false, err
			}
			if len(attempts) > 1 {
				if attempts, err = r.OrderAttempts(f.Scope, c.OrderNo, orderAttempts); err != nil {
					return false, err
				}
			}
			spent += len(attempts)
			o := ledger.Order{OrderNo: c.OrderNo, Attempts: publish(attempts)}
			orders[c.Seq] = o
			channel := f.Channel == "" || slices.ContainsFunc(attempts, func(a Charge) bool { return a.Channel == f.Channel })
			return channel && among(o.Status(f.Now), f.Statuses), nil
		}}, f.Cursor, until(f.Until), func(c *Charge) ledger.Order { return orders[c.Seq] })
		return err
	})
	return p, err
}

// ListAudit implements [ledger.Desk].
func (l *Ledger) ListAudit(ctx context.Context, f ledger.AuditFilter) (p ledger.Page[ledger.Decided], err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		parts, err := r.AuditParts(f)
		if err != nil {
			return err
		}
		p, err = pageOf(list[ledger.Decided]{parts: parts, mark: auditMark, limit: limited(f.Limit), look: lookRows, want: func(d *ledger.Decided) (bool, error) {
			return (f.EventID == "" || d.EventID == f.EventID) && among(d.Action, f.Actions) && within(d.Now, f.Since, f.Until), nil
		}}, f.Cursor, until(f.Until), same)
		return err
	})
	return p, err
}

// atOnce reads what is committed at one moment.
func (l *Ledger) atOnce(ctx context.Context, read func(Reader) error) error {
	return l.store.Read(ctx, func(r Reader) error { return r.AtOnce(func() error { return read(r) }) })
}

package memory

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

func (v *view) Event(s ledger.Scope, id string) (*core.Event, error) {
	return v.events.one(func(e *core.Event) bool { return e.Scope == s && e.ID == id })
}

func (v *view) Deliveries(s ledger.Scope, id string) ([]ledger.Delivery, error) {
	return v.deliveries.where(func(d *ledger.Delivery) bool { return d.Scope == s && d.EventID == id })
}

func (v *view) NextDue(s ledger.Scope) (free, leased time.Time, pending int64, err error) {
	found, _ := v.events.where(func(e *core.Event) bool { return e.Scope == s && e.State == ledger.Pending })
	for _, e := range found {
		at, first := e.Due, &free
		if e.Owner != "" {
			at, first = e.Until, &leased
		}
		if !e.Blocked && (first.IsZero() || at.Before(*first)) {
			*first = at
		}
	}
	if _, paused := v.pauses[s]; paused {
		free, leased = time.Time{}, time.Time{}
	}
	return free, leased, int64(len(found)), nil
}

func (v *view) EventsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Event, time.Time) bool) ([]core.Event, error) {
	return v.events.sorted(limit, func(e *core.Event) bool {
		var last time.Time
		ds, _ := v.Deliveries(s, e.ID)
		for _, d := range ds {
			last = d.At
		}
		return e.Scope == s && e.State == ledger.Pending && !e.Blocked && e.Due.After(after) && want(e, last)
	}, nil)
}

func (v *view) ChargesAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Charge) bool) ([]core.Charge, error) {
	return v.charges.sorted(limit, func(c *core.Charge) bool { return c.Scope == s && c.NextQuery.After(after) && want(c) }, nil)
}
func (v *view) RefundsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Refund) bool) ([]core.Refund, error) {
	return v.refunds.sorted(limit, func(re *core.Refund) bool { return re.Scope == s && re.NextQuery.After(after) && want(re) }, nil)
}
func (v *view) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return v.charges.one(func(c *core.Charge) bool { return c.Scope == s && id != "" && c.ID == id })
}
func (v *view) Attempts(s ledger.Scope, orderNo string) ([]core.Charge, error) {
	return v.charges.where(func(c *core.Charge) bool { return c.Scope == s && orderNo != "" && c.OrderNo == orderNo })
}
func (v *view) Payable(s ledger.Scope, payer string, now time.Time) ([]core.Charge, error) {
	return v.charges.where(func(c *core.Charge) bool {
		return c.Scope == s && c.Payer == payer && c.State == ledger.Open && !c.Paid && !c.Reversed && c.Lapses().After(now)
	})
}
func (v *view) ChargesCreated(s ledger.Scope, from, to time.Time, after string, limit int) ([]core.Charge, error) {
	return v.charges.sorted(limit, func(c *core.Charge) bool {
		return c.Scope == s && c.State == ledger.Open && !c.Created.Before(from) && c.Created.Before(to) && c.ID > after
	}, func(a, b core.Charge) int { return strings.Compare(a.ID, b.ID) })
}

func (v *view) RefundsOf(s ledger.Scope, orderNo string) ([]core.Refund, error) {
	return v.refunds.where(func(re *core.Refund) bool { return re.Scope == s && orderNo != "" && re.OrderNo == orderNo })
}
func (v *view) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return v.refunds.where(func(re *core.Refund) bool { return re.Scope == s && re.ChargeID == chargeID })
}

func (v *view) Login(key []byte, now int64) ([]byte, error) {
	if l, ok := v.logins[string(key)]; ok && l.Expires > now {
		return l.Identity, nil
	}
	return nil, nil
}

func (v *view) OldBodies(after int64, limit int) ([]core.Event, error) {
	return v.events.sorted(limit, func(e *core.Event) bool { return e.Seq > after && e.HasBody }, nil)
}
func (v *view) OldAnswers(after int64, limit int) ([]core.Charge, error) {
	return v.charges.sorted(limit, func(c *core.Charge) bool { return c.Seq > after && c.Raw != nil }, nil)
}
func (v *view) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return v.refunds.where(func(r *core.Refund) bool {
		return r.Scope == s && (id != "" && r.ID == id || refundNo != "" && r.RefundNo == refundNo)
	})
}

type tx struct {
	*view
	opened core.Opening
	topics []ledger.Topic
}

func (t *tx) Lock(ledger.Scope, core.Thing, string) error { return nil } // there is one transaction at a time
func (t *tx) Touch(topic ledger.Topic)                    { t.topics = append(t.topics, topic) }
func (t *tx) Opened() core.Opening                        { return t.opened }

func (t *tx) Books(s ledger.Scope, q core.Question) (b core.Books, err error) {
	b.Quote = t.quotes[ledger.OrderTopic(s, q.OrderNo)]
	for _, e := range t.lane(s, q.Lane) {
		b.Lane = append(b.Lane, core.Place{Seq: e.Seq, Rank: e.Rank, Created: e.Created, Blocked: e.Blocked})
	}
	b.Charges, err = t.charges.where(func(c *core.Charge) bool {
		return c.Scope == s && (q.OrderNo != "" && c.OrderNo == q.OrderNo || q.ChargeID != "" && c.ID == q.ChargeID ||
			q.Number != "" && c.Number == q.Number && c.State != ledger.Foreign)
	})
	return b, err
}

func (t *tx) AddEvent(e *core.Event) (added bool, err error) {
	seen, err := t.EffectSeen(e.Scope, e.ObjectID, e.Type)
	if same, _ := t.Event(e.Scope, e.ID); same != nil || e.Claims && seen {
		return false, err
	}
	e.Seq = t.next()
	t.events.add(e.Seq, keepEvent(*e))
	return true, nil
}

func (t *tx) EventAt(_ ledger.Scope, seq int64) (*core.Event, error) {
	return t.events.one(func(e *core.Event) bool { return e.Seq == seq })
}
func (t *tx) SetEvent(e *core.Event) error { return t.events.set(e.Seq, keepEvent(*e)) }

// alter changes one event.
func (t *tx) alter(seq int64, change func(*core.Event)) error {
	e, _ := t.EventAt(ledger.Scope{}, seq)
	change(e)
	return t.SetEvent(e)
}

func (t *tx) SetBlocked(seq int64, blocked bool) error {
	return t.alter(seq, func(e *core.Event) { e.Blocked = blocked })
}

func (t *tx) lane(s ledger.Scope, lane string) []core.Event {
	es, _ := t.events.sorted(math.MaxInt, func(e *core.Event) bool {
		return e.Scope == s && lane != "" && e.Lane == lane && e.State == ledger.Pending
	}, func(a, b core.Event) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), a.Created.Compare(b.Created), cmp.Compare(a.Seq, b.Seq))
	})
	return es
}

func (t *tx) Sent(e *core.Event) (sent, heard bool, err error) {
	ds, err := t.Deliveries(e.Scope, e.ID)
	return len(ds) > 0, slices.ContainsFunc(ds, func(d ledger.Delivery) bool { return d.State == ledger.Delivered }), err
}
func (t *tx) EffectSeen(s ledger.Scope, objectID, kind string) (bool, error) {
	e, err := t.events.one(func(e *core.Event) bool { return e.Scope == s && e.Claims && e.ObjectID == objectID && e.Type == kind })
	return e != nil, err
}
func (t *tx) Unreadable(s ledger.Scope, objectID, kind string) ([]core.Event, error) {
	return t.events.where(func(e *core.Event) bool {
		return e.Scope == s && e.ObjectID == objectID && e.Type == kind && e.Unreadable()
	})
}

func (t *tx) Withheld(s ledger.Scope, chargeID string) ([]core.Event, error) {
	return t.events.where(func(e *core.Event) bool { return e.Scope == s && e.ChargeID == chargeID && e.Withheld() })
}
func (t *tx) PendingRefunds(s ledger.Scope, lane, chargeID string) ([]core.Event, error) {
	return slices.DeleteFunc(t.lane(s, lane), func(e core.Event) bool { return e.ChargeID != chargeID || !e.OfRefund() }), nil
}

func (t *tx) Claim(c ledger.Claim, leases core.Span) (es []ledger.Event, err error) {
	_, paused := t.pauses[c.Scope]
	due, err := t.events.sorted(c.Limit, func(e *core.Event) bool { return e.Scope == c.Scope && !paused && e.Claimable(c, leases) },
		func(a, b core.Event) int { return a.Due.Compare(b.Due) })
	for _, e := range due {
		e.Owner, e.Until = c.Owner, c.Until
		es = append(es, e.Event)
		err = t.SetEvent(&e)
	}
	return es, err
}

func (t *tx) Leases(s ledger.Scope, owner string) (ls []core.Lease, err error) {
	es, err := t.events.where(func(e *core.Event) bool { return e.Scope == s && e.Owner == owner })
	for _, e := range es {
		ls = append(ls, core.Lease{Seq: e.Seq, EventID: e.ID, Until: e.Until})
	}
	return ls, err
}

func (t *tx) SetLease(l core.Lease) error {
	return t.alter(l.Seq, func(e *core.Event) { e.Until = l.Until })
}

func (t *tx) Settle(s ledger.Scope, id, owner string, o core.Outcome) (*core.Settled, error) {
	e, _ := t.Event(s, id)
	if e == nil || e.State != ledger.Pending || owner == "" || e.Owner != owner {
		return nil, nil
	}
	behind := slices.ContainsFunc(t.lane(s, e.Lane), func(other core.Event) bool { return other.Blocked && other.Seq != e.Seq })
	if o.Counted {
		e.Attempts, e.Tries = e.Attempts+1, e.Tries+1
	}
	if o.State == ledger.Delivered {
		e.Acks++
	}
	e.State, e.Due, e.Back, e.Settled, e.Owner, e.Until = o.State, o.Due, o.Back, o.Settled, "", time.Time{}
	return &core.Settled{Seq: e.Seq, Lane: e.Lane, Blocked: e.Blocked, Behind: behind}, t.SetEvent(e)
}

func (t *tx) AddDelivery(_ int64, d *ledger.Delivery) error {
	kept := *d
	kept.Took = d.Took.Truncate(time.Microsecond)
	keep(&kept.At, &kept.Due)
	t.deliveries.add(t.next(), kept)
	return nil
}

func (t *tx) Waiting(s ledger.Scope, limit int) ([]core.Event, error) {
	return t.events.sorted(limit, func(e *core.Event) bool { return e.Scope == s && e.Waits() }, nil)
}
func (t *tx) DropBody(e *core.Event) error {
	return t.alter(e.Seq, func(e *core.Event) { e.Body, e.Signature = nil, "" })
}
func (t *tx) Forsaken(s ledger.Scope, leases core.Span) ([]core.Charge, error) {
	return t.charges.where(func(c *core.Charge) bool {
		return c.Scope == s && c.State == ledger.Reserving && !leases.InUse(c.ReservedUntil)
	})
}

func (t *tx) AddCharge(c *core.Charge) (added bool, err error) {
	if c.State != ledger.Reserving && c.State != ledger.Foreign {
		return false, fmt.Errorf("an attempt is added that is %s", c.State)
	}
	if taken, _ := t.Numbered(c.Scope, c.Number); taken != nil && c.State != ledger.Foreign {
		return false, nil
	}
	c.Seq = t.next()
	row := keepCharge(*c)
	row.Raw = nil
	t.charges.add(c.Seq, row)
	return true, nil
}

func (t *tx) Numbered(s ledger.Scope, number string) (*core.Charge, error) {
	return t.charges.one(func(c *core.Charge) bool { return c.Scope == s && c.Number == number && c.State != ledger.Foreign })
}

// SetCharge, as SetAttempt, leaves Raw to SetAnswer.
func (t *tx) SetCharge(c *core.Charge) error {
	row := keepCharge(*c)
	was, _ := t.charges.one(func(o *core.Charge) bool { return o.Seq == c.Seq })
	row.Raw = was.Raw
	return t.charges.set(c.Seq, row)
}

func (t *tx) SetAttempt(c *core.Charge) error { return t.SetCharge(c) }

func (t *tx) SetAnswer(c *core.Charge) error {
	row, _ := t.charges.one(func(o *core.Charge) bool { return o.Seq == c.Seq })
	row.Raw = c.Raw
	return t.charges.set(c.Seq, *row)
}

func (t *tx) DropCharge(c *core.Charge) error { return t.charges.drop(c.Seq) }
func (t *tx) SetQuote(s ledger.Scope, orderNo string, q ledger.Quote) error {
	keep(&q.At)
	t.quotes[ledger.OrderTopic(s, orderNo)] = q
	return nil
}

func (t *tx) DueQueries(c ledger.QueryClaim, leases core.Span) ([]core.Charge, error) {
	return t.charges.sorted(c.Limit, func(a *core.Charge) bool { return a.Scope == c.Scope && a.Due(c, leases) }, func(a, b core.Charge) int {
		if c.Kind == ledger.QueryFirst {
			a, b = b, a
		}
		return cmp.Or(a.NextQuery.Compare(b.NextQuery), cmp.Compare(a.Seq, b.Seq))
	})
}

func (t *tx) AddRefund(r *core.Refund) error {
	r.Seq = t.next()
	t.refunds.add(r.Seq, keepRefund(*r))
	return nil
}

func (t *tx) SetRefund(r *core.Refund) error  { return t.refunds.set(r.Seq, keepRefund(*r)) }
func (t *tx) DropRefund(r *core.Refund) error { return t.refunds.drop(r.Seq) }
func (t *tx) DueRefunds(c ledger.QueryClaim, leases core.Span) ([]core.Refund, error) {
	return t.refunds.sorted(c.Limit, func(r *core.Refund) bool { return r.Scope == c.Scope && r.Due(c, leases) },
		func(a, b core.Refund) int { return a.NextQuery.Compare(b.NextQuery) })
}
func (t *tx) Sweep(s ledger.Scope) (core.Sweep, error) { return t.sweeps[s], nil }
func (t *tx) SetSweep(s ledger.Scope, w core.Sweep) error {
	keep(&w.Compared, &w.Until)
	t.sweeps[s] = w
	return nil
}

func (t *tx) FirstCharge(s ledger.Scope) (time.Time, error) {
	cs, err := t.charges.sorted(1, func(c *core.Charge) bool { return c.Scope == s && c.State == ledger.Open && !c.Created.IsZero() },
		func(a, b core.Charge) int { return a.Created.Compare(b.Created) })
	if len(cs) == 0 {
		return time.Time{}, err
	}
	return cs[0].Created, err
}

func (t *tx) SaveLogin(l ledger.Login, _ int) error {
	maps.DeleteFunc(t.logins, func(_ string, o ledger.Login) bool { return o.Expires <= l.Now })
	t.logins[string(l.Key)] = l
	return nil
}

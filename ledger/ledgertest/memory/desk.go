package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// AtOnce needs to do nothing: a view is of one moment.
func (v *view) AtOnce(read func() error) error { return read() }

// run is rows as a list, newest first.
func run[T any](rows []T, mark func(*T) core.Mark) []core.Part[T] {
	slices.SortFunc(rows, func(a, b T) int { return mark(&a).Compare(mark(&b)) })
	return []core.Part[T]{core.Once(rows, mark)}
}

func markAt(t time.Time, seq int64) core.Mark {
	if t.IsZero() {
		return core.Mark{Seq: seq}
	}
	return core.Mark{At: t.UnixMilli(), Seq: seq}
}

func (v *view) EventParts(f ledger.Filter) ([]core.Part[ledger.Event], error) {
	found, err := v.events.where(func(e *core.Event) bool {
		payment, _ := v.charges.one(func(c *core.Charge) bool { return c.Scope == f.Scope && c.OrderNo == f.OrderNo && c.Payment == e.Seq })
		return e.Scope == f.Scope && (f.OrderNo == "" || e.OrderNo == f.OrderNo || payment != nil)
	})
	var es []ledger.Event
	for _, e := range found {
		e.Body, e.Signature = nil, ""
		es = append(es, e.Event)
	}
	return run(es, func(e *ledger.Event) core.Mark { return core.Mark{Seq: e.Seq} }), err
}

func (v *view) ChargeParts(f ledger.ChargeFilter, states []ledger.AttemptState) ([]core.Part[core.Charge], error) {
	cs, err := v.bare(func(c *core.Charge) bool {
		return c.Scope == f.Scope && (f.OrderNo == "" || c.OrderNo == f.OrderNo) && slices.Contains(states, c.State)
	})
	return run(cs, func(c *core.Charge) core.Mark { return markAt(c.Created, c.Seq) }), err
}

func (v *view) RefundParts(f ledger.RefundFilter) ([]core.Part[core.Refund], error) {
	rs, err := v.refunds.where(func(r *core.Refund) bool { return r.Scope == f.Scope })
	return run(rs, func(r *core.Refund) core.Mark { return markAt(r.Created, r.Seq) }), err
}

func (v *view) AuditParts(f ledger.AuditFilter) ([]core.Part[ledger.Decided], error) {
	ds, err := v.audit.where(func(d *ledger.Decided) bool { return d.Scope == f.Scope && (f.EventID == "" || d.EventID == f.EventID) })
	return run(ds, func(d *ledger.Decided) core.Mark { return markAt(d.Now, d.Seq) }), err
}

// bare returns charges without their answers.
func (v *view) bare(want func(*core.Charge) bool) ([]core.Charge, error) {
	cs, err := v.charges.where(want)
	for i := range cs {
		cs[i].Raw = nil
	}
	return cs, err
}

func (v *view) OrderAttempts(s ledger.Scope, orderNo string, limit int) ([]core.Charge, error) {
	cs, err := v.bare(func(c *core.Charge) bool { return c.Scope == s && c.OrderNo == orderNo })
	return cs[:min(limit, len(cs))], err
}

func (v *view) LastAttempts(s ledger.Scope, orderNo string, limit int) ([]core.Charge, error) {
	cs, err := v.bare(func(c *core.Charge) bool { return c.Scope == s && c.OrderNo == orderNo })
	return cs[max(0, len(cs)-limit):], err
}

func (v *view) LastDeliveries(e *ledger.Event, limit int) ([]ledger.Delivery, error) {
	ds, err := v.Deliveries(e.Scope, e.ID)
	return ds[max(0, len(ds)-limit):], err
}

func (v *view) Quote(s ledger.Scope, orderNo string) (*ledger.Quote, error) {
	q, ok := v.quotes[ledger.OrderTopic(s, orderNo)]
	if !ok {
		return nil, nil
	}
	return &q, nil
}

func (v *view) Find(s ledger.Scope, name string) (found []ledger.Found, _ error) {
	add := func(k ledger.Kind, id, orderNo string) {
		found = append(found, ledger.Found{Kind: k, ID: id, OrderNo: orderNo})
	}
	order := false
	_, order = v.quotes[ledger.OrderTopic(s, name)]
	for _, row := range v.charges {
		c := row.is
		if c.Scope != s {
			continue
		}
		id := cmp.Or(c.ID, c.Number)
		order = order || c.OrderNo == name
		if c.Number == name && c.Number != c.OrderNo {
			add(ledger.KindNumber, id, c.OrderNo)
		}
		if c.ID == name {
			add(ledger.KindCharge, id, c.OrderNo)
		}
		if c.TransactionNo == name {
			add(ledger.KindTransaction, id, c.OrderNo)
		}
	}
	for _, row := range v.events {
		e := row.is
		if e.Scope != s {
			continue
		}
		order = order || e.OrderNo == name
		if e.ID == name {
			add(ledger.KindEvent, e.ID, e.OrderNo)
		}
		if e.Claims && e.ObjectID == name {
			add(ledger.KindObject, e.ID, e.OrderNo)
		}
	}
	for _, row := range v.refunds {
		re := row.is
		if re.Scope != s {
			continue
		}
		order = order || re.OrderNo == name
		if re.ChargeID == name {
			add(ledger.KindCharge, re.ChargeID, re.OrderNo)
		}
		if re.RefundNo == name {
			add(ledger.KindRefundNo, re.RefundNo, re.OrderNo)
		}
		if re.ID == name {
			add(ledger.KindRefund, re.ID, re.OrderNo)
		}
	}
	if order {
		add(ledger.KindOrder, name, name)
	}
	return found, nil
}

func (v *view) Figures(s ledger.Scope) (*ledger.Figures, error) {
	f := &ledger.Figures{Events: make(map[ledger.State]int64), Swept: v.sweeps[s].Compared}
	for _, row := range v.events {
		e := row.is
		if e.Scope != s {
			continue
		}
		f.Events[e.State]++
		if e.State == ledger.Pending && f.OldestPending.IsZero() {
			f.OldestPending = e.Received
		}
		if e.AtRisk() {
			f.AtRisk += e.Money
			f.AtRiskEvents++
			f.OldestAtRisk = earliest(f.OldestAtRisk, e.Received)
		}
	}
	for _, row := range v.shipments {
		if p := row.is; p.Scope == s && p.State.Frozen() {
			f.Frozen += p.StoredFen
			f.FrozenShipments++
		}
	}
	if p, paused := v.pauses[s]; paused {
		f.Paused = &p
	}
	return f, nil
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// hour is whose it is, and when it begins.
type hour struct {
	scope ledger.Scope
	at    time.Time
}

func (v *view) Hours(s ledger.Scope, from, to time.Time) (hours []ledger.Hour, _ error) {
	for at, h := range v.hours {
		if at.scope == s && !h.At.Before(from) && h.At.Before(to) {
			hours = append(hours, h)
		}
	}
	slices.SortFunc(hours, func(a, b ledger.Hour) int { return a.At.Compare(b.At) })
	return hours, nil
}

func (t *tx) AddAudit(e *core.Event, d *ledger.Decision) error {
	kept := ledger.Decided{Decision: *d, Seq: t.next()}
	keep(&kept.Now)
	if e != nil {
		kept.OrderNo, kept.Was = e.OrderNo, e.State
	}
	if d.Run != "" {
		t.decisions.add(t.next(), decision{d.Run, e.Seq})
	}
	t.audit.add(kept.Seq, kept)
	return nil
}

func (t *tx) Tally(s ledger.Scope, at time.Time, what string, n int64) {
	key := hour{s, core.HourOf(at)}
	h := t.hours[key]
	h.At = key.at
	core.Add(&h, what, n)
	t.hours[key] = h
}

func (v *view) TalliedSince(s ledger.Scope) (time.Time, error) { return v.tallied[s], nil }

func (t *tx) SetTalliedSince(s ledger.Scope, hour time.Time) error {
	t.tallied[s] = core.Kept(hour)
	return nil
}

func (t *tx) Pause(s ledger.Scope) (*ledger.Pause, error) {
	if p, paused := t.pauses[s]; paused {
		return &p, nil
	}
	return nil, nil
}

func (t *tx) SetPause(s ledger.Scope, p *ledger.Pause) error {
	if p == nil {
		delete(t.pauses, s)
		return nil
	}
	kept := *p
	keep(&kept.Since)
	t.pauses[s] = kept
	return nil
}

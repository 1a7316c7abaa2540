package sqlite

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These, with those of write_charges.go and write_refunds.go, are core.Tx.

// Lock has nothing to do: there is one transaction at a time, in all processes.
func (t *tx) Lock(ledger.Scope, core.Thing, string) error { return nil }

func (t *tx) Touch(topic ledger.Topic) { t.topics = append(t.topics, topic) }

func (t *tx) Opened() core.Opening { return t.opened }

func (t *tx) AddEvent(e *core.Event) (added bool, err error) {
	scope, err := t.addScope(e.Scope)
	if err != nil {
		return false, err
	}
	rows, seq, err := t.change(sqlAddEvent, scope, e.ID, e.Type, e.ObjectID, e.Claims, e.ByCharge, e.ChargeID, e.Number, e.OrderNo,
		e.Lane, e.Rank, string(e.Source), millis(e.Created), millis(e.Received), e.Host, e.TraceParent, string(e.State),
		encodeReasons(e.Reasons), e.Late, millis(e.Due), millis(e.Settled), e.Blocked, e.Money, nullable(e.Owner), millis(e.Until))
	if err != nil || rows == 0 {
		return false, err
	}
	e.Seq = seq
	if t.event == 0 {
		t.event = seq
	}
	t.last = seq
	t.count(scope, "", e.State)
	t.weigh(scope, 0, e.Risk())
	if e.Body != nil {
		err = t.set(sqlAddBody, seq, e.Signature, e.Body)
	}
	return true, err
}

func (t *tx) Event(s ledger.Scope, id string) (*core.Event, error) {
	return one(&t.session, readEventRow, sqlEventRow, s, id)
}

func (t *tx) EventAt(s ledger.Scope, seq int64) (*core.Event, error) {
	return one(&t.session, readEventRow, sqlEventAt, s, seq)
}

func (t *tx) SetEvent(e *core.Event) error {
	scope, err := t.scope(e.Scope)
	if err != nil {
		return err
	}
	t.count(scope, e.Stored, e.State)
	t.weigh(scope, e.Risked, e.Risk())
	e.Stored, e.Risked = e.State, e.Risk()
	return t.set(sqlSetEvent, string(e.State), encodeReasons(e.Reasons), e.Replay, e.Attempts, e.Tries, millis(e.Due), millis(e.Back), millis(e.Settled),
		e.Blocked, nullable(e.Owner), millis(e.Until), e.Money, e.Acks, e.ByCharge, e.Seq)
}

func (t *tx) SetBlocked(seq int64, blocked bool) error { return t.set(sqlSetBlocked, blocked, seq) }

func (t *tx) Sent(e *core.Event) (sent, heard bool, err error) {
	err = t.run(sqlSent, func(r *row) { sent, heard = r.flag(), r.flag() }, e.Seq)
	return sent, heard, err
}

func (t *tx) EffectSeen(s ledger.Scope, objectID, kind string) (bool, error) {
	scope, err := t.scope(s)
	if err != nil {
		return false, err
	}
	n, err := t.number(sqlEffectSeen, scope, objectID, kind)
	return n != 0, err
}

func (t *tx) Unreadable(s ledger.Scope, objectID, kind string) ([]core.Event, error) {
	return list(&t.session, readEventRow, sqlUnreadable, s, objectID, kind)
}

func (t *tx) Withheld(s ledger.Scope, chargeID string) ([]core.Event, error) {
	return list(&t.session, readEventRow, sqlWithheld, s, chargeID)
}

func (t *tx) PendingRefunds(s ledger.Scope, lane, chargeID string) ([]core.Event, error) {
	return list(&t.session, readEventRow, sqlPendingRefunds, s, lane, chargeID)
}

func (t *tx) Claim(c ledger.Claim, leases core.Span) (es []ledger.Event, err error) {
	scope, err := t.scope(c.Scope)
	if err != nil {
		return nil, err
	}
	t.dirty = true
	err = t.run(sqlClaim, func(r *row) {
		e := readEvent(r, c.Scope)
		es = append(es, e)
		t.force = t.force || e.Seq > t.disk.Forced()
	}, c.Owner, millis(c.Until), scope, millis(c.Now), millis(leases.Now), millis(leases.Far), t.unforced(), c.Limit)
	if err == nil && t.force { // another process has recorded it, and may be waiting for the disk
		t.last, err = t.number(sqlLast)
	}
	return es, err
}

// unforced is the first event of ours that may not be on disk, this transaction's included. It is asked for by each claim: whoever is told that an event is
// on disk now may find a transaction that began before that.
func (t *tx) unforced() int64 {
	first := t.disk.Unforced()
	if t.event != 0 {
		first = min(first, t.event)
	}
	return first
}

func (t *tx) Leases(s ledger.Scope, owner string) ([]core.Lease, error) {
	return list(&t.session, func(r *row, _ ledger.Scope) core.Lease {
		return core.Lease{Seq: r.number(), EventID: r.text(), Until: r.time()}
	}, sqlLeases, s, owner)
}

func (t *tx) SetLease(l core.Lease) error { return t.set(sqlSetLease, millis(l.Until), l.Seq) }

func (t *tx) Settle(s ledger.Scope, id, owner string, o core.Outcome) (*core.Settled, error) {
	scope, err := t.scope(s)
	if err != nil {
		return nil, err
	}
	counted := 0
	if o.Counted {
		counted = 1
	}
	dirty := t.dirty
	t.dirty = true
	var did *core.Settled
	var e core.Event
	settle := func(text string, more ...any) error {
		return t.run(text, func(r *row) {
			did = &core.Settled{Seq: r.number(), Lane: r.text(), Blocked: r.flag(), Behind: r.flag(), Listed: text == sqlSettleAtOnce}
			e.Money, e.Acks, e.State = r.number(), r.count(), o.State
		}, append([]any{string(o.State), counted, millis(o.Due), millis(o.Settled), scope, id, owner, millis(o.Back)}, more...)...)
	}
	if d := o.AtOnce; d != nil {
		err = settle(sqlSettleAtOnce, millis(d.At), d.Took.Microseconds(), d.Status, d.Snippet)
	}
	if did == nil && err == nil {
		err = settle(sqlSettle)
	}
	if err != nil {
		return nil, err
	}
	if did == nil {
		t.dirty = dirty
		return nil, nil
	}
	t.count(scope, ledger.Pending, o.State)
	is := e.Risk()
	if e.State = ledger.Pending; o.State == ledger.Delivered {
		e.Acks--
	}
	t.weigh(scope, e.Risk(), is)
	return did, nil
}

func (t *tx) AddDelivery(seq int64, d *ledger.Delivery) error {
	return t.set(sqlAddDelivery, seq, d.Attempt, millis(d.At), d.Took.Microseconds(), d.Status, d.Error, d.Snippet, string(d.State), millis(d.Due),
		d.Uncounted)
}

func (t *tx) Waiting(s ledger.Scope, limit int) ([]core.Event, error) {
	return list(&t.session, readEventRow, sqlWaiting, s, limit)
}

func (t *tx) AddAudit(e *core.Event, d *ledger.Decision) error {
	scope, err := t.addScope(d.Scope)
	if err != nil {
		return err
	}
	if e == nil {
		e = &core.Event{}
	}
	return t.set(sqlAddAudit, scope, e.Seq, millis(d.Now), string(d.Action), string(e.State), d.By, d.Said, d.Reason, d.Run)
}

func (t *tx) DropBody(e *core.Event) error { return t.set(sqlDropBody, e.Seq) }

var _ core.Tx = (*tx)(nil)

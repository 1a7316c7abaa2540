package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Append implements [ledger.Events].
//
// Every recorded event claims its effect, whatever its state: one that is held or filtered has changed its charge too, and a
// second event of the same effect must neither add its refund again nor be held again.
func (l *Ledger) Append(ctx context.Context, e *ledger.Event) (did ledger.Appended, err error) {
	if err := checkEvent(e); err != nil {
		return "", err
	}
	var recorded Event
	err = l.store.Write(ctx, func(t Tx) error {
		recorded = Event{Event: *e} // a copy: this may run twice
		did, err = record(t, &recorded)
		return err
	})
	if err != nil {
		return "", err
	}
	if did != ledger.Duplicate {
		e.Seq, e.State, e.Reasons, e.Late, e.Money = recorded.Seq, recorded.State, recorded.Reasons, recorded.Late, recorded.Money
		e.OrderNo, e.Lane, e.Host = recorded.OrderNo, recorded.Lane, recorded.Host
	}
	e.Lease = recorded.granted()
	return did, nil
}

func checkEvent(e *ledger.Event) error {
	if err := checkScope(e.Scope); err != nil {
		return err
	}
	if e.ID == "" {
		return errors.New("ledger: an event needs an id")
	}
	if isPayment(e) && e.Payment == nil && e.Change != nil && e.Change.Paid {
		return fmt.Errorf("ledger: event %s says that its charge is paid but not what was paid; fill in Payment", e.ID)
	}
	switch e.State {
	case ledger.Pending, ledger.Held, ledger.Filtered:
		return nil
	}
	return fmt.Errorf("ledger: event %s arrives in state %q; use pending, held or filtered", e.ID, e.State)
}

// Append records an event in a transaction that an engine's own test has begun, checks it and books what it says. It fills in what [ledger.Events] says that Append fills in.
func Append(t Tx, e *ledger.Event) (ledger.Appended, error) {
	row := Event{Event: *e}
	did, err := record(t, &row)
	*e = row.Event
	e.Lease = row.granted()
	return did, err
}

func record(t Tx, e *Event) (ledger.Appended, error) {
	b, err := lookUp(t, &e.Event)
	if err != nil {
		return "", err
	}
	if isUnreadable(&e.Event) {
		return recordUnreadable(t, b, e)
	}
	if b.seen() {
		return recordSameEffect(t, e)
	}
	if e.Lease.Owner != "" {
		pause, err := t.Pause(e.Scope)
		if err != nil {
			return "", err
		}
		if pause != nil {
			e.Lease = ledger.Lease{}
		}
	}
	settled, due := e.Settled, e.Due
	overtakes := b.overtakes(&e.Event)
	b.judge(&e.Event)
	b.enter(e)
	e.Money = b.money(&e.Event)
	added, err := t.AddEvent(e)
	if err != nil {
		return "", err
	}
	if !added {
		e.Claims, e.ByCharge, e.Settled, e.Due = false, false, settled, due
		e.Owner, e.Until = "", time.Time{}
		return recordSameEffect(t, e)
	}
	if e.State == ledger.Pending {
		if err := stepBack(t, b.behind); err != nil {
			return "", err
		}
		if e.Owner == "" {
			t.Touch(ledger.EventsTopic(e.Scope))
		}
	}
	tallyMoney(t, e, e.Money)
	if err := book(t, b, e); err != nil {
		return "", err
	}
	if e.Ships {
		if err := ship(t, b, e); err != nil {
			return "", err
		}
	}
	if overtakes {
		err = overtake(t, e)
	}
	return ledger.Recorded, err
}

// lookUp reads what the checks and the lane need. Where our own record of the charge knows better than the event, the event
// takes order number, lane and host from it.
func lookUp(t Tx, e *ledger.Event) (*books, error) {
	b := newBooks(e)
	for {
		q := question(e)
		if q == (Question{}) {
			return b, nil
		}
		if err := lock(t, e.Scope, q); err != nil {
			return nil, err
		}
		known, err := t.Books(e.Scope, q)
		if err != nil {
			return nil, err
		}
		b.open(known, q, e)
		if !b.correct(e) {
			b.ahead, b.behind = (&Event{Event: ledger.Event{Rank: e.Rank, Created: e.Created}}).queue(foremost(known.Lane))
			return b, nil
		}
	}
}

func lock(t Tx, s ledger.Scope, q Question) error {
	for _, k := range [...]struct {
		what Thing
		name string
	}{{AnOrder, q.OrderNo}, {AnOrder, q.Lane}, {ACharge, q.ChargeID}} {
		if k.name == "" {
			continue
		}
		if err := t.Lock(s, k.what, k.name); err != nil {
			return err
		}
	}
	return nil
}

// recordSameEffect records an event whose effect another has, unless its id is recorded too. What it says about its charge is
// dropped.
func recordSameEffect(t Tx, e *Event) (ledger.Appended, error) {
	e.State, e.Reasons, e.Late, e.Money = ledger.Filtered, []string{ledger.ReasonEffectSeen}, "", 0
	e.schedule(false)
	added, err := t.AddEvent(e)
	if !added {
		return ledger.Duplicate, err
	}
	return ledger.SameEffect, err
}

// recordUnreadable records an event that cannot be read, unless what it is about has been heard already. An event about money that cannot be read
// has no effect: nobody knows what it would be. It waits for a person, and the hold of its charge says so, until the same thing is heard in a form
// that can be read. What is heard twice in this way is delivered once.
func recordUnreadable(t Tx, b *books, e *Event) (ledger.Appended, error) {
	c := b.charge
	if !isPayment(&e.Event) || e.ChargeID == "" {
		c = nil
	}
	seen := c != nil && c.Payment != 0
	if !seen && e.ObjectID != "" {
		var err error
		if seen, err = t.EffectSeen(e.Scope, e.ObjectID, e.Type); err != nil {
			return "", err
		}
	}
	if seen {
		return recordSameEffect(t, e)
	}
	e.schedule(false)
	added, err := t.AddEvent(e)
	if err != nil {
		return "", err
	}
	if !added {
		return ledger.Duplicate, nil
	}
	if c != nil && c.ID == e.ChargeID && e.State == ledger.Held {
		if c.Hold == NotHeld {
			c.Hold = Unread
			err = t.SetCharge(c)
		}
		t.Touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	}
	return ledger.Recorded, err
}

// overtake filters the event that could not be read, once its effect has come in another one. Refunds that waited for it go on if that does.
func overtake(t Tx, e *Event) error {
	unread, err := t.Unreadable(e.Scope, e.ObjectID, e.Type)
	if err != nil {
		return err
	}
	for i := range unread {
		u := &unread[i]
		u.Reasons = []string{ledger.ReasonEffectSeen}
		u.end(ledger.Filtered, e.Received)
		if err := t.SetEvent(u); err != nil {
			return err
		}
	}
	if len(unread) > 0 && isPayment(&e.Event) && e.State != ledger.Held && e.State != ledger.Discarded {
		return reviveRefunds(t, e.Scope, e.ChargeID, e.Received)
	}
	return nil
}

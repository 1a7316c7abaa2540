package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/caddypay/caddypay/ledger"
)

const (
	hasEffect = ` EXISTS (SELECT 1 FROM charges AS c WHERE c.scope = events.scope AND c.id = events.charge_id AND c.payment = events.seq)`

	sqlDecideOn = `SELECT seq, state, charge_id,` + hasEffect + `, lane, reasons, owner IS NOT NULL AND until > ? AND until <= ?,
		EXISTS (SELECT 1 FROM bodies WHERE event = seq) FROM events WHERE scope = ? AND id = ?`
	sqlPending = `UPDATE events SET state = 'pending', reasons = ?, tries = 0, replay = max(replay, ?), due = ?, settled = 0, blocked = 0,
		owner = NULL, until = 0 WHERE seq = ?`
	// A lease that is over because it ends too far ahead ends here too. Its owner stays: something may have been sent.
	sqlAtOnce  = `UPDATE events SET due = min(due, ?1), until = CASE WHEN until > ?2 THEN 0 ELSE until END WHERE seq = ?3`
	sqlDiscard = `UPDATE events SET state = 'discarded', due = 0, settled = ?, owner = NULL, until = 0 WHERE seq = ?`
	// Revived refunds begin blocked; their lane is put in order after that.
	sqlRevive = `UPDATE events SET state = 'pending', reasons = '', tries = 0, due = ?, settled = 0, blocked = lane <> ''
		WHERE scope = ? AND charge_id = ? AND state = 'filtered' AND reasons = '["payment_held"]' AND EXISTS (SELECT 1 FROM bodies WHERE event = seq)
		RETURNING lane`
	sqlAddAudit = `INSERT INTO audit (event, at, action, state, by, said, reason) VALUES (?, ?, ?, ?, ?, ?, ?)`
)

// decided is an event that somebody decides about.
type decided struct {
	scope, seq    int64
	state         ledger.State
	chargeID      string
	payment       bool // it has the effect of its charge's success
	lane, reasons string
	leased, body  bool
}

// Decide implements [ledger.Events].
func (l *Ledger) Decide(ctx context.Context, d ledger.Decision) error {
	switch d.Action {
	case ledger.ActionReplay, ledger.ActionRelease, ledger.ActionDiscard:
	default:
		return fmt.Errorf("ledger: %q is nothing to decide about event %s; use replay, release or discard", d.Action, d.EventID)
	}
	leases := l.steps.leases(d.Now, ledger.LongestLease)
	return l.write(ctx, func(t *tx) error { return t.decide(d, leases) })
}

func (t *tx) decide(d ledger.Decision, leases span) error {
	scope, err := t.scope(d.Scope)
	if err != nil {
		return err
	}
	e := decided{scope: scope}
	err = t.row(sqlDecideOn, leases.now, leases.far, scope, d.EventID).Scan(&e.seq, &e.state, &e.chargeID, &e.payment, &e.lane, &e.reasons,
		&e.leased, &e.body)
	if err != nil {
		return err
	}
	if err := e.allows(d); err != nil {
		return err
	}
	if _, _, err := t.change(sqlAddAudit, e.seq, millis(d.Now), string(d.Action), string(e.state), d.By, d.Said, d.Reason); err != nil {
		return err
	}
	if !e.payment {
		if e.payment, err = t.decideUnread(d, e); err != nil {
			return err
		}
	}
	switch {
	case d.Action == ledger.ActionDiscard:
		return t.discard(d, e)
	case e.state == ledger.Pending:
		_, _, err := t.change(sqlAtOnce, millis(d.Now), leases.far, e.seq)
		t.touch(ledger.EventsTopic(d.Scope))
		return err
	}
	return t.revive(d, e)
}

// allows returns why the event's state does not allow the decision.
func (e *decided) allows(d ledger.Decision) error {
	refuse := func(why string) error { return fmt.Errorf("%w: %s is %s%s", ledger.ErrState, d.EventID, e.state, why) }
	switch d.Action {
	case ledger.ActionRelease:
		if e.state != ledger.Held {
			return refuse("; only a held event can be released")
		}
	case ledger.ActionReplay:
		if e.state == ledger.Held {
			return refuse("; release or discard it")
		}
		if !e.body {
			return refuse(" and its body has been pruned")
		}
	case ledger.ActionDiscard:
		if e.leased {
			return refuse(" and being delivered right now; try again in a moment")
		}
		if e.state != ledger.Held && e.state != ledger.Pending && e.state != ledger.Dead {
			return refuse("; only a held, pending or dead event can be discarded")
		}
	}
	return nil
}

// revive makes an event pending that is to be delivered after all, or again.
func (t *tx) revive(d ledger.Decision, e decided) error {
	reasons, err := decodeReasons(e.reasons)
	if err != nil {
		return err
	}
	// Why it was filtered is of no concern to the backend; which money check failed is.
	reasons = slices.DeleteFunc(reasons, func(r string) bool {
		return r == ledger.ReasonEffectSeen || r == ledger.ReasonType || r == ledger.ReasonUnpaid || r == ledger.ReasonNoApp
	})
	now := millis(d.Now)
	if _, _, err := t.change(sqlPending, encodeReasons(reasons), d.Action == ledger.ActionReplay, now, e.seq); err != nil {
		return err
	}
	t.count(e.scope, e.state, ledger.Pending)
	t.touch(ledger.EventsTopic(d.Scope))
	if err := t.reorder(d.Scope, e.scope, e.lane); err != nil {
		return err
	}
	return t.lift(d.Scope, e, now)
}

// lift ends the hold on a charge whose payment is delivered after all: its refunds are to be delivered too.
func (t *tx) lift(s ledger.Scope, e decided, now int64) error {
	if !e.payment {
		return nil
	}
	if err := t.setHold(s, e, notHeld); err != nil {
		return err
	}
	return t.reviveRefunds(s, e.scope, e.chargeID, now)
}

// reviveRefunds makes the refunds pending that were not to be delivered as long as their payment was not.
func (t *tx) reviveRefunds(s ledger.Scope, scope int64, chargeID string, now int64) error {
	lanes := make(map[string]bool)
	rows, err := t.returning(sqlRevive, now, scope, chargeID)
	err = each(rows, err, func(rows *sql.Rows) error {
		var lane string
		err := rows.Scan(&lane)
		lanes[lane] = true
		t.count(scope, ledger.Filtered, ledger.Pending)
		return err
	})
	for lane := range lanes {
		t.touch(ledger.EventsTopic(s))
		err = errors.Join(err, t.reorder(s, scope, lane))
	}
	return err
}

// discard decides against delivering an event. The refunds of a payment are not delivered then either, unless the backend has heard of it and
// only its replay is discarded.
func (t *tx) discard(d ledger.Decision, e decided) error {
	now := millis(d.Now)
	if _, _, err := t.change(sqlDiscard, now, e.seq); err != nil {
		return err
	}
	t.count(e.scope, e.state, ledger.Discarded)
	heard, err := t.heard(e)
	if err != nil {
		return err
	}
	if e.payment && !heard {
		if err := t.setHold(d.Scope, e, discarded); err != nil {
			return err
		}
		if err := t.withhold(d.Scope, e.scope, e.lane, e.chargeID, now); err != nil {
			return err
		}
	}
	return t.promote(d.Scope, e.scope, e.lane)
}

func (t *tx) setHold(s ledger.Scope, e decided, h hold) error {
	_, _, err := t.change(sqlHold, h, e.scope, e.chargeID)
	t.touch(ledger.ChargeTopic(s, e.chargeID))
	return err
}

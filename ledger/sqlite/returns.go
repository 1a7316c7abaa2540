package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlDiscardHeld = `UPDATE events SET state = 'discarded', settled = ?2, reasons = CASE WHEN reasons = '' THEN ?1 ELSE reasons END
		WHERE seq = ?3 AND state = 'held' RETURNING lane`
	// Once anything may have been sent the backend may know the payment, and has to hear of what became of it. What says so may have been lost:
	// with the last moments before a power failure, or with all that came after the backup that this ledger is. So only a payment that was made, and
	// recorded, since the ledger was opened was surely never sent.
	sqlDiscardUnsent = sqlDiscardUntried + ` AND seq > ?4
		AND EXISTS (SELECT 1 FROM charges AS c WHERE c.scope = events.scope AND c.id = events.charge_id AND c.time_paid > ?5) RETURNING lane`
	// Of a reversal nothing is announced: a backend that has heard of the payment learns nothing from hearing of it again.
	sqlDiscardReversed = sqlDiscardUntried + ` RETURNING lane`
	sqlDiscardUntried  = `UPDATE events SET state = 'discarded', due = 0, settled = ?2, blocked = 0, reasons = CASE WHEN reasons = '' THEN ?1 ELSE reasons END
		WHERE seq = ?3 AND state = 'pending' AND lane <> '' AND owner IS NULL AND replay = 0 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = seq)`
	sqlReturned = `SELECT payment, hold FROM charges WHERE scope = ? AND id = ? AND payment > 0`
)

// bookReturn sees to the payment of a charge whose money goes back with an event.
func (t *tx) bookReturn(b *books, e *ledger.Event, change ledger.ChargeChange) error {
	c, reason := b.charge, ""
	switch {
	case b.counts || c.payment == 0:
		return nil
	case change.Reversed:
		reason = ledger.ReasonReversed
	case change.Refund > 0 && c.paidAmount > 0 && c.refunded+change.Refund >= c.paidAmount:
		reason = ledger.ReasonRefunded
	default:
		return nil
	}
	did, err := t.returned(e.Scope, b.scope, c.payment, c.hold, e.ChargeID, reason, e.Received)
	if err != nil || !did {
		return err
	}
	b.hold = refundedAll
	if isRefund(e) && e.State == ledger.Pending { // it was filtered with the others
		e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonUnpaid}
	}
	return nil
}

// returned discards the payment of a charge whose money went back, if the backend cannot have heard of it: one that a person was to decide
// about, or that was never sent. Its refunds are not delivered then either. It says whether it did.
func (t *tx) returned(s ledger.Scope, scope, payment int64, held hold, chargeID, reason string, at time.Time) (bool, error) {
	from, args := ledger.Pending, []any{encodeReasons([]string{reason}), millis(at), payment}
	var text string
	switch {
	case held == awaits:
		text, from = sqlDiscardHeld, ledger.Held
	case held != notHeld:
		return false, nil
	case reason == ledger.ReasonReversed:
		text = sqlDiscardReversed
	default:
		text, args = sqlDiscardUnsent, append(args, t.opened.last, millis(t.opened.at.Add(ledger.ClockSkew)))
	}
	var lane string
	err := t.row(text, args...).Scan(&lane)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.dirty = true
	t.count(scope, from, ledger.Discarded)
	if err := t.withhold(s, scope, lane, chargeID, millis(at)); err != nil {
		return false, err
	}
	return true, t.promote(s, scope, lane)
}

// reversed sees to the payment of a charge that is found or made reversed.
func (t *tx) reversed(q ledger.Queried) error {
	t.touch(ledger.ChargeTopic(q.Scope, q.ChargeID))
	scope, err := t.scope(q.Scope)
	if err != nil {
		return err
	}
	var payment int64
	var held hold
	err = t.row(sqlReturned, scope, q.ChargeID).Scan(&payment, &held)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	did, err := t.returned(q.Scope, scope, payment, held, q.ChargeID, ledger.ReasonReversed, q.At)
	if err == nil && did {
		_, _, err = t.change(sqlHold, refundedAll, scope, q.ChargeID)
	}
	return err
}

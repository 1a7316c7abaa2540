package sqlite

import (
	"database/sql"
	"math"
	"slices"

	"github.com/caddypay/caddypay/ledger"
)

// An event about money that cannot be read has no effect: nobody knows what it would be. It waits for a person, and the hold of its charge
// says so, until the same thing is heard in a form that can be read. What is heard twice in this way is delivered once.
const (
	sqlEffectSeen = `SELECT 1 FROM events WHERE scope = ? AND object_id = ? AND type = ? AND effect = 1`
	sqlUnread     = `UPDATE charges SET hold = ? WHERE scope = ? AND id = ? AND hold = 0 AND payment = 0`
	sqlOvertake   = `UPDATE events INDEXED BY events_unreadable SET state = 'filtered', reasons = '["effect_seen"]', settled = ?
		WHERE scope = ? AND object_id = ? AND type = ? AND state = 'held' AND reasons = '["unreadable"]'`

	// A person who releases such a payment says that it is one.
	ofPayment = ` WHERE scope = ? AND id = ? AND hold = ? AND EXISTS (SELECT 1 FROM events AS e WHERE e.seq = ? AND e.type = 'charge.succeeded')`
	sqlVouch  = `UPDATE charges SET hold = 0, payment = ?, paid = 1, amount_paid = max(amount_paid, amount), next_query = 0,
		time_paid = CASE WHEN time_paid = 0 THEN ? ELSE time_paid END` + ofPayment + ` RETURNING order_no, seq`
	sqlDismiss = `UPDATE charges SET hold = 0` + ofPayment
)

var reasonUnreadable = encodeReasons([]string{ledger.ReasonUnreadable})

func isUnreadable(e *ledger.Event) bool { return slices.Contains(e.Reasons, ledger.ReasonUnreadable) }

// appendUnreadable records an event that cannot be read, unless what it is about has been heard already.
func (t *tx) appendUnreadable(scope int64, b *books, e *ledger.Event) (ledger.Appended, error) {
	payment := isPayment(e) && e.ChargeID != "" && b.charge != nil
	seen := payment && b.charge.payment != 0
	if !seen && e.ObjectID != "" {
		n, err := optional(t.row(sqlEffectSeen, scope, e.ObjectID, e.Type))
		if err != nil {
			return "", err
		}
		seen = n != 0
	}
	if seen {
		return t.addSameEffect(scope, e)
	}
	added, err := t.addEvent(scope, e, keys{})
	if err != nil {
		return "", err
	}
	if !added {
		return ledger.Duplicate, nil
	}
	if payment && e.State == ledger.Held {
		_, _, err = t.change(sqlUnread, unread, scope, e.ChargeID)
		t.touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	}
	return ledger.Recorded, err
}

// overtake filters the event that could not be read, once its effect has come in another one. Refunds that waited for it go on if it does.
func (t *tx) overtake(scope int64, e *ledger.Event) error {
	now := millis(e.Received)
	rows, _, err := t.change(sqlOvertake, now, scope, e.ObjectID, e.Type)
	for range rows {
		t.count(scope, ledger.Held, ledger.Filtered)
	}
	if err == nil && isPayment(e) && e.State != ledger.Held && e.State != ledger.Discarded {
		err = t.reviveRefunds(e.Scope, scope, e.ChargeID, now)
	}
	return err
}

// decideUnread settles the hold of a charge whose payment could not be read, and says whether the event counts as that payment now.
func (t *tx) decideUnread(d ledger.Decision, e decided) (payment bool, err error) {
	if e.state != ledger.Held || e.reasons != reasonUnreadable || e.chargeID == "" {
		return false, nil
	}
	t.touch(ledger.ChargeTopic(d.Scope, e.chargeID))
	if d.Action == ledger.ActionDiscard {
		_, _, err = t.change(sqlDismiss, e.scope, e.chargeID, unread, e.seq)
		return false, err
	}
	var orderNo string
	var charge int64
	rows, err := t.returning(sqlVouch, e.seq, millis(d.Now), e.scope, e.chargeID, unread, e.seq)
	err = each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&orderNo, &charge) })
	if err != nil || charge == 0 || orderNo == "" {
		return charge != 0, err
	}
	return true, t.supersede(d.Scope, e.scope, orderNo, math.MaxInt64, charge)
}

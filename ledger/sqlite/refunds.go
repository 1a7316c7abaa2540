package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	refundColumns = `coalesce(refund_no, ''), charge_id, order_no, through, amount, whole, description, state, coalesce(id, ''),
		failure_code, failure_msg, created, time_succeeded, asked, next_query, funding_source, asks, unclear`
	sqlRefund    = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ? AND refund_no = ?`
	sqlRefundsOf = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ? AND order_no = ? AND order_no <> '' ORDER BY seq`

	sqlRefundsOfCharge = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ? AND charge_id = ? ORDER BY seq`

	sqlRefundLeased = `SELECT owner IS NOT NULL AND owner <> ?1 AND until > ?2 AND until <= ?3 FROM refunds WHERE scope = ?4 AND refund_no = ?5`
	// Another refund of the charge is being asked for right now.
	sqlRefundBusy = `SELECT EXISTS (SELECT 1 FROM refunds WHERE scope = ? AND charge_id = ? AND refund_no IS NOT ? AND state = 'asked' AND until > ? AND until <= ?)`
	// What went back as events say, and what is on its way or asked for: a refund is in the one sum or in the other.
	sqlRefundTaken = `SELECT coalesce((SELECT amount_refunded FROM charges WHERE scope = ?1 AND id = ?2), 0)
		+ (SELECT coalesce(sum(amount), 0) FROM refunds WHERE scope = ?1 AND charge_id = ?2 AND state <> 'failed' AND NOT counted)`
	sqlAddRefund = `INSERT INTO refunds (scope, refund_no, charge_id, order_no, amount, whole, description, funding_source, state, created, asked,
		asks, next_query, owner, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?11, 'asked', ?8, ?8, 1, ?10, ?9, ?10)`
	// The next query moves behind the lease: if its owner dies, somebody else asks then.
	sqlLeaseRefund = `UPDATE refunds SET owner = ?1, until = ?2, next_query = ?2 WHERE scope = ?3 AND refund_no = ?4`

	sqlAskRefund = `UPDATE refunds SET asked = ?1, through = ?2, until = ?3, next_query = ?3, asks = ?7, unclear = ''
		WHERE scope = ?4 AND refund_no = ?5 AND owner = ?6 AND state = 'asked'`
	sqlDropRefund    = `DELETE FROM refunds WHERE scope = ? AND refund_no = ? AND owner = ? AND state = 'asked' AND id IS NULL RETURNING charge_id`
	sqlReleaseRefund = `UPDATE refunds SET owner = NULL, until = 0, next_query = ?, asks = ?, unclear = ? WHERE scope = ? AND refund_no = ? AND owner = ?
		AND state = 'asked' RETURNING charge_id`
	sqlRefundMade = `UPDATE refunds SET id = ?1, state = CASE WHEN state = 'asked' THEN 'pending' ELSE state END, owner = NULL, until = 0,
		next_query = CASE WHEN state IN ('succeeded', 'failed') THEN 0 ELSE ?2 END, unclear = ''
		WHERE scope = ?3 AND refund_no = ?4 AND coalesce(id, ?1) = ?1 RETURNING charge_id`
	sqlRefundQueried = `UPDATE refunds SET owner = NULL, until = 0, next_query = CASE WHEN state IN ('succeeded', 'failed') THEN 0 ELSE ? END
		WHERE scope = ? AND refund_no = ? AND owner = ?`

	sqlDueRefunds = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ?1 AND next_query > 0 AND next_query <= ?2 AND (until <= ?3 OR until > ?4)
		AND state IN ('asked', 'pending') AND refund_no IS NOT NULL ORDER BY next_query, seq LIMIT ?5`

	// An event knows a refund by its id, or by the merchant's number while nobody has told us the id.
	sqlRefundOfEvent = `SELECT seq FROM refunds WHERE scope = ?1 AND id = ?2 UNION ALL
		SELECT seq FROM refunds WHERE scope = ?1 AND refund_no = ?3 AND id IS NULL AND charge_id = ?4 AND amount = ?5 LIMIT 1`
	// What has succeeded stays so. What has failed may turn out to have succeeded.
	sqlRefundTold = `UPDATE refunds SET id = coalesce(id, ?1), counted = max(counted, ?2), next_query = 0, owner = NULL, until = 0, unclear = '',
		failure_code = CASE WHEN state = 'succeeded' THEN failure_code ELSE ?3 END, failure_msg = CASE WHEN state = 'succeeded' THEN failure_msg ELSE ?4 END,
		time_succeeded = CASE WHEN state = 'succeeded' THEN time_succeeded ELSE ?5 END, state = CASE WHEN state = 'succeeded' THEN state ELSE ?6 END
		WHERE seq = ?7`
	// One that carries a number was asked for through us, by a ledger of which this one is an earlier copy. The number is used, unless it is another's.
	sqlAddRefundMadeElsewhere = `INSERT INTO refunds (scope, charge_id, order_no, amount, state, id, failure_code, failure_msg, counted, created, time_succeeded, refund_no)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, CASE WHEN EXISTS (SELECT 1 FROM refunds WHERE scope = ?1 AND refund_no = ?12) THEN NULL ELSE ?12 END)`
	// An event reported the refund before Ping++'s answer did, and without the merchant's number, so that it was taken for another's.
	sqlAdoptRefund = `DELETE FROM refunds WHERE scope = ? AND id = ? AND refund_no IS NULL
		RETURNING counted, failure_code, failure_msg, time_succeeded, state`
	sqlRefundSeq   = `SELECT seq FROM refunds WHERE scope = ? AND refund_no = ?`
	sqlRefundTaker = `SELECT EXISTS (SELECT 1 FROM refunds WHERE scope = ? AND id = ? AND refund_no <> ?)`
)

// ReserveRefund implements [ledger.Refunds].
func (l *Ledger) ReserveRefund(ctx context.Context, r ledger.RefundReservation) (re *ledger.Refund, fresh bool, err error) {
	if err := checkScope(r.Scope); err != nil {
		return nil, false, err
	}
	if r.RefundNo == "" || r.ChargeID == "" || r.Owner == "" || r.Amount < 0 {
		return nil, false, errors.New("ledger: a refund needs a number, a charge, an owner, and no negative amount")
	}
	leases := l.steps.leases(r.Now, r.Until.Sub(r.Now))
	err = l.write(ctx, func(t *tx) error {
		re, fresh, err = t.reserveRefund(r, leases)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return re, fresh, nil
}

func (t *tx) reserveRefund(r ledger.RefundReservation, leases span) (*ledger.Refund, bool, error) {
	scope, err := t.addScope(r.Scope)
	if err != nil {
		return nil, false, err
	}
	re, err := scanRefund(t.row(sqlRefund, scope, r.RefundNo), r.Scope)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		re = nil
	case err != nil:
		return nil, false, err
	case !sameRefund(re, r):
		return nil, false, ledger.ErrRefundDiffers
	case re.State != ledger.RefundAsked:
		return re, false, nil
	}
	busy, err := t.refundBusy(scope, re != nil, r, leases)
	if err != nil {
		return nil, false, err
	}
	if busy {
		return nil, false, ledger.ErrReserved
	}
	if re != nil {
		_, _, err := t.change(sqlLeaseRefund, r.Owner, millis(r.Until), scope, r.RefundNo)
		return re, false, err
	}
	re, err = t.addRefund(scope, r)
	return re, true, err
}

// sameRefund says whether a request that names a recorded refund means that one. Of one that was not asked for through this ledger it is not known
// how that was worded.
func sameRefund(re *ledger.Refund, r ledger.RefundReservation) bool {
	learned := re.Asks == 0
	amount := re.Amount == r.Amount || r.Amount == 0 && (re.Whole || learned)
	return amount && re.ChargeID == r.ChargeID && (learned || re.Description == r.Description && re.FundingSource == r.FundingSource)
}

// refundBusy says whether somebody else works on this refund or on another one of its charge.
func (t *tx) refundBusy(scope int64, recorded bool, r ledger.RefundReservation, leases span) (busy bool, err error) {
	if recorded {
		err = t.row(sqlRefundLeased, r.Owner, leases.now, leases.far, scope, r.RefundNo).Scan(&busy)
	}
	if err == nil && !busy {
		err = t.row(sqlRefundBusy, scope, r.ChargeID, r.RefundNo, leases.now, leases.far).Scan(&busy)
	}
	return busy, err
}

func (t *tx) addRefund(scope int64, r ledger.RefundReservation) (*ledger.Refund, error) {
	var taken int64
	if err := t.row(sqlRefundTaken, scope, r.ChargeID).Scan(&taken); err != nil {
		return nil, err
	}
	left := r.Paid - taken
	re := &ledger.Refund{
		Scope: r.Scope, RefundNo: r.RefundNo, ChargeID: r.ChargeID, OrderNo: r.OrderNo, Amount: r.Amount, Description: r.Description,
		FundingSource: r.FundingSource, State: ledger.RefundAsked, Created: moment(millis(r.Now)), Asked: moment(millis(r.Now)), Asks: 1, NextQuery: moment(millis(r.Until)),
	}
	if re.Amount == 0 {
		re.Amount, re.Whole = left, true
	}
	if left <= 0 || re.Amount > left {
		return nil, ledger.ErrRefundExceeds
	}
	_, _, err := t.change(sqlAddRefund, scope, r.RefundNo, r.ChargeID, r.OrderNo, re.Amount, re.Whole, r.Description, millis(r.Now),
		r.Owner, millis(r.Until), r.FundingSource)
	t.touch(ledger.ChargeTopic(r.Scope, r.ChargeID))
	return re, err
}

// AskRefund implements [ledger.Refunds].
func (l *Ledger) AskRefund(ctx context.Context, r ledger.RefundLease, a ledger.RefundAsk) error {
	return l.write(ctx, func(t *tx) error {
		return t.changeOne(r.Scope, func(scope int64) (int64, int64, error) {
			return t.change(sqlAskRefund, millis(a.Now), a.Through, millis(a.Until), scope, r.RefundNo, r.Owner, a.Asks)
		})
	})
}

// RefundMade implements [ledger.Refunds].
func (l *Ledger) RefundMade(ctx context.Context, r ledger.RefundLease, id string, next time.Time) error {
	if id == "" {
		return fmt.Errorf("ledger: refund %s needs the id that Ping++ gave it", r.RefundNo)
	}
	return l.write(ctx, func(t *tx) error { return t.refundMade(r, id, next) })
}

func (t *tx) refundMade(r ledger.RefundLease, id string, next time.Time) error {
	scope, err := t.scope(r.Scope)
	if err != nil {
		return err
	}
	var seq int64
	if err := t.row(sqlRefundSeq, scope, r.RefundNo).Scan(&seq); err != nil {
		return err
	}
	var taken bool
	if err := t.row(sqlRefundTaker, scope, id, r.RefundNo).Scan(&taken); err != nil {
		return err
	}
	if taken {
		return fmt.Errorf("refund %s, %s: %w", r.RefundNo, id, ledger.ErrRefundTaken)
	}
	var told []any // counted, failure_code, failure_msg, time_succeeded, state
	rows, err := t.returning(sqlAdoptRefund, scope, id)
	err = each(rows, err, func(rows *sql.Rows) error {
		told = make([]any, 5)
		return rows.Scan(&told[0], &told[1], &told[2], &told[3], &told[4])
	})
	if err != nil {
		return err
	}
	found, err := t.touchCharge(r.Scope, sqlRefundMade, id, millis(next), scope, r.RefundNo)
	if err == nil && !found {
		return fmt.Errorf("refund %s belongs to another refund at Ping++ already, not to %s", r.RefundNo, id)
	}
	if err == nil && told != nil {
		_, _, err = t.change(sqlRefundTold, append(append([]any{id}, told...), seq)...)
	}
	return err
}

// touchCharge runs a statement that changes one refund and returns its charge, whose watchers are told.
func (t *tx) touchCharge(s ledger.Scope, text string, args ...any) (found bool, err error) {
	rows, err := t.returning(text, args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		var chargeID string
		found = true
		err := rows.Scan(&chargeID)
		t.touch(ledger.ChargeTopic(s, chargeID))
		return err
	})
	return found, err
}

// ReleaseRefund implements [ledger.Refunds].
func (l *Ledger) ReleaseRefund(ctx context.Context, r ledger.RefundLease, p ledger.RefundPause) error {
	return l.write(ctx, func(t *tx) error {
		scope, err := t.scope(r.Scope)
		if err != nil {
			return err
		}
		text, args := sqlReleaseRefund, []any{millis(p.Next), p.Asks, p.Unclear, scope, r.RefundNo, r.Owner}
		if p.Next.IsZero() {
			text, args = sqlDropRefund, args[3:]
		}
		found, err := t.touchCharge(r.Scope, text, args...)
		if err == nil && !found {
			t.dirty = false
			return ledger.ErrNotFound
		}
		return err
	})
}

// Refund implements [ledger.Refunds].
func (l *Ledger) Refund(ctx context.Context, scope ledger.Scope, refundNo string) (re *ledger.Refund, err error) {
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		re, err = scanRefund(r.row(sqlRefund, s, refundNo), scope)
		return err
	})
	return re, err
}

// RefundsOf implements [ledger.Refunds].
func (l *Ledger) RefundsOf(ctx context.Context, scope ledger.Scope, orderNo string) ([]ledger.Refund, error) {
	return l.refunds(ctx, scope, sqlRefundsOf, orderNo)
}

// RefundsOfCharge implements [ledger.Refunds].
func (l *Ledger) RefundsOfCharge(ctx context.Context, scope ledger.Scope, chargeID string) ([]ledger.Refund, error) {
	return l.refunds(ctx, scope, sqlRefundsOfCharge, chargeID)
}

func (l *Ledger) refunds(ctx context.Context, scope ledger.Scope, text, of string) (res []ledger.Refund, err error) {
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		rows, err := r.query(text, s, of)
		res, err = scanRefunds(rows, err, scope)
		return err
	})
	return res, err
}

// ClaimRefunds implements [ledger.Refunds].
func (l *Ledger) ClaimRefunds(ctx context.Context, c ledger.QueryClaim) (res []ledger.Refund, err error) {
	if c.Owner == "" {
		return nil, errors.New("ledger: a claim needs an owner")
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.writeLax(ctx, func(t *tx) error {
		scope, err := t.scope(c.Scope)
		if err != nil {
			return err
		}
		rows, err := t.query(sqlDueRefunds, scope, millis(c.Now), leases.now, leases.far, c.Limit)
		due, err := scanRefunds(rows, err, c.Scope)
		res = nil
		for _, re := range due {
			if err != nil {
				break
			}
			var busy bool
			if re.State == ledger.RefundAsked {
				if err = t.row(sqlRefundBusy, scope, re.ChargeID, re.RefundNo, leases.now, leases.far).Scan(&busy); err != nil || busy {
					continue
				}
			}
			_, _, err = t.change(sqlLeaseRefund, c.Owner, millis(c.Until), scope, re.RefundNo)
			res = append(res, re)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// RefundQueried implements [ledger.Refunds].
func (l *Ledger) RefundQueried(ctx context.Context, r ledger.RefundLease, next time.Time) error {
	return l.writeLax(ctx, func(t *tx) error {
		scope, err := t.scope(r.Scope)
		if err != nil {
			return err
		}
		_, _, err = t.change(sqlRefundQueried, millis(next), scope, r.RefundNo, r.Owner)
		return err
	})
}

// bookRefund writes what a recorded event says about a refund.
func (t *tx) bookRefund(b *books, e *ledger.Event) error {
	c := e.Refund
	if c == nil || e.ChargeID == "" {
		return nil
	}
	// The charge's sum has it if there is a charge to have it.
	counted := b.charge != nil && e.Change != nil && e.Change.Refund > 0
	var seq int64
	err := t.row(sqlRefundOfEvent, b.scope, nullable(c.ID), nullable(c.RefundNo), e.ChargeID, c.Amount).Scan(&seq)
	switch {
	case err == nil:
		_, _, err = t.change(sqlRefundTold, nullable(c.ID), counted, c.FailureCode, c.FailureMsg, millis(c.TimeSucceeded), string(c.State), seq)
	case errors.Is(err, sql.ErrNoRows) && c.ID != "":
		_, _, err = t.change(sqlAddRefundMadeElsewhere, b.scope, e.ChargeID, e.OrderNo, c.Amount, string(c.State), c.ID, c.FailureCode,
			c.FailureMsg, counted, millis(e.Created), millis(c.TimeSucceeded), nullable(c.RefundNo))
	case errors.Is(err, sql.ErrNoRows):
		return nil
	}
	t.touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	return err
}

func scanRefunds(rows *sql.Rows, err error, scope ledger.Scope) (res []ledger.Refund, _ error) {
	err = each(rows, err, func(rows *sql.Rows) error {
		re, err := scanRefund(rows, scope)
		if err == nil {
			res = append(res, *re)
		}
		return err
	})
	return res, err
}

// scanRefund reads a row of refundColumns.
func scanRefund(row interface{ Scan(...any) error }, scope ledger.Scope) (*ledger.Refund, error) {
	re := &ledger.Refund{Scope: scope}
	var created, succeeded, asked, next int64
	err := row.Scan(&re.RefundNo, &re.ChargeID, &re.OrderNo, &re.Through, &re.Amount, &re.Whole, &re.Description, &re.State, &re.ID,
		&re.FailureCode, &re.FailureMsg, &created, &succeeded, &asked, &next, &re.FundingSource, &re.Asks, &re.Unclear)
	if err != nil {
		return nil, err
	}
	re.Created, re.TimeSucceeded, re.Asked, re.NextQuery = moment(created), moment(succeeded), moment(asked), moment(next)
	return re, nil
}

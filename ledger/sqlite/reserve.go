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
	sqlReservation = `SELECT seq, reserved_until FROM charges WHERE scope = ? AND order_no = ? AND state = 'reserved'`
	sqlTried       = `SELECT count(*) FROM charges WHERE scope = ? AND order_no = ?`
	sqlForsake     = `UPDATE charges SET state = 'unknown', reserved_until = 0, next_query = CASE WHEN id IS NULL THEN ? ELSE 0 END WHERE seq = ?`
	sqlReserve     = `INSERT INTO charges (scope, order_no, number, state, reserved_until, created, channel, payer, payer_app, host)
		VALUES (?, ?, ?, 'reserved', ?, ?, ?, ?, ?, ?) ON CONFLICT (scope, number) WHERE state <> 'foreign' DO NOTHING`
	sqlExtend = `UPDATE charges SET reserved_until = CASE WHEN reserved_until > ?2 THEN ?1 ELSE max(reserved_until, ?1) END
		WHERE scope = ?3 AND number = ?4 AND state <> 'foreign' AND state = 'reserved'`
	sqlNumber = `SELECT seq, order_no, state, coalesce(id, ''), superseded FROM charges WHERE scope = ? AND number = ? AND state <> 'foreign'`
	sqlDelete = `DELETE FROM charges WHERE seq = ?`
	// An unknown or taken attempt is due at once: whoever looks for it decides when.
	sqlRelease = `UPDATE charges SET state = ?1, reserved_until = 0, next_query = CASE WHEN ?1 IN ('unknown', 'taken') AND id IS NULL THEN created ELSE 0 END
		WHERE seq = ?2`
)

// numberTries bounds how often a proposed number may turn out to be taken.
const numberTries = 100

// Reserve implements [ledger.Charges].
func (l *Ledger) Reserve(ctx context.Context, r ledger.Reservation) (got *ledger.Reserved, err error) {
	if err := checkScope(r.Scope); err != nil {
		return nil, err
	}
	if r.OrderNo == "" {
		return nil, errors.New("ledger: a reservation needs an order number")
	}
	leases := l.steps.leases(r.Now, r.Until.Sub(r.Now))
	got = &ledger.Reserved{}
	err = l.write(ctx, func(t *tx) error {
		got.Number, err = t.reserve(r, leases)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Outside of the transaction, for which all events wait: an order may have many attempts, and each has its answer.
	got.Attempts, err = l.Attempts(ctx, r.Scope, r.OrderNo)
	if err != nil {
		return nil, errors.Join(err, l.Release(ctx, ledger.Release{Scope: r.Scope, Number: got.Number, As: ledger.Unsent}))
	}
	got.Attempts = slices.DeleteFunc(got.Attempts, func(c ledger.Charge) bool { return c.Number == got.Number && c.State == ledger.Reserving })
	if len(got.Attempts) == 0 {
		got.Attempts = nil
	}
	return got, nil
}

func (t *tx) reserve(r ledger.Reservation, leases span) (number string, err error) {
	scope, err := t.addScope(r.Scope)
	if err != nil {
		return "", err
	}
	var seq, until int64
	switch err := t.row(sqlReservation, scope, r.OrderNo).Scan(&seq, &until); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return "", err
	case until > leases.now && until <= leases.far:
		return "", ledger.ErrReserved
	default:
		if _, _, err := t.change(sqlForsake, millis(r.Now), seq); err != nil {
			return "", err
		}
	}
	var attempts int
	if err := t.row(sqlTried, scope, r.OrderNo).Scan(&attempts); err != nil {
		return "", err
	}
	for try := range numberTries {
		number := r.Number(attempts, try)
		if number == "" {
			return "", fmt.Errorf("the number proposed for order %s is empty", r.OrderNo)
		}
		added, _, err := t.change(sqlReserve, scope, r.OrderNo, number, millis(r.Until), millis(r.Now), r.Channel, r.Payer, r.PayerAppID, r.Host)
		if err != nil {
			return "", err
		}
		if added == 1 {
			return number, nil
		}
	}
	return "", fmt.Errorf("no free number for order %s after %d proposals", r.OrderNo, numberTries)
}

// Extend implements [ledger.Charges].
func (l *Ledger) Extend(ctx context.Context, r ledger.Reservation, number string) error {
	return l.write(ctx, func(t *tx) error {
		scope, err := t.scope(r.Scope)
		if err != nil {
			return err
		}
		rows, _, err := t.change(sqlExtend, millis(r.Until), millis(r.Until.Add(tooFar)), scope, number)
		if err == nil && rows == 0 {
			return ledger.ErrNotFound
		}
		return err
	})
}

// Release implements [ledger.Charges].
func (l *Ledger) Release(ctx context.Context, r ledger.Release) error {
	switch r.As {
	case ledger.Unsent, ledger.Refused, ledger.Unknown, ledger.Taken:
	default:
		return fmt.Errorf("ledger: number %s cannot be released as %q; use unsent, refused, unknown or taken", r.Number, r.As)
	}
	if r.Quote != nil && r.Quote.At.IsZero() {
		return fmt.Errorf("ledger: number %s is released with a quote without a time", r.Number)
	}
	return l.write(ctx, func(t *tx) error { return t.release(r) })
}

func (t *tx) release(r ledger.Release) error {
	scope, as := r.Scope, r.As
	n, err := t.number(scope, r.Number)
	if err != nil {
		return err
	}
	if n.state != ledger.Unknown && n.state != ledger.Taken && n.state != ledger.Reserving {
		return ledger.ErrNotFound
	}
	if r.Quote != nil {
		if err := t.quote(n, *r.Quote, false); err != nil {
			return err
		}
	}
	switch {
	case n.state == ledger.Taken:
		if as == ledger.Refused && n.id == "" {
			_, _, err = t.change(sqlRelease, string(as), n.seq)
		}
	case n.state == ledger.Unknown: // it ran out, and whoever took over was told that this number stays used
		if as == ledger.Refused || as == ledger.Taken {
			_, _, err = t.change(sqlRelease, string(as), n.seq)
		}
		return err
	case as == ledger.Unsent && n.id == "":
		_, _, err = t.change(sqlDelete, n.seq)
	case as == ledger.Unsent: // an event knows better: it did reach the channel
		_, _, err = t.change(sqlRelease, string(ledger.Unknown), n.seq)
	default:
		_, _, err = t.change(sqlRelease, string(as), n.seq)
	}
	t.touch(ledger.OrderTopic(scope, n.orderNo))
	return err
}

// numbered is the attempt that a number belongs to.
type numbered struct {
	scope, seq  int64
	orderNo, id string
	state       ledger.AttemptState
	superseded  bool
}

func (t *tx) number(scope ledger.Scope, number string) (n numbered, err error) {
	if n.scope, err = t.scope(scope); err != nil {
		return n, err
	}
	return n, t.row(sqlNumber, n.scope, number).Scan(&n.seq, &n.orderNo, &n.state, &n.id, &n.superseded)
}

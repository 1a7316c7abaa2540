package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlAddEvent = `INSERT INTO events (scope, id, type, object_id, charge_id, number, order_no, lane, rank, source,
		created, received, host, trace, state, reasons, late, due)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlAddBody     = `INSERT INTO bodies (event, signature, body) VALUES (?, ?, ?)`
	sqlAddEffect   = `INSERT INTO effects (scope, effect, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	sqlFilterEvent = `UPDATE events SET state = 'filtered', reasons = ?, due = 0 WHERE seq = ?`

	eventColumns = `seq, id, type, object_id, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
		state, reasons, late, attempts, due, settled,
		(SELECT signature FROM bodies WHERE event = seq), (SELECT body FROM bodies WHERE event = seq)`
	sqlEvent = `SELECT ` + eventColumns + ` FROM events WHERE scope = ? AND id = ?`

	sqlDeliveries = `SELECT attempt, at, took, status, error, snippet, state, due FROM deliveries
		WHERE event = (SELECT seq FROM events WHERE scope = ? AND id = ?) ORDER BY n`
)

var effectSeen = encodeReasons([]string{ledger.ReasonEffectSeen})

// Append implements [ledger.Events].
//
// Every recorded event claims its effect, whatever its state: one that is held or filtered has changed its charge too, and a
// second event of the same effect must neither add its refund again nor be held again.
func (l *Ledger) Append(ctx context.Context, e *ledger.Event) (did ledger.Appended, err error) {
	if err := checkEvent(e); err != nil {
		return "", err
	}
	err = l.write(ctx, func(t *tx) error {
		did, err = t.append(e)
		return err
	})
	if err != nil {
		return "", err
	}
	return did, nil
}

func checkEvent(e *ledger.Event) error {
	if err := checkScope(e.Scope); err != nil {
		return err
	}
	if e.ID == "" {
		return fmt.Errorf("ledger: an event needs an id")
	}
	switch e.State {
	case ledger.Pending, ledger.Held, ledger.Filtered:
		return nil
	}
	return fmt.Errorf("ledger: event %s arrives in state %q; use pending, held or filtered", e.ID, e.State)
}

func checkScope(s ledger.Scope) error {
	if s.App == "" || s.Mode != ledger.Live && s.Mode != ledger.Test {
		return fmt.Errorf("ledger: scope %q is not an app in live or test mode", s)
	}
	return nil
}

func (t *tx) append(e *ledger.Event) (ledger.Appended, error) {
	scope, err := t.addScope(e.Scope)
	if err != nil {
		return "", err
	}
	due := e.Due
	if e.State == ledger.Pending && due.IsZero() {
		due = e.Received
	}
	rows, seq, err := t.change(sqlAddEvent, scope, e.ID, e.Type, e.ObjectID, e.ChargeID, e.Number, e.OrderNo, e.Lane, e.Rank,
		string(e.Source), millis(e.Created), millis(e.Received), e.Host, e.TraceParent, string(e.State), encodeReasons(e.Reasons),
		e.Late, millis(due))
	if err != nil {
		return "", err
	}
	if rows == 0 {
		return ledger.Duplicate, nil
	}
	if e.Body != nil {
		if _, _, err := t.change(sqlAddBody, seq, e.Signature, e.Body); err != nil {
			return "", err
		}
	}
	if effect := e.Effect(); effect != e.ID { // an effect that is the id is unique with it
		rows, _, err := t.change(sqlAddEffect, scope, effect, seq)
		if err != nil {
			return "", err
		}
		if rows == 0 {
			_, _, err = t.change(sqlFilterEvent, effectSeen, seq)
			return ledger.SameEffect, err
		}
	}
	if e.Change != nil {
		if err := t.changeCharge(scope, e); err != nil {
			return "", err
		}
	}
	if e.State == ledger.Pending {
		t.touch(ledger.EventsTopic(e.Scope))
	}
	return ledger.Recorded, nil
}

// Event implements [ledger.Events].
func (l *Ledger) Event(ctx context.Context, scope ledger.Scope, id string) (*ledger.Event, error) {
	var e *ledger.Event
	err := l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		_, e, err = scanEvent(r.row(sqlEvent, s, id), scope)
		return err
	})
	return e, err
}

// Deliveries implements [ledger.Events].
func (l *Ledger) Deliveries(ctx context.Context, scope ledger.Scope, id string) (ds []ledger.Delivery, err error) {
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		rows, err := r.query(sqlDeliveries, s, id)
		return each(rows, err, func(rows *sql.Rows) error {
			d := ledger.Delivery{Scope: scope, EventID: id}
			var at, took, due int64
			if err := rows.Scan(&d.Attempt, &at, &took, &d.Status, &d.Error, &d.Snippet, &d.State, &due); err != nil {
				return err
			}
			d.At, d.Took, d.Due = moment(at), time.Duration(took)*time.Microsecond, moment(due)
			ds = append(ds, d)
			return nil
		})
	})
	return ds, err
}

// scanEvent reads a row of eventColumns.
func scanEvent(row interface{ Scan(...any) error }, scope ledger.Scope) (seq int64, _ *ledger.Event, err error) {
	e := &ledger.Event{Scope: scope}
	var created, received, due, settled int64
	var reasons string
	var signature sql.NullString
	err = row.Scan(&seq, &e.ID, &e.Type, &e.ObjectID, &e.ChargeID, &e.Number, &e.OrderNo, &e.Lane, &e.Rank, &e.Source,
		&created, &received, &e.Host, &e.TraceParent, &e.State, &reasons, &e.Late, &e.Attempts, &due, &settled, &signature, &e.Body)
	if err != nil {
		return 0, nil, err
	}
	e.Created, e.Received, e.Due, e.Settled = moment(created), moment(received), moment(due), moment(settled)
	e.Signature = signature.String
	if reasons != "" {
		err = json.Unmarshal([]byte(reasons), &e.Reasons)
	}
	return seq, e, err
}

func encodeReasons(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	b, _ := json.Marshal(reasons) // strings always can
	return string(b)
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlAddEvent = `INSERT INTO events (scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source,
		created, received, host, trace, state, reasons, late, due, settled, blocked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlAddBody = `INSERT INTO bodies (event, signature, body) VALUES (?, ?, ?)`

	eventHead = `seq, id, type, object_id, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
		state, reasons, late, attempts, tries, replay, due, back, settled`
	eventColumns = eventHead + `, (SELECT signature FROM bodies WHERE event = seq), (SELECT body FROM bodies WHERE event = seq)`
	sqlEvent     = `SELECT ` + eventColumns + ` FROM events WHERE scope = ? AND id = ?`

	sqlDeliveries = `SELECT attempt, at, took, status, error, snippet, state, due, uncounted FROM deliveries
		WHERE event = (SELECT seq FROM events WHERE scope = ? AND id = ?) ORDER BY n`
)

// Append implements [ledger.Events].
//
// Every recorded event claims its effect, whatever its state: one that is held or filtered has changed its charge too, and a
// second event of the same effect must neither add its refund again nor be held again.
func (l *Ledger) Append(ctx context.Context, e *ledger.Event) (did ledger.Appended, err error) {
	if err := checkEvent(e); err != nil {
		return "", err
	}
	var recorded ledger.Event
	err = l.write(ctx, func(t *tx) error {
		recorded = *e // a copy: this may run twice
		did, err = t.append(&recorded)
		return err
	})
	if err != nil {
		return "", err
	}
	if did != ledger.Duplicate {
		e.Seq, e.State, e.Reasons, e.Late = recorded.Seq, recorded.State, recorded.Reasons, recorded.Late
		e.OrderNo, e.Lane, e.Host = recorded.OrderNo, recorded.Lane, recorded.Host
	}
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

func checkScope(s ledger.Scope) error {
	if s.App == "" || s.Mode != ledger.Live && s.Mode != ledger.Test {
		return fmt.Errorf("ledger: scope %q is not an app in live or test mode", s)
	}
	return nil
}

// append records the event, checks it and books what it says. It fills in what [ledger.Events] says that Append fills in.
func (t *tx) append(e *ledger.Event) (ledger.Appended, error) {
	scope, err := t.addScope(e.Scope)
	if err != nil {
		return "", err
	}
	b, err := t.lookUp(scope, e)
	if err != nil {
		return "", err
	}
	if isUnreadable(e) {
		return t.appendUnreadable(scope, b, e)
	}
	arrived := *e
	var added, overtakes bool
	if !b.seen() {
		overtakes = b.overtakes(e)
		b.judge(e)
		added, err = t.addEvent(scope, e, b.keys(e))
	}
	if err == nil && !added {
		*e = arrived
		return t.addSameEffect(scope, e)
	}
	if err != nil {
		return "", err
	}
	if e.State == ledger.Pending {
		if err := t.stepBack(b.behind); err != nil {
			return "", err
		}
		t.touch(ledger.EventsTopic(e.Scope))
	}
	if err := t.book(b, e); err != nil {
		return "", err
	}
	if overtakes {
		err = t.overtake(scope, e)
	}
	return ledger.Recorded, err
}

// addSameEffect records an event whose effect another has, unless its id is recorded too. What it says about its charge is
// dropped.
func (t *tx) addSameEffect(scope int64, e *ledger.Event) (ledger.Appended, error) {
	e.State, e.Reasons, e.Late = ledger.Filtered, []string{ledger.ReasonEffectSeen}, ""
	added, err := t.addEvent(scope, e, keys{})
	if !added {
		return ledger.Duplicate, err
	}
	return ledger.SameEffect, err
}

// keys say how an event can be found, and whether it waits for others.
type keys struct{ effect, byCharge, blocked bool }

// addEvent inserts the event, unless its id or its effect is recorded already.
func (t *tx) addEvent(scope int64, e *ledger.Event, k keys) (added bool, err error) {
	due := e.Due
	switch {
	case e.State != ledger.Pending:
		due, k.blocked = time.Time{}, false
	case due.IsZero():
		due = e.Received
	}
	rows, seq, err := t.change(sqlAddEvent, scope, e.ID, e.Type, e.ObjectID, k.effect, k.byCharge, e.ChargeID, e.Number, e.OrderNo,
		e.Lane, e.Rank, string(e.Source), millis(e.Created), millis(e.Received), e.Host, e.TraceParent, string(e.State),
		encodeReasons(e.Reasons), e.Late, millis(due), millis(e.Settled), k.blocked)
	if err != nil || rows == 0 {
		return false, err
	}
	e.Seq = seq
	if t.event == 0 {
		t.event, t.unforced = seq, min(t.unforced, seq)
	}
	t.last = seq
	t.count(scope, "", e.State)
	if e.Body != nil {
		_, _, err = t.change(sqlAddBody, seq, e.Signature, e.Body)
	}
	return true, err
}

// Event implements [ledger.Events].
func (l *Ledger) Event(ctx context.Context, scope ledger.Scope, id string) (*ledger.Event, error) {
	var e *ledger.Event
	err := l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		e, err = scanEvent(r.row(sqlEvent, s, id), scope)
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
			if err := rows.Scan(&d.Attempt, &at, &took, &d.Status, &d.Error, &d.Snippet, &d.State, &due, &d.Uncounted); err != nil {
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
func scanEvent(row interface{ Scan(...any) error }, scope ledger.Scope) (*ledger.Event, error) {
	var signature sql.NullString
	var body []byte
	e, err := scanEventHead(row, scope, &signature, &body)
	if err != nil {
		return nil, err
	}
	e.Signature, e.Body = signature.String, body
	return e, nil
}

// scanEventHead reads a row of eventHead and what follows it.
func scanEventHead(row interface{ Scan(...any) error }, scope ledger.Scope, more ...any) (*ledger.Event, error) {
	e := &ledger.Event{Scope: scope}
	var created, received, due, back, settled int64
	var reasons string
	err := row.Scan(append([]any{&e.Seq, &e.ID, &e.Type, &e.ObjectID, &e.ChargeID, &e.Number, &e.OrderNo, &e.Lane, &e.Rank, &e.Source,
		&created, &received, &e.Host, &e.TraceParent, &e.State, &reasons, &e.Late, &e.Attempts, &e.Tries, &e.Replay, &due, &back, &settled}, more...)...)
	if err != nil {
		return nil, err
	}
	e.Created, e.Received, e.Due, e.Back, e.Settled = moment(created), moment(received), moment(due), moment(back), moment(settled)
	e.Reasons, err = decodeReasons(reasons)
	return e, err
}

func encodeReasons(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	b, _ := json.Marshal(reasons) // strings always can
	return string(b)
}

func decodeReasons(text string) (reasons []string, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &reasons)
	}
	return reasons, err
}

// isPayment says that the event is what the money checks look at.
func isPayment(e *ledger.Event) bool { return e.Type == "charge.succeeded" }

// saysPaid says that the event reports money: one that says the charge is not paid, or that cannot be read, does not.
func saysPaid(e *ledger.Event) bool { return e.Change != nil && e.Change.Paid && !isUnreadable(e) }

// isRefund says that the event is about money that goes back.
func isRefund(e *ledger.Event) bool { return strings.HasPrefix(e.Type, "refund.") }

// isOrder says that the event is about a Ping++ order or its refund, which have an order number of their own.
func isOrder(e *ledger.Event) bool {
	return strings.HasPrefix(e.Type, "order.") || strings.HasPrefix(e.Type, "order_refund.")
}

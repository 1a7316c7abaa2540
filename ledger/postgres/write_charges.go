package postgres

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	// One row in any case: what there is none of is NULL.
	sqlBooks = `SELECT q.at, q.amount, q.currency, q.closed, f.event, f.rank, f.created, f.blocked FROM (SELECT 1) AS one
		LEFT JOIN caddypay.quotes AS q ON q.scope = $1 AND q.order_no = $2
		LEFT JOIN LATERAL (SELECT event, rank, created, blocked FROM caddypay.queue WHERE scope = $1 AND lane = $3 AND lane <> ''
			ORDER BY rank, created, event LIMIT 1) AS f ON true`
	// The charges of the order, the one with the id and the one with the number, each once.
	sqlBookedCharges = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE seq = ANY (ARRAY(
			SELECT seq FROM caddypay.charges WHERE scope = $1 AND order_no = $2
			UNION ALL SELECT seq FROM caddypay.charges WHERE scope = $1 AND id = $3 AND id IS NOT NULL
			UNION ALL SELECT seq FROM caddypay.charges WHERE scope = $1 AND number = $4 AND state <> 'foreign'))
		ORDER BY seq FOR UPDATE`

	// Whoever reserves an order, or pays it, locks that first and its charges then.
	sqlLockOrder = `SELECT pg_advisory_xact_lock(hashtextextended($3 || order_no, 0)) FROM caddypay.charges WHERE scope = $1 AND number = $2 AND state <> 'foreign'`
	sqlChargeRow = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE scope = $1 AND id = $2 AND id IS NOT NULL FOR UPDATE`
	sqlNumbered  = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE scope = $1 AND number = $2 AND state <> 'foreign' FOR UPDATE`
	sqlForsaken  = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE scope = $1 AND state = 'reserved'
		AND (reserved_until <= $2 OR reserved_until > $3) ORDER BY seq FOR UPDATE SKIP LOCKED`

	chargeFields = `scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created, paid, time_paid,
			amount_paid, payment, hold, reversed, transaction_no, logged_in`
	sqlAddCharge = `INSERT INTO caddypay.charges (` + chargeFields + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		ON CONFLICT (scope, number) WHERE state <> 'foreign' DO NOTHING RETURNING seq`
	sqlKeepCharge = `a foreign charge` // which nobody has by now: see bulks

	happens = `UPDATE caddypay.charges SET amount = $2, currency = $3, superseded = $4, paid = $5, time_paid = $6, amount_refunded = $7, reversed = $8,
		client_result = $9, client_at = $10, queries = $11, next_query = $12, amount_paid = $13, payment = $14, hold = $15, query_until = $16,
		transaction_no = $17`
	sqlSetCharge  = happens + ` WHERE seq = $1`
	sqlSetAttempt = happens + `, state = $18, reserved_until = $19, id = $20, channel = $21, payer = $22, payer_app = $23, host = $24, created = $25,
		time_expire = $26, fingerprint = $27 WHERE seq = $1`
	sqlDropCharge = `DELETE FROM caddypay.charges WHERE seq = $1`

	// An answer is where the row of its charge says; what is there else goes with its day.
	sqlAddAnswer = `INSERT INTO caddypay.answers (charge, day, raw) VALUES ($1, ` + today + `, $2) ON CONFLICT (charge, day) DO UPDATE SET raw = excluded.raw`
	sqlAnswered  = `UPDATE caddypay.charges SET answer_day = CASE WHEN $2::boolean THEN ` + today + ` END WHERE seq = $1`

	sqlSetQuote = `INSERT INTO caddypay.quotes (scope, order_no, amount, currency, closed, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (scope, order_no) DO UPDATE SET amount = excluded.amount, currency = excluded.currency, closed = excluded.closed, at = excluded.at`

	dueQueries = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE scope = $1 AND ` + queryKind + ` = $2 AND next_query > 0 AND next_query <= $3
		AND (query_until <= $4 OR query_until > $5) AND NOT paid AND NOT reversed`
	sqlDueQueries = dueQueries + ` AND (state = 'created' OR state IN ('unknown', 'taken') AND id IS NULL) ORDER BY next_query, seq LIMIT $6 FOR UPDATE SKIP LOCKED`
	sqlDueFirst   = dueQueries + ` ORDER BY next_query DESC, seq DESC LIMIT $6 FOR UPDATE SKIP LOCKED`

	sqlSweep    = `SELECT compared, owner, until FROM caddypay.sweeps WHERE scope = $1`
	sqlSetSweep = `INSERT INTO caddypay.sweeps (scope, compared, owner, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (scope) DO UPDATE SET compared = excluded.compared, owner = excluded.owner, until = excluded.until`
	sqlFirstCharge = `SELECT created FROM caddypay.charges WHERE scope = $1 AND state = 'created' AND created > 0 ORDER BY created LIMIT 1`
)

func (t *tx) Books(s ledger.Scope, q core.Question) (b core.Books, err error) {
	scope, err := t.scope(s)
	if err != nil {
		return b, err
	}
	t.coming.look(t, s, scope)
	var first core.Place
	t.ask(sqlBooks, func(r *row) {
		b.Quote.At, b.Quote.Amount, b.Quote.Currency, b.Quote.Closed = r.time(), r.number(), r.text(), r.flag()
		first.Seq, first.Rank, first.Created, first.Blocked = r.number(), r.count(), r.time(), r.flag()
	}, scope, nullable(q.OrderNo), nullable(q.Lane))
	if q.OrderNo != "" || q.ChargeID != "" || q.Number != "" {
		b.Charges, err = list(&t.session, readCharge, sqlBookedCharges, s, nullable(q.OrderNo), nullable(q.ChargeID), nullable(q.Number))
	} else {
		err = t.flush()
	}
	if first.Seq != 0 {
		b.Lane = append(b.Lane, first)
	}
	return b, err
}

func (t *tx) Forsaken(s ledger.Scope, leases core.Span) ([]core.Charge, error) {
	return list(&t.session, readCharge, sqlForsaken, s, millis(leases.Now), millis(leases.Far))
}

func (t *tx) AddCharge(c *core.Charge) (added bool, err error) {
	scope, err := t.addScope(c.Scope)
	if err != nil {
		return false, err
	}
	args := []any{scope, c.OrderNo, c.Number, string(c.State), millis(c.ReservedUntil), nullable(c.ID), c.Channel, c.Payer, c.PayerAppID, c.Amount, c.Currency,
		c.Host, millis(c.Created), c.Paid, millis(c.TimePaid), c.PaidAmount, c.Payment, int(c.Hold), c.Reversed, c.TransactionNo, millis(c.LoggedIn)}
	if t.coming != nil && c.State == ledger.Foreign { // nothing keeps it out but one with its id, which the books have not shown
		t.tell(sqlKeepCharge, args...)
		return true, nil
	}
	c.Seq, err = t.number(sqlAddCharge, args...)
	return c.Seq != 0, err
}

func (t *tx) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return one(&t.session, readCharge, sqlChargeRow, s, id)
}

func (t *tx) Numbered(s ledger.Scope, number string) (*core.Charge, error) {
	scope, err := t.scope(s)
	if err != nil {
		return nil, err
	}
	t.tell(sqlLockOrder, scope, number, lockName(s, core.AnOrder, ""))
	return one(&t.session, readCharge, sqlNumbered, s, number)
}

// happened are the parameters of what SetCharge writes.
func happened(c *core.Charge) []any {
	return []any{c.Seq, c.Amount, c.Currency, c.Superseded, c.Paid, millis(c.TimePaid), c.AmountRefunded, c.Reversed, c.Client.Result, millis(c.Client.At),
		c.Queries, millis(c.NextQuery), c.PaidAmount, c.Payment, int(c.Hold), millis(c.QueryUntil), c.TransactionNo}
}

func (t *tx) SetCharge(c *core.Charge) error {
	t.tell(sqlSetCharge, happened(c)...)
	return nil
}

func (t *tx) SetAttempt(c *core.Charge) error {
	t.tell(sqlSetAttempt, append(happened(c), string(c.State), millis(c.ReservedUntil), nullable(c.ID), c.Channel, c.Payer, c.PayerAppID, c.Host,
		millis(c.Created), millis(c.TimeExpire), c.Fingerprint)...)
	return nil
}

func (t *tx) DropCharge(c *core.Charge) error {
	t.tell(sqlDropCharge, c.Seq)
	return nil
}

func (t *tx) SetAnswer(c *core.Charge) error {
	if c.Raw != nil {
		t.tell(sqlAddAnswer, c.Seq, c.Raw)
	} else {
		t.ledger.gone.answers.reach(c.Seq)
	}
	t.tell(sqlAnswered, c.Seq, c.Raw != nil)
	return nil
}

func (t *tx) SetQuote(s ledger.Scope, orderNo string, q ledger.Quote) error {
	scope, err := t.addScope(s)
	if err == nil {
		t.tell(sqlSetQuote, scope, orderNo, q.Amount, q.Currency, q.Closed, millis(q.At))
	}
	return err
}

func (t *tx) DueQueries(c ledger.QueryClaim, leases core.Span) ([]core.Charge, error) {
	text := sqlDueQueries
	if c.Kind == ledger.QueryFirst {
		text = sqlDueFirst
	}
	return list(&t.session, readCharge, text, c.Scope, int(c.Kind), millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit)
}

func (t *tx) Sweep(s ledger.Scope) (core.Sweep, error) {
	sweep, err := one(&t.session, func(r *row, _ ledger.Scope) core.Sweep {
		return core.Sweep{Compared: r.time(), Owner: r.text(), Until: r.time()}
	}, sqlSweep, s)
	if sweep == nil {
		sweep = &core.Sweep{}
	}
	return *sweep, err
}

func (t *tx) SetSweep(s ledger.Scope, w core.Sweep) error {
	scope, err := t.addScope(s)
	if err == nil {
		t.tell(sqlSetSweep, scope, millis(w.Compared), w.Owner, millis(w.Until))
	}
	return err
}

func (t *tx) FirstCharge(s ledger.Scope) (time.Time, error) {
	scope, err := t.scope(s)
	if err != nil {
		return time.Time{}, err
	}
	at, err := t.number(sqlFirstCharge, scope)
	return moment(at), err
}

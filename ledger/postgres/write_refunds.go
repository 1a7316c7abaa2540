package postgres

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	sqlRefundsToSet = `SELECT ` + refundColumns + ` FROM caddypay.refunds WHERE scope = $1 AND (id = $2 AND id IS NOT NULL OR refund_no = $3 AND refund_no IS NOT NULL)
		ORDER BY seq FOR UPDATE`
	sqlRefundsOfChargeToSet = `SELECT ` + refundColumns + ` FROM caddypay.refunds WHERE scope = $1 AND charge_id = $2 ORDER BY seq FOR UPDATE`
	sqlDueRefunds           = `SELECT ` + refundColumns + ` FROM caddypay.refunds WHERE scope = $1 AND next_query > 0 AND next_query <= $2 AND (until <= $3 OR until > $4)
		AND state IN ('asked', 'pending') AND refund_no IS NOT NULL ORDER BY next_query, seq LIMIT $5 FOR UPDATE SKIP LOCKED`

	sqlAddRefund = `INSERT INTO caddypay.refunds (scope, refund_no, charge_id, order_no, amount, whole, description, funding_source, created,
			through, state, id, failure_code, failure_msg, time_succeeded, asked, next_query, asks, unclear, counted, owner, until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`
	sqlSetRefund = `UPDATE caddypay.refunds SET through = $2, state = $3, id = $4, failure_code = $5, failure_msg = $6, time_succeeded = $7, asked = $8,
		next_query = $9, asks = $10, unclear = $11, counted = $12, owner = $13, until = $14 WHERE seq = $1`
	sqlDropRefund = `DELETE FROM caddypay.refunds WHERE seq = $1`

	sqlSaveLogin = `INSERT INTO caddypay.logins (key, identity, expires) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET identity = excluded.identity, expires = excluded.expires`
	sqlDropLogins = `DELETE FROM caddypay.logins WHERE key = ANY (ARRAY(SELECT key FROM caddypay.logins WHERE expires <= $1 ORDER BY expires LIMIT $2
		FOR UPDATE SKIP LOCKED))`
)

func (t *tx) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return list(&t.session, readRefund, sqlRefundsToSet, s, nullable(id), nullable(refundNo))
}

func (t *tx) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return list(&t.session, readRefund, sqlRefundsOfChargeToSet, s, chargeID)
}

// changing are the parameters of what SetRefund writes.
func changing(r *core.Refund) []any {
	return []any{r.Through, string(r.State), nullable(r.ID), r.FailureCode, r.FailureMsg, millis(r.TimeSucceeded), millis(r.Asked), millis(r.NextQuery),
		r.Asks, r.Unclear, r.Counted, nullable(r.Owner), millis(r.Until)}
}

func (t *tx) AddRefund(r *core.Refund) error {
	scope, err := t.addScope(r.Scope)
	if err == nil {
		t.tell(sqlAddRefund, append([]any{scope, nullable(r.RefundNo), r.ChargeID, r.OrderNo, r.Amount, r.Whole, r.Description, r.FundingSource,
			millis(r.Created)}, changing(r)...)...)
	}
	return err
}

func (t *tx) SetRefund(r *core.Refund) error {
	t.tell(sqlSetRefund, append([]any{r.Seq}, changing(r)...)...)
	return nil
}

func (t *tx) DropRefund(r *core.Refund) error {
	t.tell(sqlDropRefund, r.Seq)
	return nil
}

func (t *tx) DueRefunds(c ledger.QueryClaim, leases core.Span) ([]core.Refund, error) {
	return list(&t.session, readRefund, sqlDueRefunds, c.Scope, millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit)
}

func (t *tx) SaveLogin(l ledger.Login, drop int) error {
	t.tell(sqlDropLogins, l.Now, drop)
	t.tell(sqlSaveLogin, l.Key, l.Identity, l.Expires)
	return nil
}

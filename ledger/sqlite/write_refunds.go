package sqlite

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

func (t *tx) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return list(&t.session, readRefund, sqlRefunds, s, nullable(id), nullable(refundNo))
}

func (t *tx) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return list(&t.session, readRefund, sqlRefundsOfCharge, s, chargeID)
}

// changing are the parameters of what SetRefund writes.
func changing(r *core.Refund) []any {
	return []any{r.Through, string(r.State), nullable(r.ID), r.FailureCode, r.FailureMsg, millis(r.TimeSucceeded), millis(r.Asked), millis(r.NextQuery),
		r.Asks, r.Unclear, r.Counted, nullable(r.Owner), millis(r.Until)}
}

func (t *tx) AddRefund(r *core.Refund) error {
	scope, err := t.addScope(r.Scope)
	if err != nil {
		return err
	}
	return t.set(sqlAddRefund, append([]any{scope, nullable(r.RefundNo), r.ChargeID, r.OrderNo, r.Amount, r.Whole, r.Description, r.FundingSource,
		millis(r.Created)}, changing(r)...)...)
}

func (t *tx) SetRefund(r *core.Refund) error {
	return t.set(sqlSetRefund, append(changing(r), r.Seq)...)
}

func (t *tx) DropRefund(r *core.Refund) error { return t.set(sqlDropRefund, r.Seq) }

func (t *tx) DueRefunds(c ledger.QueryClaim, leases core.Span) ([]core.Refund, error) {
	return list(&t.session, readRefund, sqlDueRefunds, c.Scope, millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit)
}

func (t *tx) SaveLogin(l ledger.Login, drop int) error {
	if err := t.set(sqlDropLogins, l.Now, drop); err != nil {
		return err
	}
	return t.set(sqlSaveLogin, l.Key, l.Identity, l.Expires)
}

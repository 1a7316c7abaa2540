package reconcile

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/asking"
)

// Order asks Ping++ now for all of an order whose outcome is not known, because a person wants to know: its attempts and its refunds, and, of an
// order without attempts, whether it was paid all the same, since the ledger may be a backup. What it learns is recorded like anything else. It ends
// with ctx, and goes on after an error about one of them.
func (r *Reconciler) Order(ctx context.Context, orderNo string) error {
	return r.order(ctx, orderNo, r.Charges.questions.Payers)
}

// OrderInTurn is Order for one of many: it takes nothing from the budget of those who wait for an answer.
func (r *Reconciler) OrderInTurn(ctx context.Context, orderNo string) error {
	return r.order(ctx, orderNo, r.Charges.questions.Later)
}

func (r *Reconciler) order(ctx context.Context, orderNo string, budget *rate.Limiter) error {
	l, err := r.Charges.ledger(ctx)
	if err != nil {
		return err
	}
	attempts, err := l.Attempts(ctx, r.Charges.scope, orderNo)
	if err != nil {
		return err
	}
	if len(attempts) == 0 {
		_, err := r.Attempts.FindPayment(ctx, l, orderNo)
		return err
	}
	var errs []error
	var unknown []ledger.Charge
	for i := range attempts {
		c := &attempts[i]
		var err error
		switch {
		case c.Paid || c.Reversed:
		case c.State == ledger.Taken:
			_, err = r.Attempts.FindPaid(ctx, l, c)
		case c.State == ledger.Unknown:
			unknown = append(unknown, *c)
		case c.ID == "":
		default:
			if err = budget.Wait(ctx); err != nil {
				err = fmt.Errorf("%w: %w", asking.ErrTooMuch, err)
				break
			}
			err = r.Charges.lookUp(ctx, l, c)
		}
		errs = append(errs, err)
	}
	if len(unknown) > 0 {
		_, err := r.Attempts.Find(ctx, l, unknown)
		errs = append(errs, err)
	}
	refunds, err := l.RefundsOf(ctx, r.Charges.scope, orderNo)
	errs = append(errs, err)
	for i := range refunds {
		errs = append(errs, r.DueRefunds.Ask(ctx, l, &refunds[i]))
	}
	return errors.Join(errs...)
}

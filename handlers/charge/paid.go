package charge

import (
	"context"

	"github.com/caddypay/caddypay/ledger"
)

// OrderPaid says whether the order of a charge is paid, by it or by another attempt.
func OrderPaid(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (bool, error) {
	if c.Pays() {
		return true, nil
	}
	attempts, err := l.Attempts(ctx, c.Scope, c.OrderNo)
	return Paying(attempts) != nil, err
}

// Paying is the attempt that has paid its order; nil when none has.
func Paying(attempts []ledger.Charge) *ledger.Charge {
	for i := range attempts {
		if attempts[i].Pays() {
			return &attempts[i]
		}
	}
	return nil
}

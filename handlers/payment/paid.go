package payment

import (
	"context"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/session"
)

// Paid reports whether somebody has paid an order and the money is still there. In doubt, as when the payment is held or the ledger
// cannot say, it is not paid.
func (s *Payments) Paid(ctx context.Context, id session.Identity, orderNo string) bool {
	if checkOrderNo(orderNo) != nil {
		return false
	}
	l, err := s.Ledger(ctx)
	if err != nil {
		s.Logger.Warn("whether an order is paid cannot be said", zap.Error(err))
		return false
	}
	attempts, err := l.Attempts(ctx, s.Scope, orderNo)
	if err != nil {
		s.Logger.Warn("whether an order is paid cannot be said", zap.String("order_no", orderNo), zap.Error(err))
		return false
	}
	for i := range attempts {
		c := &attempts[i]
		if c.Paid && id.Owns(c) && !c.Held && !c.Reversed && c.AmountRefunded < c.Amount {
			return true
		}
	}
	return false
}

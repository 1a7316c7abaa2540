package refunds

import (
	"context"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

const (
	RefundAfter  = refundAfter
	RefundQuiet  = refundQuiet
	RefundsUntil = refundsUntil
)

// Record records a refund that Ping++ has.
func Record(r *Maker, ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, found *pingpp.Refund) error {
	return (&held{r, l, re, lease, true}).record(ctx, found)
}

package charge

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile"
)

// askPatience is how long a request that does not wait for the payment waits for Ping++'s answer.
const askPatience = 3 * time.Second

// Ask looks the charge up at Ping++, in the way of the reconciler; what comes of it is in the ledger then. When Ping++ cannot say,
// or takes long, the charge stays as it is.
func Ask(ctx context.Context, reconciler *reconcile.Reconciler, log *zap.Logger, c *ledger.Charge) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if err := reconciler.Charges.Ask(ctx, c.ID); err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("a charge that its payer asks for could not be looked up", zap.String("order_no", c.OrderNo),
			zap.String("charge", c.ID), zap.Error(err))
	}
}

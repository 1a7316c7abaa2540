package handlers

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// findTime is how long a request looks at Ping++ for what became of earlier ones.
const findTime = 3 * time.Second

// find looks at Ping++ for the charges of earlier attempts that got no answer, and returns the attempts as they stand then. Where
// Ping++ cannot say in time, a new attempt is made all the same: nobody can pay an unknown one. The reconciler goes on looking.
func (a *attempt) find(ctx context.Context, l ledger.Ledger, held *ledger.Reserved) ([]ledger.Charge, error) {
	var unknown []ledger.Charge
	for _, c := range held.Attempts {
		if c.State == ledger.Unknown && c.ID == "" && !c.Superseded && !c.NextQuery.IsZero() {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) == 0 {
		return held.Attempts, nil
	}
	within, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	found, err := a.site.Reconciler.Find(within, l, unknown)
	if err != nil {
		a.log.Warn("what became of an earlier attempt is not known, and Ping++ cannot say now; it is looked for again later",
			zap.Int("attempts", len(unknown)-found), zap.Error(err))
	}
	if found == 0 {
		return held.Attempts, nil
	}
	attempts, err := l.Attempts(ctx, a.site.Scope, a.req.OrderNo)
	return slices.DeleteFunc(attempts, func(c ledger.Charge) bool { return c.Number == held.Number }), err
}

package reconcile

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	clockPoll = time.Second // how soon it is noticed that the clock was put back
	lookAhead = time.Minute // between two looks at what lies ahead, which another process may have left there
)

// overdue makes due what a clock that has been put back since has left too far ahead: look-ups, and deliveries, of which the ledger
// then tells the relay. Every app and mode has a reconciler, with events or without, and a slow disk holds up no delivery here.
type overdue struct {
	scope  ledger.Scope
	ledger func(context.Context) (ledger.Ledger, error)
	now    func() time.Time
	logger *zap.Logger
}

// run looks until ctx ends.
func (o *overdue) run(ctx context.Context) {
	poll := time.NewTicker(clockPoll)
	defer poll.Stop()
	var looked time.Time
	for ctx.Err() == nil {
		if now := o.now().Round(0); now.Sub(looked) >= lookAhead || now.Before(looked) { // the wall clock's
			looked = now
			o.look(ctx, now)
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

func (o *overdue) look(ctx context.Context, now time.Time) {
	l, err := o.ledger(ctx)
	n := 0
	if err == nil {
		n, err = l.Overdue(ctx, o.scope, now)
	}
	if n > 0 {
		o.logger.Warn("the clock was put back: what it had left too far ahead is due now", zap.String("scope", o.scope.Key()), zap.Int("records", n))
	}
	if err != nil && ctx.Err() == nil {
		o.logger.Warn("cannot look in the ledger for what is due too late because the clock was put back, trying again in a minute",
			zap.String("scope", o.scope.Key()), zap.Error(err))
	}
}

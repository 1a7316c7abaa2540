package relay

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const (
	clockPoll = time.Second // how soon it is noticed that the clock was put back
	lookAhead = time.Minute // between two looks at what lies ahead, which another process may have left there
)

// followClock makes due what a clock that has been put back since has left too far ahead: look-ups, and deliveries, of which the ledger
// then tells the relay. Every app and mode has a reconciler, with events or without, and a slow disk holds up no delivery here.
func (r *Reconciler) followClock(ctx context.Context) {
	poll := time.NewTicker(clockPoll)
	defer poll.Stop()
	var looked time.Time
	for ctx.Err() == nil {
		if now := r.cfg.Now().Round(0); now.Sub(looked) >= lookAhead || now.Before(looked) { // the wall clock's
			looked = now
			r.overdue(ctx, now)
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

func (r *Reconciler) overdue(ctx context.Context, now time.Time) {
	l, err := r.cfg.Ledger(ctx)
	n := 0
	if err == nil {
		n, err = l.Overdue(ctx, r.cfg.Scope, now)
	}
	if n > 0 {
		r.cfg.Logger.Warn("the clock was put back: what it had left too far ahead is due now", zap.String("scope", r.cfg.Scope.Key()), zap.Int("records", n))
	}
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("cannot look in the ledger for what is due too late because the clock was put back, trying again in a minute",
			zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
}

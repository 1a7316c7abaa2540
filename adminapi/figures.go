package adminapi

import (
	"context"
	"time"
)

// figureServer counts.
type figureServer struct {
	books
	shipping *shipServer
}

type figureClient struct{ *Endpoint }

// Figures says, of each app and mode, what waits and how much money is at risk.
func (s *figureServer) Figures(ctx context.Context) ([]ScopeFigures, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all, now := []ScopeFigures{}, time.Now()
	for _, scope := range s.running() {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		v := ScopeFigures{
			App: scope.App, Mode: string(scope.Mode), Events: make(map[string]int64), AtRisk: f.AtRisk, AtRiskEvents: f.AtRiskEvents, OldestAtRisk: f.OldestAtRisk,
			OldestPending: f.OldestPending, NextAttempt: f.NextAttempt, Swept: f.Swept, Paused: viewPause(scope, f.Paused), Bytes: f.Bytes, WALBytes: f.WALBytes,
		}
		if v.Frozen, err = s.shipping.frozen(ctx, l, scope, f, now); err != nil {
			return nil, err
		}
		for _, state := range eventStates {
			v.Events[string(state)] = f.Events[state]
		}
		all = append(all, v)
	}
	return all, nil
}

// Hours says what happened in each hour of [since, until) in which something did, of each app and mode, oldest first.
func (s *figureServer) Hours(ctx context.Context, since, until time.Time) ([]HourView, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []HourView{}
	for _, scope := range s.running() {
		hours, err := l.Hours(ctx, scope, since, until)
		if err != nil {
			return nil, unread(err)
		}
		for _, h := range hours {
			all = append(all, HourView{App: scope.App, Mode: string(scope.Mode), At: h.At, Charges: h.Charges, Webhook: h.Webhook, Query: h.Query, Paid: h.Paid, Refunded: h.Refunded})
		}
	}
	return all, nil
}

// HourQuery chooses hours.
type HourQuery struct {
	Since string `query:"since"` // a time, a day, or how long ago; absent: 24h
	Until string `query:"until"` // likewise; absent: now
}

// hoursDefault is how far back Hours goes of itself.
const hoursDefault = 24 * time.Hour

func (s *figureServer) hours(ctx context.Context, q HourQuery) ([]HourView, error) {
	now := time.Now()
	p, err := Part{Since: q.Since, Until: q.Until}.span(now)
	if err != nil {
		return nil, err
	}
	if p.since.IsZero() {
		p.since = now.Add(-hoursDefault)
	}
	if p.until.IsZero() {
		p.until = now
	}
	return s.Hours(ctx, p.since, p.until)
}

// Figures is Server.Figures.
func (c *figureClient) Figures(ctx context.Context) ([]ScopeFigures, error) {
	figures, err := get[[]ScopeFigures](ctx, c.Endpoint, "/pay/figures", nil)
	return *figures, err
}

// Hours is Server.Hours.
func (c *figureClient) Hours(ctx context.Context, since, until time.Time) ([]HourView, error) {
	hours, err := get[[]HourView](ctx, c.Endpoint, "/pay/hours", HourQuery{since.Format(time.RFC3339), until.Format(time.RFC3339)})
	return *hours, err
}

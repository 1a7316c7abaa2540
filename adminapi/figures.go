package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// figureServer counts.
type figureServer struct{ books }

type figureClient struct{ *Endpoint }

// Figures says, of each app and mode, what waits and how much money is at risk.
func (s *figureServer) Figures(ctx context.Context) ([]ScopeFigures, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []ScopeFigures{}
	for _, scope := range s.running() {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		v := ScopeFigures{
			App: scope.App, Mode: string(scope.Mode), Events: make(map[string]int64), AtRisk: f.AtRisk, AtRiskEvents: f.AtRiskEvents, OldestAtRisk: f.OldestAtRisk,
			OldestPending: f.OldestPending, NextAttempt: f.NextAttempt, Swept: f.Swept, Paused: viewPause(scope, f.Paused), Bytes: f.Bytes, WALBytes: f.WALBytes,
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

func (s *figureServer) serveFigures(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.Figures(r.Context())
}

// hoursDefault is how far back Hours goes of itself.
const hoursDefault = 24 * time.Hour

func (s *figureServer) serveHours(_ http.ResponseWriter, r *http.Request) (any, error) {
	now := time.Now()
	since, until := now.Add(-hoursDefault), now
	v := r.URL.Query()
	for name, at := range map[string]*time.Time{"since": &since, "until": &until} {
		if text := v.Get(name); text != "" {
			t, err := parseTime(text, name, now)
			if err != nil {
				return nil, refuse(http.StatusBadRequest, "%w", err)
			}
			*at = t
		}
	}
	return s.Hours(r.Context(), since, until)
}

// Figures is Server.Figures.
func (c *figureClient) Figures(ctx context.Context) ([]ScopeFigures, error) {
	figures, err := get[[]ScopeFigures](ctx, c.Endpoint, "/pay/figures", nil)
	return *figures, err
}

// Hours is Server.Hours.
func (c *figureClient) Hours(ctx context.Context, since, until time.Time) ([]HourView, error) {
	hours, err := get[[]HourView](ctx, c.Endpoint, "/pay/hours", url.Values{"since": {since.Format(time.RFC3339)}, "until": {until.Format(time.RFC3339)}})
	return *hours, err
}

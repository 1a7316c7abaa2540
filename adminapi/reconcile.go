package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/nightly"
)

// DayQuery chooses a day.
type DayQuery struct {
	Date string `query:"date" required:"true"` // like 2006-01-02, in UTC+8
}

// sweepServer compares days with Ping++'s lists.
type sweepServer struct {
	books
	sweep func(ctx context.Context, scope ledger.Scope, day time.Time) (*nightly.Sweep, error)
}

type sweepClient struct{ *Endpoint }

// Reconcile compares a day, in UTC+8, with Ping++'s list, for every app and mode of the running configuration.
func (s *sweepServer) Reconcile(ctx context.Context, date string) ([]SweepView, error) {
	day, err := time.ParseInLocation(time.DateOnly, date, nightly.China)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "date must be a day like 2006-01-02, in UTC+8")
	}
	views := []SweepView{}
	for _, scope := range s.running() {
		sweep, err := s.sweep(ctx, scope, day)
		if err != nil {
			return nil, refuse(http.StatusBadGateway, "%s: %w", scope.Key(), err)
		}
		views = append(views, SweepView{App: scope.App, Mode: string(scope.Mode), Sweep: sweep})
	}
	return views, nil
}

// Reconcile is Server.Reconcile.
func (c *sweepClient) Reconcile(ctx context.Context, date string) ([]SweepView, error) {
	views, err := post[[]SweepView](ctx, c.Endpoint, "/pay/reconcile", DayQuery{date}, nothing{})
	return *views, err
}

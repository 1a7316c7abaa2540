package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/relay/nightly"
)

// Reconcile compares a day, in UTC+8, with Ping++'s list, for every app and mode of the running configuration.
func (s *Server) Reconcile(ctx context.Context, date string) ([]SweepView, error) {
	day, err := time.ParseInLocation(time.DateOnly, date, nightly.China)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "date must be a day like 2006-01-02, in UTC+8")
	}
	views := []SweepView{}
	for _, scope := range s.cfg.Scopes() {
		sweep, err := s.cfg.Sweep(ctx, scope, day)
		if err != nil {
			return nil, refuse(http.StatusBadGateway, "%s: %w", scope.Key(), err)
		}
		views = append(views, SweepView{App: scope.App, Mode: string(scope.Mode), Sweep: sweep})
	}
	return views, nil
}

func (s *Server) serveReconcile(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.Reconcile(r.Context(), r.URL.Query().Get("date"))
}

// VerifyLedger reads the whole ledger. It goes on beside everything else, and may take minutes.
func (s *Server) VerifyLedger(ctx context.Context) (*LedgerCheck, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	faults, err := l.Verify(ctx)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the ledger cannot be checked: %w", err)
	}
	return &LedgerCheck{File: s.cfg.File, Sound: len(faults) == 0, Faults: append([]string{}, faults...), MS: time.Since(start).Milliseconds()}, nil
}

func (s *Server) serveVerify(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.VerifyLedger(r.Context())
}

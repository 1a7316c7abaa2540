package adminapi

import (
	"context"
	"net/http"

	"github.com/caddypay/caddypay/ledger"
)

// Health is what a probe asks.
type Health struct {
	Ready  bool          `json:"ready"`  // payments can be taken
	Ledger string        `json:"ledger"` // its file
	Scopes []ScopeHealth `json:"scopes"`
}

// ScopeHealth is that of an app in a mode.
type ScopeHealth struct {
	App     string     `json:"app"`
	Mode    string     `json:"mode"`
	Pending int64      `json:"pending"`          // events that wait for their delivery
	Paused  *PauseView `json:"paused,omitempty"` // nothing is delivered
}

// Health says whether payments can be taken: the ledger is open and answers for every site. An error says why not.
func (s *Server) Health(ctx context.Context) (*Health, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	h := &Health{Ready: true, Ledger: s.cfg.File, Scopes: []ScopeHealth{}}
	for _, scope := range s.cfg.Scopes() {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		h.Scopes = append(h.Scopes, ScopeHealth{App: scope.App, Mode: string(scope.Mode), Pending: f.Events[ledger.Pending], Paused: viewPause(scope, f.Paused)})
	}
	return h, nil
}

func (s *Server) serveHealth(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.Health(r.Context())
}

package adminapi

import (
	"context"

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

// healthServer says whether all is well.
type healthServer struct {
	books
	file string // where the ledger is, for people to read
}

type healthClient struct{ *Endpoint }

// Health says whether payments can be taken: the ledger is open and answers for every site. An error says why not.
func (s *healthServer) Health(ctx context.Context) (*Health, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	h := &Health{Ready: true, Ledger: s.file, Scopes: []ScopeHealth{}}
	for _, scope := range s.running() {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		h.Scopes = append(h.Scopes, ScopeHealth{App: scope.App, Mode: string(scope.Mode), Pending: f.Events[ledger.Pending], Paused: viewPause(scope, f.Paused)})
	}
	return h, nil
}

// Health is Server.Health.
func (c *healthClient) Health(ctx context.Context) (*Health, error) {
	return get[Health](ctx, c.Endpoint, "/pay/health", nil)
}

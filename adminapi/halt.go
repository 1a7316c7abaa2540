package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// haltServer stops deliveries and lets them go on.
type haltServer struct{ books }

type haltClient struct{ *Endpoint }

// Pause lets nothing of an app in a mode be delivered until somebody says otherwise, also in the next process; with neither, of all running sites. What
// comes is recorded, and what is under way ends. It returns what is paused now.
func (s *haltServer) Pause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	return s.halt(ctx, ledger.ActionPause, app, mode, Decision{Reason: reason})
}

// Unpause ends what Pause began, and returns what is paused still.
func (s *haltServer) Unpause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	return s.halt(ctx, ledger.ActionUnpause, app, mode, Decision{Reason: reason})
}

func (s *haltServer) halt(ctx context.Context, action ledger.Action, app, mode string, d Decision) ([]PauseView, error) {
	named, err := scopeOf(app, mode)
	if err != nil {
		return nil, err
	}
	if action == ledger.ActionPause {
		if err := needReason(action, d.Reason); err != nil {
			return nil, err
		}
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	scopes := s.scopesOf(named)
	if action == ledger.ActionPause && named != (ledger.Scope{}) && !slices.Contains(s.running(), named) {
		return nil, refuse(http.StatusNotFound, "no site takes payments for %s; there are %s", named.Key(), s.names())
	}
	changed := false
	for _, scope := range scopes {
		err := l.Decide(ctx, ledger.Decision{Scope: scope, Action: action, Now: time.Now(), By: byOf(ctx), Said: d.Said, Reason: d.Reason})
		if err != nil && !errors.Is(err, ledger.ErrState) {
			return nil, refuse(http.StatusServiceUnavailable, "writing the ledger: %w", err)
		}
		if err == nil {
			changed = true
			s.log.Info("decided", zap.String("app", scope.App), zap.String("mode", string(scope.Mode)), zap.String("action", string(action)), zap.String("by", byOf(ctx)))
		}
	}
	switch {
	case changed:
		return s.paused(ctx, s.running())
	case action == ledger.ActionPause:
		return nil, refuse(http.StatusConflict, "delivery is paused already; resume it first if it is to be for another reason")
	}
	return nil, refuse(http.StatusConflict, "delivery is not paused")
}

// Pause is Server.Pause.
func (c *haltClient) Pause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	paused, err := post[[]PauseView](ctx, c.Endpoint, "/pay/pause", ScopeRef{app, mode}, Decision{Said: c.Said, Reason: reason})
	return *paused, err
}

// Unpause is Server.Unpause.
func (c *haltClient) Unpause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	paused, err := post[[]PauseView](ctx, c.Endpoint, "/pay/resume", ScopeRef{app, mode}, Decision{Said: c.Said, Reason: reason})
	return *paused, err
}

package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// Figures says, of each app and mode, what waits and how much money is at risk.
func (s *Server) Figures(ctx context.Context) ([]ScopeFigures, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []ScopeFigures{}
	for _, scope := range s.cfg.Scopes() {
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
func (s *Server) Hours(ctx context.Context, since, until time.Time) ([]HourView, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []HourView{}
	for _, scope := range s.cfg.Scopes() {
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

// Find says what goes by a name, whatever kind of name that is; nothing is no error.
func (s *Server) Find(ctx context.Context, text string) ([]Found, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []Found{}
	for _, scope := range s.cfg.Scopes() {
		found, err := l.Find(ctx, scope, text)
		if err != nil {
			return nil, unread(err)
		}
		for _, f := range found {
			all = append(all, Found{App: scope.App, Mode: string(scope.Mode), Kind: string(f.Kind), ID: f.ID, OrderNo: f.OrderNo})
		}
	}
	return all, nil
}

// Pause lets nothing of an app in a mode be delivered until somebody says otherwise, also in the next process; with neither, of all running sites. What
// comes is recorded, and what is under way ends. It returns what is paused now.
func (s *Server) Pause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	return s.halt(ctx, ledger.ActionPause, app, mode, Decision{Reason: reason})
}

// Unpause ends what Pause began, and returns what is paused still.
func (s *Server) Unpause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	return s.halt(ctx, ledger.ActionUnpause, app, mode, Decision{Reason: reason})
}

func (s *Server) halt(ctx context.Context, action ledger.Action, app, mode string, d Decision) ([]PauseView, error) {
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
	if action == ledger.ActionPause && named != (ledger.Scope{}) && !slices.Contains(s.cfg.Scopes(), named) {
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
			s.cfg.Logger.Info("decided", zap.String("app", scope.App), zap.String("mode", string(scope.Mode)), zap.String("action", string(action)), zap.String("by", byOf(ctx)))
		}
	}
	switch {
	case changed:
		return s.paused(ctx, s.cfg.Scopes())
	case action == ledger.ActionPause:
		return nil, refuse(http.StatusConflict, "delivery is paused already; resume it first if it is to be for another reason")
	}
	return nil, refuse(http.StatusConflict, "delivery is not paused")
}

// names are the apps and modes of the running sites.
func (s *Server) names() string {
	var all []string
	for _, scope := range s.cfg.Scopes() {
		all = append(all, scope.Key())
	}
	return strings.Join(all, ", ")
}

// paused says which of some scopes are.
func (s *Server) paused(ctx context.Context, scopes []ledger.Scope) ([]PauseView, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []PauseView{}
	for _, scope := range scopes {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		if f.Paused != nil {
			all = append(all, *viewPause(scope, f.Paused))
		}
	}
	return all, nil
}

func (s *Server) serveFigures(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.Figures(r.Context())
}

// hoursDefault is how far back Hours goes of itself.
const hoursDefault = 24 * time.Hour

func (s *Server) serveHours(_ http.ResponseWriter, r *http.Request) (any, error) {
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

func (s *Server) serveFind(_ http.ResponseWriter, r *http.Request) (any, error) {
	text := r.URL.Query().Get("q")
	if text == "" {
		return nil, refuse(http.StatusBadRequest, "q is missing: an order number, or any other number or id of a payment")
	}
	return s.Find(r.Context(), text)
}

func (s *Server) servePause(w http.ResponseWriter, r *http.Request) (any, error) {
	return s.serveHalt(w, r, ledger.ActionPause)
}

func (s *Server) serveUnpause(w http.ResponseWriter, r *http.Request) (any, error) {
	return s.serveHalt(w, r, ledger.ActionUnpause)
}

func (s *Server) serveHalt(w http.ResponseWriter, r *http.Request, action ledger.Action) (any, error) {
	var in Decision
	if err := readBody(w, r, &in, `{"said": …, "reason": …}`); err != nil {
		return nil, err
	}
	q := r.URL.Query()
	return s.halt(r.Context(), action, q.Get("app"), q.Get("mode"), in)
}

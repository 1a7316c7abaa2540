package caddymodule

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/asking"
)

const (
	maxWaiters  = 1_000_000
	maxAttempts = 1_000_000
)

// budgets holds what is spent of the limits. Sites of one app and mode with the same limits share it, and so do the old and the new
// configuration during a reload: a reload gives nobody a new budget unless it changes the limits.
var budgets = caddy.NewUsagePool()

type budgetsKey struct {
	scope  ledger.Scope
	limits limits.Limits
}

// provisionLimits resolves the limits; what is not set has its default.
func (h *Handler) provisionLimits(r *resolver) error {
	c := h.Limits
	if c == nil {
		c = &LimitsConfig{}
	}
	l := limits.Default
	for _, option := range []struct {
		name, text string
		to         *limits.Rate
	}{{"address", c.Address, &l.Address}, {"openid", c.OpenID, &l.OpenID}, {"app", c.App, &l.App}, {"refused", c.Refused, &l.Refused}} {
		if option.text == "" {
			continue
		}
		var err error
		if *option.to, err = limits.ParseRate(option.text); err != nil {
			return r.errorf("limits "+option.name, "%w", err)
		}
	}
	if c.Waiters < 0 || c.Waiters > maxWaiters {
		return r.errorf("limits waiters", "%d is not from 1 to %d; write waiters 2000", c.Waiters, maxWaiters)
	}
	if c.Waiters > 0 {
		l.Waiters = c.Waiters
	}
	if c.Attempts < 0 || c.Attempts > maxAttempts {
		return r.errorf("limits attempts", "%d is not from 1 to %d; write attempts 10", c.Attempts, maxAttempts)
	}
	if c.Attempts > 0 {
		l.Attempts = c.Attempts
	}
	h.resolved.Budgets = h.app.budgets(budgetsKey{h.resolved.Scope, l})
	return nil
}

// budgets returns the budgets under a key; Cleanup gives them back.
func (a *App) budgets(key budgetsKey) *limits.Budgets {
	b, _ := budgets.LoadOrStore(key, limits.NewBudgets(key.limits))
	a.spent = append(a.spent, key)
	return b.(*limits.Budgets)
}

// releaseBudgets gives all budgets back.
func (a *App) releaseBudgets() {
	for _, key := range a.spent {
		_, _ = budgets.Delete(key) // nothing is closed that could fail
	}
	for _, s := range a.asks {
		_, _ = questions.Delete(s)
	}
	a.spent, a.asks = nil, nil
}

// questions holds how often Ping++ is asked about each app, by all its sites together, over reloads too.
var questions = caddy.NewUsagePool()

// questions returns those of a scope; Cleanup gives them back.
func (a *App) questions(s ledger.Scope) *asking.Questions {
	q, _ := questions.LoadOrStore(s, asking.NewQuestions())
	a.asks = append(a.asks, s)
	return q.(*asking.Questions)
}

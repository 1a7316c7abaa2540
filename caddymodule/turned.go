package caddymodule

import (
	"sync"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
)

// turned counts what becomes of webhooks, for the doctor. It is this process's, like the metrics, so that it goes on over reloads.
var turned = struct {
	sync.Mutex
	of map[turnedKey]*check.Turned
}{of: make(map[turnedKey]*check.Turned)}

type turnedKey struct {
	ledger string // its file
	scope  ledger.Scope
}

// turnedBy counts a webhook by its result, as the metric has it.
func (a *App) turnedBy(scope ledger.Scope, result string) {
	turned.Lock()
	defer turned.Unlock()
	key := turnedKey{a.home.key, scope}
	t := turned.of[key]
	if t == nil {
		t = new(check.Turned)
		turned.of[key] = t
	}
	switch result {
	case "recorded", "duplicate", "same_effect", "held":
		*t = check.Turned{Taken: time.Now()}
	case "wrong_key", "malformed", "mode", "app": // anybody can send the others
		t.Away, t.Why = t.Away+1, result
	}
}

// turnedOf is what became of a scope's webhooks.
func (a *App) turnedOf(scope ledger.Scope) check.Turned {
	turned.Lock()
	defer turned.Unlock()
	if t := turned.of[turnedKey{a.home.key, scope}]; t != nil {
		return *t
	}
	return check.Turned{}
}

// countWebhook counts what became of one.
func (h *Handler) countWebhook(result string) {
	metrics.webhooks.WithLabelValues(result).Inc()
	h.app.turnedBy(h.resolved.Scope, result)
	if text, _ := check.Refusal(result); text.EN != "" {
		h.app.sawRefused(h.registry.site, h.resolved.Scope, result)
	}
}

package caddymodule

import (
	"sync"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// failingAfter is after how many attempts in a row, none of which delivered its event, a backend counts as failing.
const failingAfter = 3

// backends remembers how deliveries go, over reloads.
var backends = &streaks{failed: make(map[ledger.Scope]int)}

// streaks counts, for each app and mode, the attempts since an event was last delivered.
type streaks struct {
	mu     sync.Mutex
	failed map[ledger.Scope]int
}

// ended takes in how an attempt ended, and reports whether the backend counts as failing from now on.
func (s *streaks) ended(scope ledger.Scope, delivered bool) (began bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delivered {
		delete(s.failed, scope)
		return false
	}
	s.failed[scope]++
	return s.failed[scope] == failingAfter
}

func (s *streaks) failing(scope ledger.Scope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed[scope] >= failingAfter
}

// observeDelivery counts the attempts to deliver events of an app and mode, and announces that they begin to fail.
func (a *App) observeDelivery(scope ledger.Scope) func(result string, since time.Duration) {
	return func(result string, since time.Duration) {
		metrics.deliveries.WithLabelValues(result).Inc()
		if since > 0 {
			metrics.delivery.Observe(since.Seconds())
		}
		if backends.ended(scope, result == "delivered") {
			a.announce.tell(eventBackendFailing, scope, map[string]any{"attempts": failingAfter})
		}
	}
}

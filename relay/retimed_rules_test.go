package relay

import (
	"net/http"
	"testing"
	"time"
)

// An attempt that failed says when the event is due again: nobody waits for the poll.
func TestTriedAgainWithoutPolling(t *testing.T) {
	l := newLentLedger(t)
	cfg := config(t, l, newBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	cfg.Retry = []time.Duration{20 * time.Millisecond, 20 * time.Millisecond}
	idle(t, l, cfg)
	record(t, l.Ledger, newEvent("evt_1", time.Now()))
	waitAttempts(t, l, "evt_1", 3)
}

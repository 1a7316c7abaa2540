package relay

import (
	"net/http"
	"testing"
	"time"
)

// An attempt that failed says when the event is due again: nobody waits for the poll.
func TestTriedAgainWithoutPolling(t *testing.T) {
	l := newLedger(t)
	cfg := config(t, l, newBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	cfg.Poll, cfg.Retry = time.Hour, []time.Duration{20 * time.Millisecond, 20 * time.Millisecond}
	record(t, l, newEvent("evt_1", time.Now()))
	start(t, cfg)
	waitAttempts(t, l, "evt_1", 3)
}

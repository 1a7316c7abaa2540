package relay

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A clock that is put forward, or a pause longer than a lease, during an attempt: the relay does not take the event from itself, and
// the outcome counts once.
func TestClockPutForward(t *testing.T) {
	l, c := newLedger(t), newClock()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_1" {
			arrived <- struct{}{}
			<-proceed
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	w := &claims{Ledger: l}
	cfg := config(t, w, b)
	cfg.Now, cfg.Poll = c.Now, time.Millisecond
	record(t, l, newEvent("evt_1", c.Now()))
	start(t, cfg)
	<-arrived
	c.Set(c.Now().Add(8 * time.Hour))
	waitFor(t, "the relay to claim its own event", func() bool { return w.of("evt_1") >= 2 })
	close(proceed)
	e, d := waitAttempts(t, l, "evt_1", 1)
	if e.Attempts != 1 || e.State != ledger.Pending || d.Status != http.StatusInternalServerError {
		t.Errorf("%+v, %+v", e, d)
	}
	if n := len(b.Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

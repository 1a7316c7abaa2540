package relay

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What is recorded of an attempt, and who is told of an event that has none left: once that is on record, and why.
func TestDeadIsTold(t *testing.T) {
	l, c := newLedger(t), newClock()
	began := c.Now()
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		c.Set(c.Now().Add(3 * time.Second))
		http.Error(w, "gone", http.StatusNotFound)
	})
	type told struct{ id, state, why string }
	got, results := make(chan told, 9), make(chan string, 9)
	cfg := config(t, l, b)
	cfg.Now, cfg.Retry = c.Now, []time.Duration{time.Minute}
	cfg.Dead = func(ev *ledger.Event, why string) {
		e, _ := load(t, l, ev.ID)
		got <- told{ev.ID, string(e.State), why}
	}
	cfg.Observe = func(result string, since time.Duration) { results <- result + " " + since.String() }
	record(t, l, newEvent("evt_1", began))
	start(t, cfg)
	e, d := waitAttempts(t, l, "evt_1", 1)
	const why = `your backend answered 404: does it serve the path that events names?; it was asked POST /internal/pay/events`
	if !d.At.Equal(began) || d.Took != 3*time.Second || d.Error != why || d.Snippet != "gone" {
		t.Errorf("%+v", d)
	}
	c.Set(e.Due)
	waitAttempts(t, l, "evt_1", 2)
	if dead := <-got; dead != (told{"evt_1", "dead", why}) || len(got) != 0 {
		t.Errorf("%+v, and %d more", dead, len(got))
	}
	if seen := []string{<-results, <-results}; !slices.Equal(seen, []string{"failed 0s", "dead 0s"}) {
		t.Errorf("%q", seen)
	}
}

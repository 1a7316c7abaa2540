package relay

import (
	"errors"
	"testing"
	"time"
)

// What people see of an outage: since when, and when the next event goes out, unless one is out.
func TestOutageRules(t *testing.T) {
	r, err := New(config(t, newLedger(t), failing(errors.New("nobody"))))
	if err != nil {
		t.Fatal(err)
	}
	since, next := time.Unix(1_790_000_000, 0), time.Unix(1_790_000_030, 0)
	for name, c := range map[string]struct {
		open, probing bool
		want          Outage
	}{
		"reachable": {false, false, Outage{}}, "tried, by the first of all": {false, true, Outage{}}, "away": {true, false, Outage{Since: since, Probe: next}}, "tried again": {true, true, Outage{Since: since}},
	} {
		r.breaker.open, r.breaker.probing, r.breaker.since, r.breaker.next = c.open, c.probing, since, next
		if got := r.Outage(); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

package relay

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A late claim is leased for as long as the disk may take again, and never for longer than anybody may lease.
func TestProlongedLease(t *testing.T) {
	l, c := newLedger(t), newClock()
	cfg := config(t, l, newBackend(t, answerOK))
	cfg.Now = c.Now
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, newEvent("evt_1", c.Now()))
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: c.Now(), Until: c.Now().Add(leaseTime), Limit: 1})
	if err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	for took, want := range map[time.Duration]time.Duration{time.Second: leaseTime + 2*time.Second, time.Hour: ledger.LongestLease} {
		left, now, until, err := r.prolong(t.Context(), "a", append([]ledger.Event{{ID: "evt_other"}}, es...), took)
		if err != nil || len(left) != 1 || left[0].ID != "evt_1" || !now.Equal(c.Now()) || until.Sub(now) != want {
			t.Errorf("after %s: %d events, until %s, %v; want %s", took, len(left), until.Sub(now), err, want)
		}
	}
}

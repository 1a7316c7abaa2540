package relay

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What is ready starts as soon as a slot is free, and takes it.
func TestSlotsAreTaken(t *testing.T) {
	r, l, _ := idler(t)
	l.settle = func(_ context.Context, _ int) error { return nil }
	free := make(chan struct{})
	r.courier.backend = transport(func(*http.Request) (*http.Response, error) { <-free; return answering(200, "success")(nil) })
	ready := func() {
		for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
			h := hold{id, 1}
			r.ready, r.held[h] = append(r.ready, task{h, newEvent(id, l.clock.Now())}), lease{owner: "me", until: l.clock.Now().Add(time.Minute)}
		}
	}
	look := func(what string, sending, left int) {
		t.Helper()
		if r.sending != sending || len(r.ready) != left {
			t.Errorf("%s: %d under way, %d ready", what, r.sending, len(r.ready))
		}
	}
	r.mu.Lock()
	ready()
	r.sending = 7
	r.startReady(t.Context(), l.clock.Now())
	look("one slot", 8, 2)
	r.mu.Unlock()
	r.sent(t.Context(), "evt_0", answer{reach: succeeded}, pass{n: 1}, l.clock.Now(), l.clock.Now())
	r.mu.Lock()
	look("one ended", 8, 1)
	r.ready = nil
	r.mu.Unlock()
	close(free)
	r.work.Wait()
}

// What was claimed anew while it was under way is tried once more under its new name, unless that delivered it, or its outcome was recorded under that name.
func TestReleaseRules(t *testing.T) {
	for name, c := range map[string]struct {
		anew  bool
		owner string // under which the outcome was recorded
		state ledger.State
		again bool
	}{
		"as ever":                  {false, "me#2", ledger.Pending, false},
		"the lease has moved on":   {false, "me#1", ledger.Pending, false},
		"claimed anew":             {true, "me#1", ledger.Pending, true},
		"claimed anew, and dead":   {true, "me#1", ledger.Dead, true},
		"claimed anew, but heard":  {true, "me#1", ledger.Delivered, false},
		"recorded under that name": {true, "me#2", ledger.Pending, false},
	} {
		r, l, _ := idler(t)
		h, now := hold{"evt_1", 1}, l.clock.Now()
		had := lease{owner: "me#2", claimed: now, until: now.Add(time.Minute)}
		if c.anew {
			had.anew = newEvent("evt_1", now)
		}
		r.held[h] = had
		r.release(t.Context(), h, c.owner, c.state)
		got, held := r.held[h]
		if held != c.again || len(r.ready) != boolInt(c.again) || len(r.freed) != 1 {
			t.Errorf("%s: held %t, %d ready, told %d", name, held, len(r.ready), len(r.freed))
		}
		if want := (lease{owner: had.owner, claimed: had.claimed, until: had.until}); c.again && (got != want || r.ready[0].hold != h || r.ready[0].event != had.anew) {
			t.Errorf("%s: %+v, and ready %+v", name, got, r.ready[0])
		}
	}
}

// A claim that came late is prolonged from now on.
func TestProlongedFromNow(t *testing.T) {
	r, l, _ := idler(t)
	now := l.clock.Now()
	if _, _, _, err := r.prolong(t.Context(), "me#1", nil, time.Second); err != nil {
		t.Fatal(err)
	}
	if want := (ledger.Claim{Scope: scope, Owner: "me#1", Now: now, Until: now.Add(leaseTime + 2*time.Second)}); len(l.renewals) != 1 || l.renewals[0] != want {
		t.Errorf("%+v, want %+v", l.renewals, want)
	}
}

// Each secret signs the event's id, the time and the body, by HMAC-SHA256; the signatures stand beside one another.
func TestSignatures(t *testing.T) {
	var secrets []Secret
	var want []string
	at, body := time.Unix(1_790_000_000, 999), []byte(`{"id":"evt_1"}`)
	for _, n := range []int{24, 32} {
		s, err := ParseSecret("whsec_" + encode(n))
		if err != nil {
			t.Fatal(err)
		}
		key, _ := base64.StdEncoding.DecodeString(encode(n))
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(`evt_1.1790000000.{"id":"evt_1"}`))
		secrets, want = append(secrets, s), append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if got := signatures(secrets, "evt_1", at, body); got != strings.Join(want, " ") {
		t.Errorf("%s, want %s", got, want)
	}
	if b, err := json.Marshal(secrets[:1]); err != nil || string(b) != `["whsec_[redacted]"]` {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := ParseSecret("whpk_" + encode(32)); err == nil || !strings.Contains(err.Error(), "asymmetric") {
		t.Error(err)
	}
}

package core_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStepTakesNoLease: when the clock is put forward or back nobody takes what another is at, though its lease has run out by the new
// clock or ends too far ahead; a dead owner's is free as soon as it would have been.
func TestStepTakesNoLease(t *testing.T) {
	engines := map[string]func(t *testing.T) *core.Ledger{
		"memory": func(*testing.T) *core.Ledger { return memory.Open(memory.NewRows(), time.Now()).Ledger },
		"sqlite": func(t *testing.T) *core.Ledger {
			l, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(t.TempDir(), "ledger.db")})
			must(t, err)
			t.Cleanup(func() { must(t, l.Close()) })
			return l.Ledger
		},
	}
	for name, c := range map[string]struct {
		engine string
		step   time.Duration
	}{
		"sqlite/forward": {"sqlite", 8 * time.Hour}, "sqlite/back": {"sqlite", -8 * time.Hour},
		"memory/forward": {"memory", 8 * time.Hour}, "memory/back": {"memory", -8 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			const lease = 1800 * time.Millisecond
			l, step, scope := engines[c.engine](t), c.step, ledger.Scope{App: "app_1", Mode: ledger.Live}
			_, err := l.Append(t.Context(), &ledger.Event{Scope: scope, ID: "evt_1", State: ledger.Pending, Received: time.UnixMilli(1)})
			must(t, err)
			wall := time.Now().Round(0)
			var passed time.Duration
			claim := func(owner string) int {
				t.Helper()
				// To a ledger that was opened later less has passed: that is how a clock looks which was put forward.
				now := wall.Add(passed)
				l.Opened(now.Add(-passed))
				es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: owner, Now: now, Until: now.Add(lease), Limit: 9})
				must(t, err)
				return len(es)
			}
			l.Looked(wall)
			if claim("a") != 1 {
				t.Fatal("nothing to claim")
			}
			wall = wall.Add(step)
			passed = 500 * time.Millisecond
			if claim("b") != 0 {
				t.Fatal("the step took a lease that is in use")
			}
			now := wall.Add(passed)
			_, err = l.Renew(t.Context(), "a", ledger.Claim{Scope: scope, Owner: "a", Now: now, Until: now.Add(lease)})
			must(t, err)
			passed = 2 * time.Second
			if claim("b") != 0 {
				t.Fatal("the lease was taken although its owner had prolonged it")
			}
			passed = 10 * time.Second // the owner has died
			if claim("b") != 1 {
				t.Fatal("a dead owner's lease is not free")
			}
		})
	}
}

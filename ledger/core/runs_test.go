package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
)

// TestRunIsGivenBack: whoever has given a run back, or has ended it, writes into it no more, and whoever waits for runs hears of that.
func TestRunIsGivenBack(t *testing.T) {
	l, ctx := memory.Open(memory.NewRows(), noon), t.Context()
	if runs, err := l.Runs(ctx, 0, 9); err != nil || runs == nil || len(runs) != 0 {
		t.Errorf("of none: %v, %v", runs, err)
	}
	must(t, l.AddRun(ctx, &ledger.Run{ID: "run_1", Created: noon, Doc: []byte("{}")}))
	heard := func(call func()) bool {
		changed, stop := l.Watch(ledger.RunsTopic)
		defer stop()
		call()
		return len(changed) > 0
	}
	save := func(owner string, until time.Time, ended time.Time) error {
		_, err := l.SaveRun(ctx, ledger.RunClaim{Owner: owner, Now: noon, Until: until}, &ledger.Run{ID: "run_1", Doc: []byte("{}"), Ended: ended})
		return err
	}
	claim := func() {
		_, err := l.ClaimRun(ctx, ledger.RunClaim{Owner: "a", Now: noon, Until: at(9)})
		must(t, err)
	}
	claim()
	if heard(func() { must(t, save("a", at(20), time.Time{})) }) {
		t.Error("others hear of what its owner goes on with")
	}
	if !heard(func() { must(t, save("a", time.Time{}, time.Time{})) }) {
		t.Error("nobody hears that it was given back")
	}
	for _, owner := range []string{"a", ""} {
		if err := save(owner, at(30), time.Time{}); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%q writes into what nobody has: %v", owner, err)
		}
	}
	claim()
	if !heard(func() { must(t, save("a", at(30), at(4))) }) {
		t.Error("nobody hears that it has ended")
	}
	if heard(func() { must(t, l.StopRun(ctx, "run_1", "too late", at(5))) }) {
		t.Error("what has ended was stopped")
	}
	if r, err := l.Run(ctx, "run_1"); err != nil || !r.Stopped.IsZero() || r.StoppedBy != "" || !r.Ended.Equal(at(4)) {
		t.Errorf("%+v, %v", r, err)
	}
	must(t, l.AddRun(ctx, &ledger.Run{ID: "run_2", Created: noon, Doc: []byte("{}")}))
	if !heard(func() { must(t, l.StopRun(ctx, "run_2", "somebody", at(5))) }) {
		t.Error("nobody hears that it is to stop")
	}
}

// TestClaimRunWritesOnlyToTake: whoever looks for runs now and then writes nothing while there is none that is free.
func TestClaimRunWritesOnlyToTake(t *testing.T) {
	taken := core.Run{Run: ledger.Run{ID: "run_1"}, Owner: "b", Until: at(5)}
	for name, c := range map[string]struct {
		open []core.Run
		want error
	}{
		"none":                 {nil, ledger.ErrNotFound},
		"one that is taken":    {[]core.Run{taken}, ledger.ErrNotFound},
		"and one that is free": {[]core.Run{taken, {Run: ledger.Run{ID: "run_2"}}}, errDisk},
	} {
		_, err := core.New(&runs{open: c.open}, noon).ClaimRun(t.Context(), ledger.RunClaim{Owner: "a", Now: noon, Until: at(9)})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// runs is a store that has runs, and cannot write.
type runs struct {
	away
	open []core.Run
}

func (s *runs) Read(_ context.Context, f func(core.Reader) error) error {
	return f(openRuns{open: s.open})
}

type openRuns struct {
	core.Reader
	open []core.Run
}

func (r openRuns) OpenRuns() ([]core.Run, error) { return r.open, nil }

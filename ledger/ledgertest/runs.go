package ledgertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func addRun(t *testing.T, l ledger.Ledger, id string) *ledger.Run {
	t.Helper()
	r := &ledger.Run{ID: id, Created: at(1), Doc: []byte("doc " + id)}
	must(t, l.AddRun(t.Context(), r))
	return r
}

func claimRun(t *testing.T, l ledger.Ledger, owner string, now, until int) string {
	t.Helper()
	r, err := l.ClaimRun(t.Context(), ledger.RunClaim{Owner: owner, Now: at(now), Until: at(until)})
	if errors.Is(err, ledger.ErrNotFound) {
		return ""
	}
	must(t, err)
	return r.ID
}

func testRuns(t *testing.T, l ledger.Ledger) {
	changed, stop := l.Watch(ledger.RunsTopic)
	defer stop()
	equal(t, "claimed of none", claimRun(t, l, "a", 1, 11), "")
	first, second := addRun(t, l, "run_1"), addRun(t, l, "run_2")
	<-changed
	if first.Seq == 0 || second.Seq <= first.Seq {
		t.Fatalf("in the order of %d, %d", first.Seq, second.Seq)
	}
	if err := l.AddRun(t.Context(), &ledger.Run{ID: "run_1", Created: at(2), Doc: []byte("other")}); err == nil {
		t.Fatal("an id was recorded twice")
	}
	if err := l.AddRun(t.Context(), &ledger.Run{Created: at(2), Doc: []byte("other")}); err == nil {
		t.Fatal("a run without an id was recorded")
	}
	got, err := l.Run(t.Context(), "run_1")
	must(t, err)
	if got.ID != "run_1" || got.Seq != first.Seq || !got.Created.Equal(at(1)) || string(got.Doc) != "doc run_1" || !got.Ended.IsZero() || !got.Stopped.IsZero() {
		t.Fatalf("%+v", got)
	}
	_, err = l.Run(t.Context(), "run_none")
	wantErr(t, err, ledger.ErrNotFound)
	list := func(before int64, limit int) (ids string) {
		rs, err := l.Runs(t.Context(), before, limit)
		must(t, err)
		for _, r := range rs {
			ids += " " + r.ID
		}
		return ids
	}
	equal(t, "the list", list(0, 9), " run_2 run_1")
	equal(t, "its first page", list(0, 1), " run_2")
	equal(t, "its second", list(second.Seq, 1), " run_1")

	equal(t, "the oldest", claimRun(t, l, "a", 1, 11), "run_1")
	equal(t, "the next", claimRun(t, l, "b", 1, 11), "run_2")
	equal(t, "all are leased", claimRun(t, l, "c", 10, 20), "")
	equal(t, "a lease that ran out", claimRun(t, l, "c", 11, 21), "run_1")
	save := func(owner string, until time.Time, r *ledger.Run) (*ledger.Run, error) {
		return l.SaveRun(t.Context(), ledger.RunClaim{Owner: owner, Now: at(12), Until: until}, r)
	}
	_, err = save("a", at(30), &ledger.Run{ID: "run_1", Doc: []byte("too late")})
	wantErr(t, err, ledger.ErrNotFound)
	_, err = save("", at(30), &ledger.Run{ID: "run_1", Doc: []byte("nobody's")})
	wantErr(t, err, ledger.ErrNotFound)
	got, err = save("c", at(40), &ledger.Run{ID: "run_1", Doc: []byte("half-way")})
	must(t, err)
	if string(got.Doc) != "half-way" || !got.Stopped.IsZero() || !got.Created.Equal(at(1)) {
		t.Fatalf("%+v", got)
	}
	equal(t, "prolonged", claimRun(t, l, "d", 39, 49), "run_2")
	must(t, l.StopRun(t.Context(), "run_1", "address 127.0.0.1", at(13)))
	must(t, l.StopRun(t.Context(), "run_1", "somebody else", at(14)))
	wantErr(t, l.StopRun(t.Context(), "run_none", "", at(14)), ledger.ErrNotFound)
	got, err = save("c", time.Time{}, &ledger.Run{ID: "run_1", Doc: []byte("given back")})
	must(t, err)
	if !got.Stopped.Equal(at(13)) || got.StoppedBy != "address 127.0.0.1" {
		t.Fatalf("stopped: %+v", got)
	}
	equal(t, "given back", claimRun(t, l, "e", 15, 25), "run_1")
	_, err = save("e", at(30), &ledger.Run{ID: "run_1", Ended: at(16), Doc: []byte("over")})
	must(t, err)
	_, err = save("e", at(30), &ledger.Run{ID: "run_1", Doc: []byte("begun anew")})
	wantErr(t, err, ledger.ErrNotFound)
	equal(t, "it has ended", claimRun(t, l, "f", 99, 109), "run_2")
	must(t, l.StopRun(t.Context(), "run_1", "too late", at(17)))
	got, err = l.Run(t.Context(), "run_1")
	must(t, err)
	if !got.Ended.Equal(at(16)) || string(got.Doc) != "over" || got.StoppedBy != "address 127.0.0.1" {
		t.Fatalf("at the end: %+v", got)
	}
	if _, err := l.ClaimRun(t.Context(), ledger.RunClaim{Now: at(999), Until: at(1000)}); err == nil {
		t.Fatal("a claim without an owner was granted")
	}
}

// A run has one owner at a time, whatever process asks.
func testRunsConcurrent(t *testing.T, a, b ledger.Ledger) {
	addRun(t, a, "run_1")
	var got atomic.Int32
	var all sync.WaitGroup
	for i, l := range []ledger.Ledger{a, b, a, b} {
		all.Go(func() {
			_, err := l.ClaimRun(t.Context(), ledger.RunClaim{Owner: string(rune('a' + i)), Now: at(1), Until: at(11)})
			switch {
			case err == nil:
				got.Add(1)
			case !errors.Is(err, ledger.ErrNotFound):
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "owners", got.Load(), int32(1))
}

// A run decides about an event once, for the state that it has seen.
func testRunDecides(t *testing.T, l ledger.Ledger) {
	for _, id := range []string{"evt_1", "evt_2"} {
		add(t, l, event(live, id), ledger.Recorded)
		settle(t, l, "a", id, ledger.Delivered)
	}
	replay := func(id, run string, from ledger.State) error {
		return l.Decide(t.Context(), ledger.Decision{Scope: live, EventID: id, Action: ledger.ActionReplay, Now: at(5), By: "ops", From: from, Run: run})
	}
	wantErr(t, replay("evt_1", "run_1", ledger.Dead), ledger.ErrState)
	equal(t, "not for another state", getEvent(t, l, live, "evt_1").State, ledger.Delivered)
	must(t, replay("evt_1", "run_1", ledger.Delivered))
	settle(t, l, "a", "evt_1", ledger.Delivered)
	wantErr(t, replay("evt_1", "run_1", ledger.Delivered), ledger.ErrDecided)
	equal(t, "decided once", getEvent(t, l, live, "evt_1").State, ledger.Delivered)
	must(t, replay("evt_2", "run_1", ""))
	must(t, replay("evt_1", "run_2", ledger.Delivered))
	must(t, replay("evt_1", "", ""))
	must(t, replay("evt_1", "", "")) // what is part of no run is decided as often as somebody wants
	for run, want := range map[string]int{"run_1": 2, "run_2": 1, "run_3": 0, "": 0} {
		n, err := l.RunDecided(t.Context(), run)
		must(t, err)
		equal(t, "decisions of "+run, n, want)
	}
}

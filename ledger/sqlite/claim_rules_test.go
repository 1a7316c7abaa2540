package sqlite

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestWhatAClaimForces: whoever claims what another process has recorded waits for the disk, and all up to then is known to be there; to claim what is known
// to be on disk forces nothing.
func TestWhatAClaimForces(t *testing.T) {
	l := openFile(t, newFile(t))
	add := func(l *Ledger, id string, due int64) {
		t.Helper()
		e := newEvent(id)
		e.Received = time.Unix(due, 0)
		_, err := l.Append(t.Context(), e)
		must(t, err)
	}
	add(l, "evt_1", 5)
	add(l, "evt_2", 6)
	claim := func(x *tx, now int64) (ids []string) {
		t.Helper()
		es, err := x.Claim(ledger.Claim{Scope: scope, Owner: "a", Now: time.Unix(now, 0), Until: time.Unix(now+10, 0), Limit: 1},
			core.Span{Now: time.Unix(now, 0), Far: time.Unix(999, 0)})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			ids = append(ids, e.ID)
		}
		return ids
	}
	must(t, l.write(t.Context(), func(x *tx) error {
		for _, want := range []string{"evt_1", "evt_2"} { // the second is the last that is known to be on disk
			if got := claim(x, 9); len(got) != 1 || got[0] != want || x.force || x.last != 0 {
				t.Errorf("claimed %q, forced %t, the last is %d", got, x.force, x.last)
			}
		}
		return nil
	}))
	other := openFile(t, l.file.Path())
	add(other, "evt_3", 4)
	must(t, l.write(t.Context(), func(x *tx) error {
		for _, want := range []string{"evt_3", "evt_1"} { // when the leases of before are over
			if got := claim(x, 99); len(got) != 1 || got[0] != want || !x.force || x.last != 3 {
				t.Errorf("claimed %q, forced %t, the last is %d", got, x.force, x.last)
			}
		}
		return nil
	}))
}

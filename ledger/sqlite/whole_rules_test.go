package sqlite

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestWhole: what is moved elsewhere says what was claimed, and who decided what; an event that is not there has no id.
func TestWhole(t *testing.T) {
	l := openFile(t, newFile(t))
	e := newEvent("evt_1")
	e.State, e.OrderNo, e.Reasons = ledger.Held, "o1", []string{ledger.ReasonUnreadable}
	_, err := l.Append(t.Context(), e)
	must(t, err)
	d := ledger.Decision{Scope: scope, EventID: "evt_1", Action: ledger.ActionDiscard, Now: time.UnixMilli(5000), By: "admin", Said: "li", Reason: "a test", Run: ""}
	must(t, l.Decide(t.Context(), d))
	must(t, l.read(t.Context(), func(r *reader) error {
		all, err := r.WholeAudit(scope, 0, 9)
		must(t, err)
		if len(all) != 1 || all[0].By != d.By || all[0].Said != d.Said || all[0].Reason != d.Reason || all[0].EventID != "evt_1" || all[0].OrderNo != "o1" || !all[0].Now.Equal(d.Now) ||
			all[0].Action != d.Action || all[0].Was != ledger.Held || all[0].Seq == 0 {
			t.Errorf("%+v", all)
		}
		if more, err := r.WholeAudit(scope, all[0].Seq, 9); err != nil || len(more) != 0 {
			t.Errorf("%+v, %v", more, err)
		}
		es, err := r.WholeEvents(scope, 0, 9)
		if must(t, err); len(es) != 1 || es[0].ID != "evt_1" || es[0].Claims != (ask(t, l, "SELECT effect FROM events", (*row).flag)) {
			t.Errorf("%+v", es)
		}
		for seq, want := range map[int64]string{es[0].Seq: "evt_1", 99: ""} {
			if id, err := r.EventID(scope, seq); id != want || err != nil {
				t.Errorf("%d is %q, %v", seq, id, err)
			}
		}
		return nil
	}))
}

// TestWholeClaims: of two events about one thing the first has claimed its effect.
func TestWholeClaims(t *testing.T) {
	l := openFile(t, newFile(t))
	for _, id := range []string{"evt_1", "evt_2"} {
		e := newEvent(id)
		e.ObjectID, e.ChargeID = "ch_1", "ch_1"
		_, err := l.Append(t.Context(), e)
		must(t, err)
	}
	must(t, l.read(t.Context(), func(r *reader) error {
		es, err := r.WholeEvents(scope, 0, 9)
		if len(es) == 0 || !es[0].Claims {
			t.Errorf("%+v", es)
		}
		return err
	}))
}

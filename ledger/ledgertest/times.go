package ledgertest

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// testTimes: a time that no calendar knows is kept as the nearest that one does, and keeps nobody from reading the rest.
func testTimes(t *testing.T, l ledger.Ledger) {
	for id, far := range map[string]struct{ given, kept time.Time }{
		"evt_1": {time.Unix(9e15, 0), ledger.LastTime},
		"evt_2": {time.Unix(math.MaxInt64/2, 0), ledger.LastTime},
		"evt_3": {ledger.LastTime.Add(time.Millisecond), ledger.LastTime},
		"evt_4": {time.Unix(-9e15, 0), ledger.FirstTime},
		"evt_5": {time.Unix(0, 0), ledger.FirstTime},
		"evt_6": {ledger.LastTime, ledger.LastTime},
	} {
		e := event(live, id)
		e.Created = far.given
		add(t, l, e, ledger.Recorded)
		if got := getEvent(t, l, live, id).Created; !got.Equal(far.kept) {
			t.Errorf("created %s is kept as %s", far.given, got)
		}
	}
	events, err := l.Events(t.Context(), ledger.Filter{Scope: live})
	must(t, err)
	if _, err := json.Marshal(events); err != nil || len(events) != 6 {
		t.Errorf("%d events: %v", len(events), err)
	}

	r := reserve(t, l, "1", noon, at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: "1", Number: r.Number, ID: "ch_1", Channel: "wx_lite", Amount: 100, Currency: "cny",
		Created: time.Unix(9e15, 0), TimeExpire: time.Unix(9e16, 0), Raw: []byte(`{"id":"ch_1"}`)}))
	p := paid(live, "evt_7", "ch_1", r.Number)
	p.Change.TimePaid = time.Unix(9e15, 0)
	add(t, l, p, ledger.Recorded)
	c := getCharge(t, l, "ch_1")
	for _, got := range []time.Time{c.Created, c.TimeExpire, c.TimePaid} {
		if !got.Equal(ledger.LastTime) {
			t.Errorf("the charge: %s", show(c))
		}
	}
}

package sqlite

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What the backend has acknowledged it knows, also where the ledger was too damaged to list that attempt: if a replay of the payment dies, its refunds are delivered.
func TestHeardOfWhatIsNotListed(t *testing.T) {
	l := openFile(t, newFile(t))
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	add := func(e ledger.Event) ledger.State {
		t.Helper()
		e.Scope, e.ChargeID, e.OrderNo, e.Lane, e.State, e.Body, e.Created, e.Received = scope, "ch_1", "o1", "o1", ledger.Pending, []byte("{}"), at(1000), at(1000)
		_, err := l.Append(t.Context(), &e)
		must(t, err)
		return e.State
	}
	lease := func() {
		t.Helper()
		es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: at(5000), Until: at(9000), Limit: 9})
		must(t, err)
		if len(es) != 1 || es[0].ID != "evt_1" {
			t.Fatalf("claimed %+v", es)
		}
	}
	d := ledger.Delivery{Scope: scope, EventID: "evt_1", Attempt: 1, At: at(5000), State: ledger.Delivered}
	add(ledger.Event{ID: "evt_1", Type: "charge.succeeded", ObjectID: "ch_1", Change: &ledger.ChargeChange{Paid: true, TimePaid: at(1000)},
		Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: at(1000)}})
	lease()
	must(t, l.SettleUnlisted(t.Context(), "a", d))
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: "evt_1", Action: ledger.ActionReplay, Now: at(5000)}))
	lease()
	d.Attempt, d.State = 2, ledger.Dead
	must(t, l.Settle(t.Context(), "a", d))
	if is := add(ledger.Event{ID: "evt_r", Type: "refund.succeeded", ObjectID: "re_1", Rank: 1, Change: &ledger.ChargeChange{Refund: 50}}); is != ledger.Pending {
		t.Errorf("the refund is %s", is)
	}
}

package intake

import (
	"context"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// Money comes before it goes back, under whatever name Ping++ tells of it.
func TestRankOfEvents(t *testing.T) {
	for typ, want := range map[string]int{
		"charge.succeeded": 0, "order.succeeded": 0, "charge.expired": 0, "recharge.succeeded": 0,
		"refund.succeeded": 1, "refund.failed": 1, "order_refund.succeeded": 1, "order.refunded": 1,
	} {
		if got := rank(typ); got != want {
			t.Errorf("%s: %d", typ, got)
		}
	}
}

// Money is booked only where the type and the object of an event agree about it.
func TestWhatIsBooked(t *testing.T) {
	paid, unpaid := &pingpp.Charge{Paid: true, Amount: 5, TimePaid: 7}, &pingpp.Charge{Amount: 5}
	back, refused := &pingpp.Refund{Amount: 3, Succeed: true, Status: "succeeded"}, &pingpp.Refund{Amount: 3, Status: "failed"}
	for _, c := range []struct {
		typ     string
		charge  *pingpp.Charge
		refund  *pingpp.Refund
		paid    bool
		refunds int64
	}{
		{"charge.succeeded", paid, nil, true, 0},
		{"charge.succeeded", unpaid, nil, false, 0},
		{"charge.expired", paid, nil, false, 0},
		{"charge.succeeded", nil, back, false, 0},
		{"refund.succeeded", nil, back, false, 3},
		{"refund.succeeded", nil, refused, false, 0},
		{"refund.failed", nil, back, false, 0},
		{"refund.succeeded", paid, nil, false, 0},
		{"order.succeeded", paid, nil, false, 0},
	} {
		got := change(&pingpp.Event{Type: c.typ, Charge: c.charge, Refund: c.refund})
		if got == nil {
			got = &ledger.ChargeChange{}
		}
		if got.Paid != c.paid || got.Refund != c.refunds {
			t.Errorf("%s of %+v %+v: %+v", c.typ, c.charge, c.refund, got)
		}
	}
}

// Every event that is accepted is counted as what became of it, and one that nobody could find again is not accepted.
func TestIntakeCounts(t *testing.T) {
	l, c := relaytest.NewLedger(t), relaytest.NewClock()
	var seen []string
	in := &Intake{Scope: relaytest.Scope, Now: c.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
		Observe: func(_ ledger.Source, result string) { seen = append(seen, result) }}
	charge := func(id string, amount int64) *pingpp.Event {
		return &pingpp.Event{ID: "evt_" + id, Type: "charge.succeeded", ObjectID: "ch_" + id, ChargeID: "ch_" + id, OrderNo: "o1", Raw: []byte("{}"),
			Charge: &pingpp.Charge{ID: "ch_" + id, OrderNo: "o1", Paid: true, Amount: amount, Currency: "cny", TimePaid: 1_790_000_000}}
	}
	for _, ev := range []*pingpp.Event{charge("1", 5), charge("1", 5), charge("2", 5)} {
		if _, err := in.Accept(t.Context(), Arrival{Event: ev, Source: ledger.Webhook}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"recorded", "duplicate", "held"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
	for _, spoil := range []func(ev *pingpp.Event){func(ev *pingpp.Event) { ev.ID = "" }, func(ev *pingpp.Event) { ev.Type = "" }} {
		ev := charge("3", 5)
		spoil(ev)
		if _, err := in.Accept(t.Context(), Arrival{Event: ev, Source: ledger.Webhook}); err == nil {
			t.Errorf("%+v was accepted", ev)
		}
	}
}

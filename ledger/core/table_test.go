package core

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

var (
	scope = ledger.Scope{App: "app_1", Mode: ledger.Live}
	noon  = time.Date(2026, 11, 23, 12, 0, 0, int(7*time.Millisecond), time.UTC)
	never time.Time
)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// equal compares what the rows hold: a row printed with %v is only its scope.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// payment is the event of a payment of 100 fen for order o by ch_1.
func payment() *ledger.Event {
	return &ledger.Event{
		Scope: scope, ID: "evt_1", Type: "charge.succeeded", ObjectID: "ch_1", ChargeID: "ch_1", Number: "o", OrderNo: "o", Lane: "o", State: ledger.Pending,
		Created: noon, Received: at(1), Host: "event.example.com", Change: &ledger.ChargeChange{Paid: true, TimePaid: noon},
		Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: noon},
	}
}

// refund is the event of a refund of ch_1.
func refund(amount int64) *ledger.Event {
	return &ledger.Event{
		Scope: scope, ID: "evt_r", Type: "refund.succeeded", ObjectID: "re_1", ChargeID: "ch_1", OrderNo: "o", Lane: "o", Rank: 1, State: ledger.Pending,
		Created: noon, Received: at(1), Change: &ledger.ChargeChange{Refund: amount},
		Refund: &ledger.RefundChange{ID: "re_1", Amount: amount, State: ledger.RefundSucceeded, TimeSucceeded: noon},
	}
}

// open is the open charge ch_1 of 100 fen for order o.
func open() Charge {
	return Charge{Seq: 1, Charge: ledger.Charge{
		Scope: scope, OrderNo: "o", Number: "o", State: ledger.Open, ID: "ch_1", Amount: 100, Currency: "cny", Created: at(-60), TimeExpire: at(7200),
		Host: "shop.example.com", NextQuery: at(30),
	}}
}

// with returns a row that is changed.
func with[T any](row T, change func(*T)) T {
	change(&row)
	return row
}

func event(e ledger.Event) *Event { return &Event{Event: e} }

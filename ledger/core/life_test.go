package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
)

// TestLifeOfAnyKind: an order of which one thing is known has a page, and what belongs to no order is on none.
func TestLifeOfAnyKind(t *testing.T) {
	l, ctx := memory.Open(memory.NewRows(), noon), t.Context()
	_, err := l.Reserve(ctx, ledger.Reservation{Scope: live, OrderNo: "charge", Now: noon, Until: at(9), Number: func(int, int) string { return "charge" }})
	must(t, err)
	_, _, err = l.ReserveRefund(ctx, ledger.RefundReservation{Scope: live, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "refund", Amount: 1, Description: "d",
		Paid: 100, Owner: "a", Now: noon, Until: at(9)})
	must(t, err)
	for _, e := range []ledger.Event{{ID: "evt_1", OrderNo: "event"}, {ID: "evt_2"}} {
		e.Scope, e.State, e.Received = live, ledger.Pending, noon
		_, err = l.Append(ctx, &e)
		must(t, err)
	}
	for orderNo, want := range map[string]string{"charge": "1 0 0", "refund": "0 1 0", "event": "0 0 1"} {
		life, err := l.Order(ctx, live, orderNo)
		must(t, err)
		if got := fmt.Sprint(len(life.Charges), len(life.Refunds), len(life.Events)); got != want {
			t.Errorf("of the order with a %s alone: %s", orderNo, got)
		}
	}
	for _, orderNo := range []string{"", "none"} {
		if _, err := l.Order(ctx, live, orderNo); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("order %q: %v", orderNo, err)
		}
	}
}

// TestLongLife: an order's page has all of its events, each with what was decided about it alone, in the order in which that was done.
func TestLongLife(t *testing.T) {
	l, ctx := memory.Open(memory.NewRows(), noon), t.Context()
	const many = 60 // more than a page of a list
	for i := range many {
		_, err := l.Append(ctx, &ledger.Event{Scope: live, ID: fmt.Sprint("evt_", i), OrderNo: "o", State: ledger.Pending, Received: noon, Due: noon, Body: []byte("{}")})
		must(t, err)
	}
	for i, action := range []ledger.Action{ledger.ActionDiscard, ledger.ActionReplay} {
		must(t, l.Decide(ctx, ledger.Decision{Scope: live, EventID: "evt_1", Action: action, Now: at(i)}))
	}
	life, err := l.Order(ctx, live, "o")
	must(t, err)
	if len(life.Events) != many {
		t.Fatalf("%d events", len(life.Events))
	}
	for i, told := range life.Events {
		var did []ledger.Action
		for _, d := range told.Decisions {
			did = append(did, d.Action)
		}
		want := "[]"
		if i == 1 {
			want = "[discard replay]"
		}
		if told.Event.ID != fmt.Sprint("evt_", i) || fmt.Sprint(did) != want {
			t.Errorf("%s after %d others, decided: %s", told.Event.ID, i, did)
		}
	}
}

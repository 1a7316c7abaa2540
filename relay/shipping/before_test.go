package shipping

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const day = 24 * time.Hour

// What was paid before the app had shipping counts, and raises an alarm, once WeChat says that it waits for a report, and not before; what is older than
// WeChat may wait is left alone.
func TestPaidBefore(t *testing.T) {
	s := newStage(t)
	old := s.paid("old", false)
	s.Clock.Add(10 * day)
	late := s.paid("late", false)
	shipped := s.paid("shipped", false)
	s.Clock.Add(4 * day)
	soon := s.paid("soon", false)
	s.record("unknown", "ch_unknown", "4200000000202608160000000001", false)
	s.Clock.Add(40 * time.Hour)
	young := s.paid("young", false)

	r := s.reporter(s.l)
	r.findUnshipped(t.Context())
	for _, id := range []string{late, shipped, soon, young, "ch_unknown"} {
		s.want(id, s.shipment(id).State, ledger.ShipmentUnmanaged)
	}
	if _, err := s.l.Shipment(t.Context(), scope, old); err == nil {
		t.Error("what is too old is found")
	}
	figures := func() []int64 {
		t.Helper()
		f, err := s.l.Figures(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.l.ShippingDue(t.Context(), scope, s.Clock.Now(), s.Clock.Now().Add(ledger.ShippingNotice))
		if err != nil {
			t.Fatal(err)
		}
		return []int64{f.FrozenShipments, d.Soon, d.Late}
	}
	r.tellDue(t.Context())
	s.want("nothing is said", []any{figures(), s.due}, []any{[]int64{0, 0, 0}, []string(nil)})

	s.hand(shipped, "茶")
	s.turn(r)
	s.want("the youngest first", []any{s.shipment(young).State, s.shipment(late).State}, []any{ledger.ShipmentWaiting, ledger.ShipmentUnmanaged})
	s.Clock.Add(2 * time.Hour)
	s.turn(r)
	for id, want := range map[string]ledger.ShipmentState{late: ledger.ShipmentWaiting, soon: ledger.ShipmentWaiting, shipped: ledger.ShipmentReported, "ch_unknown": ledger.ShipmentUnmanaged} {
		s.want(id, s.shipment(id).State, want)
	}
	for range 3 {
		r.findUnshipped(t.Context())
		r.tellDue(t.Context())
		s.turn(s.reporter(s.l))
	}
	slices.Sort(s.due)
	s.want("what is said", []any{figures(), s.due}, []any{[]int64{4, 1, 1}, []string{"late true", "soon false"}})
	s.want("questions", s.calls(order), 5)
	s.Clock.Add(6 * time.Hour)
	r.tellDue(t.Context())
	s.want("later", s.due[len(s.due)-1], "soon true")
}

// Of a program that WeChat does not manage all that was paid before costs one question, and nobody hears of it.
func TestPaidBeforeUnmanaged(t *testing.T) {
	s := newStage(t)
	s.Lever("POST", "/sandbox/wechat/program", `{"managed":false}`)
	for i := range 20 {
		s.paid(fmt.Sprint(i), false)
	}
	s.Clock.Add(3 * day)
	r := s.reporter(s.l)
	r.findUnshipped(t.Context())
	s.Clock.Add(time.Hour)
	s.turn(r)
	r.tellDue(t.Context())
	for range 3 {
		s.Clock.Add(day)
		r.findUnshipped(t.Context())
		s.turn(r)
	}
	s.want("questions", []int{s.calls(managed), s.calls(order)}, []int{1, 0})
	all, err := s.l.ListShipments(t.Context(), ledger.ShipmentFilter{Scope: scope, States: []ledger.ShipmentState{ledger.ShipmentUnmanaged}})
	if err != nil || len(all.Rows) != 20 || len(s.due) > 0 || strings.Contains(s.logs.String(), `"level":"warn"`) {
		t.Error(len(all.Rows), "shipments", s.due, err)
	}
}

// A quota that is used up by old payments is waited for, and none of them is forgotten.
func TestPaidBeforeQuota(t *testing.T) {
	s := newStage(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, s.paid(fmt.Sprint(i), false))
	}
	s.Clock.Add(2 * time.Hour)
	r := s.reporter(s.l)
	r.findUnshipped(t.Context())
	s.Clock.Add(10 * time.Minute)
	s.line.once("get_order", answers(45011))
	s.turn(r)
	s.want("a pause", s.calls(order), 0)
	for range 3 {
		s.Clock.Add(time.Hour)
		s.turn(r)
	}
	for _, id := range ids {
		s.want(id, s.shipment(id).State, ledger.ShipmentWaiting)
	}
	s.want("questions", s.calls(order), 3)
}

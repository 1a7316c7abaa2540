package ledgertest

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Payments from before shipping was reported count for nothing until WeChat says that it waits for them.
func testDoubtedShipments(t *testing.T, l ledger.Ledger) {
	day := func(n int) time.Time { return noon.Add(time.Duration(n) * 24 * time.Hour) }
	for i, n := range []string{"old", "known", "shipped", "unknown", "refunded", "new"} {
		created(t, l, n, "ch_"+n, "wx_lite", i*86400)
		e := payment("evt_"+n, "ch_"+n, n)
		e.Change.TimePaid, e.Payment.Time = day(i), day(i)
		add(t, l, e, ledger.Recorded)
	}
	found, next, err := l.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: live, Since: day(1), Doubted: day(5), Now: day(6)})
	must(t, err)
	equal(t, "found", []any{found, next}, []any{5, ""})
	noShipment(t, l, "ch_old")
	s := shipment(t, l, "ch_known")
	equal(t, "doubted", []any{s.State, s.Stage, s.Due}, []any{ledger.ShipmentUnmanaged, ledger.ReportNone, day(6).Add(72 * time.Minute)})
	equal(t, "not doubted", []any{shipment(t, l, "ch_new").State, shipment(t, l, "ch_new").Due}, []any{ledger.ShipmentWaiting, day(6)})
	equal(t, "frozen", [2]int64{figures(t, l).Frozen, figures(t, l).FrozenShipments}, [2]int64{100, 1})
	due := func() *ledger.ShippingDue {
		t.Helper()
		d, err := l.ShippingDue(t.Context(), live, day(6), day(7))
		must(t, err)
		return d
	}
	equal(t, "due", due(), &ledger.ShippingDue{Soon: 1, SoonFen: 100, Next: day(7)})

	add(t, l, refund("evt_r", "ch_refunded", "refunded", 100), ledger.Recorded)
	var order []string
	now := day(6).Add(2 * time.Hour)
	for _, s := range claimShipments(t, l, "a", true, now, now.Add(time.Minute)) {
		order = append(order, s.OrderNo)
		a := ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: ledger.ShippingTold, At: now, OrderState: 1}
		switch s.OrderNo {
		case "shipped":
			a.OrderState, a.Finished = 2, 1
		case "unknown":
			a = ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: ledger.ShippingNotFound, At: now, Problem: ledger.ShippingProblem{Code: "10060001", Text: "x"}}
		}
		answered(t, l, shipmentLease(s, "a"), a)
	}
	equal(t, "asked, the newest first", order, []string{"new", "unknown", "shipped", "known"})
	for n, want := range map[string]ledger.ShipmentState{"known": ledger.ShipmentWaiting, "shipped": ledger.ShipmentReported, "unknown": ledger.ShipmentUnmanaged, "refunded": ledger.ShipmentRefunded} {
		s := shipment(t, l, "ch_"+n)
		equal(t, n, []any{s.State, s.Due.IsZero()}, []any{want, want == ledger.ShipmentUnmanaged || want == ledger.ShipmentRefunded})
	}
	equal(t, "frozen", [2]int64{figures(t, l).Frozen, figures(t, l).FrozenShipments}, [2]int64{300, 3})
	equal(t, "due", due(), &ledger.ShippingDue{Soon: 1, SoonFen: 100, Next: day(7), Late: 1, LateFen: 100})

	// What is reported meanwhile is a report like any other.
	created(t, l, "reported", "ch_reported", "wx_lite", 1)
	add(t, l, payment("evt_reported", "ch_reported", "reported"), ledger.Recorded)
	_, _, err = l.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: live, Since: noon, Doubted: day(9), Now: day(6)})
	must(t, err)
	s, _, err = l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "reported", Shipping: tea, Now: day(6)})
	must(t, err)
	equal(t, "reported", []any{s.State, s.Stage, s.Due}, []any{ledger.ShipmentWaiting, ledger.ReportOpen, day(6)})
}

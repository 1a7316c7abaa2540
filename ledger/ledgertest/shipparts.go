package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Parts that wait join the next one; what WeChat has of them, and which report was the last, is known as long as the shipment is.
func testShippingParts(t *testing.T, l ledger.Ledger) {
	part := func(no string, complete bool) ledger.Shipping {
		return ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Complete: complete, Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: no}}}
	}
	all := func(complete bool, nos ...string) *ledger.Shipping {
		n := &ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Complete: complete}
		for _, no := range nos {
			n.Parcels = append(n.Parcels, part(no, false).Parcels...)
		}
		return n
	}
	keeps(t, l, "1")
	report(t, l, reporting("1", part("YT1", false), 0), true)
	post(t, l, at(0), ledger.ShippingNotFound)
	s := report(t, l, reporting("1", part("YT2", false), 5), true)
	equal(t, "both", []any{s.Shipping, s.Told, s.Recorded}, []any{all(false, "YT1", "YT2"), 0, at(5)})
	equal(t, "what is kept", shipment(t, l, "ch_1"), s)
	report(t, l, reporting("1", part("YT1", false), 6), false)
	s = post(t, l, at(6), ledger.ShippingAccepted)
	equal(t, "accepted", []any{s.State, s.Stage, s.Told, shipment(t, l, "ch_1").Told}, []any{ledger.ShipmentWaiting, ledger.ReportDone, 2, 2})
	s = report(t, l, reporting("1", part("YT3", true), 7), true)
	last := part("YT3", true)
	equal(t, "the last", []any{s.Shipping, s.Told, s.Ended}, []any{all(true, "YT1", "YT2", "YT3"), 2, &last})
	s = post(t, l, at(8), ledger.ShippingAccepted)
	equal(t, "complete", []any{s.State, s.Stage, s.Told, s.Uploads}, []any{ledger.ShipmentReported, ledger.ReportDone, 3, 1})
	equal(t, "what is kept", shipment(t, l, "ch_1"), s)
	for _, again := range []ledger.Shipping{part("YT1", false), part("YT2", false), part("YT3", true), *all(true, "YT2", "YT1", "YT3")} {
		report(t, l, reporting("1", again, 9), false)
	}
	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "attempts", len(as), 3)
	equal(t, "posts", []any{as[0].Shipping, as[1].Shipping, as[2].Shipping}, []any{all(false, "YT1"), all(false, "YT1", "YT2"), all(true, "YT3")})
	report(t, l, reporting("1", *all(true, "YT1"), 10), true)
	s = post(t, l, at(10), ledger.ShippingAccepted)
	equal(t, "corrected", []any{s.Shipping, s.Ended, s.Uploads}, []any{all(true, "YT1"), (*ledger.Shipping)(nil), 2})
}

// A process may end between any two steps while parts come in: each parcel is told exactly once.
func testPartsDeaths(t *testing.T, l ledger.Ledger) {
	order := 0
	for first := afterClaim; first <= never; first++ {
		for second := afterClaim; second <= never; second++ {
			order++
			n := fmt.Sprint(order)
			keeps(t, l, n)
			told := make(map[string]int)
			complete := 0
			now := noon
			for i, death := range []dies{first, second, never, never, never, never, never} {
				if i < 3 {
					for range 2 { // and again
						_, _, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: n, Now: now, Shipping: ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Complete: i == 2,
							Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: fmt.Sprint("YT", i)}}}})
						must(t, err)
					}
				}
				workParts(t, l, now, death, told, &complete)
				now = now.Add(2 * time.Minute)
			}
			s := shipment(t, l, "ch_"+n)
			if told["YT0"] != 1 || told["YT1"] != 1 || told["YT2"] != 1 || complete != 1 || s.State != ledger.ShipmentReported || s.Stage != ledger.ReportDone || s.Uploads != 1 || s.Told != 3 {
				t.Fatalf("after %d and %d: told %v, complete %d, %s", first, second, told, complete, show(s))
			}
		}
	}
}

// workParts is work about a shipment in parts: told is how often WeChat has accepted each parcel.
func workParts(t *testing.T, l ledger.Ledger, now time.Time, death dies, told map[string]int, complete *int) {
	t.Helper()
	ss := claimShipments(t, l, "a", false, now, now.Add(time.Minute))
	if len(ss) == 0 || death == afterClaim {
		return
	}
	lease, a := shipmentLease(ss[0], "a"), ledger.ShippingAnswer{Step: ss[0].Step(), At: now}
	if a.Step == ledger.ShippingPost {
		s, err := l.PostShipping(t.Context(), lease, now, now.Add(time.Minute))
		must(t, err)
		if death == beforePost {
			return
		}
		for _, p := range s.Posted.Parcels {
			told[p.TrackingNo]++
		}
		if s.Posted.Complete {
			*complete++
		}
		if death == afterPost {
			return
		}
		a.Result = ledger.ShippingAccepted
	} else {
		if death == beforeAsk {
			return
		}
		a.Result, a.OrderState, a.Finished, a.Has = ledger.ShippingTold, 1+*complete, *complete, true
		for _, p := range ss[0].Posted.Parcels {
			a.Has = a.Has && told[p.TrackingNo] > 0
		}
		if death == afterAsk {
			return
		}
	}
	answered(t, l, lease, a)
}

package ledgertest

import (
	"testing"

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

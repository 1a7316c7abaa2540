package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A list of shipments reads on behind what it does not want, also where many were paid at one moment; each is there once.
func testShipmentPages(t *testing.T, l ledger.Ledger) {
	const many = 70  // more than are read at a time
	var all []string // newest first
	for i := range many {
		n := fmt.Sprintf("%02d", i)
		keeps(t, l, n) // paid at one moment
		all = append([]string{"ch_" + n}, all...)
	}
	report(t, l, reporting("00", tea, 0), true)
	report(t, l, reporting("07", tea, 0), true)
	for _, limit := range []int{1, 20} {
		list := func(stage ledger.ReportStage) []string {
			f := ledger.ShipmentFilter{Scope: live, Stage: stage, Limit: limit}
			return turn(t, func(cursor string) (ledger.Page[ledger.Shipment], error) {
				f.Cursor = cursor
				return l.ListShipments(t.Context(), f)
			}, func(s *ledger.Shipment) string { return s.ChargeID }, quiet)
		}
		equal(t, "all", list(ledger.ReportNone), all)
		equal(t, "those that are open", list(ledger.ReportOpen), []string{"ch_07", "ch_00"})
	}
}

// What is due next is the earliest of all that wait, and of those whose report has failed; an attempt says how long it took.
func testShippingNext(t *testing.T, l ledger.Ledger) {
	paidAt := func(n string, seconds int) {
		t.Helper()
		charge(t, l, n, "ch_"+n)
		e := shipping(payment("evt_"+n, "ch_"+n, n))
		e.Change.TimePaid, e.Payment.Time = at(seconds), at(seconds)
		add(t, l, e, ledger.Recorded)
	}
	next := func() time.Time {
		t.Helper()
		due, err := l.ShippingDue(t.Context(), live, at(0), at(0).Add(2*ledger.ShippingTerm))
		must(t, err)
		return due.Next.Add(-ledger.ShippingTerm)
	}
	fail := func(n string, seconds int) {
		t.Helper()
		report(t, l, reporting(n, tea, seconds), true)
		_, lease := claimShipment(t, l, false, at(seconds), ledger.ShippingPost)
		_, err := l.PostShipping(t.Context(), lease, at(seconds), at(seconds+30))
		must(t, err)
		s := answered(t, l, lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingFinal, At: at(seconds), Took: 1500 * time.Millisecond,
			Problem: ledger.ShippingProblem{Code: "1", Text: "no"}})
		equal(t, "it failed", s.State, ledger.ShipmentFailed)
	}
	equal(t, "of nothing", next(), time.Time{}.Add(-ledger.ShippingTerm))
	paidAt("1", 60)
	equal(t, "of one that waits", next(), at(60).UTC())
	paidAt("2", 120)
	fail("2", 200)
	equal(t, "of one that waits, before one that failed", next(), at(60).UTC())
	paidAt("3", 30)
	fail("3", 300)
	equal(t, "of one that failed, before one that waits", next(), at(30).UTC())
	as, err := l.ShippingAttempts(t.Context(), live, "ch_3")
	must(t, err)
	equal(t, "the attempts", len(as), 1)
	equal(t, "it took", as[0].Took, 1500*time.Millisecond)
}

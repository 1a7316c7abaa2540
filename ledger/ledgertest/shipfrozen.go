package ledgertest

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What the payer got back is not frozen: not in the figures, nor in what runs out of its time or failed; what was paid stays what it was.
func testFrozenInPart(t *testing.T, l ledger.Ledger) {
	keeps(t, l, "1")
	keeps(t, l, "2")
	frozen := func(what string, fen, payments, late, lateFen int64) {
		t.Helper()
		due, err := l.ShippingDue(t.Context(), live, noon.Add(100*time.Hour), noon.Add(101*time.Hour))
		must(t, err)
		f := figures(t, l)
		equal(t, what, [4]int64{f.Frozen, f.FrozenShipments, due.Late, due.LateFen}, [4]int64{fen, payments, late, lateFen})
	}
	back := func(id, n string, fen int64, want ledger.Appended) {
		t.Helper()
		e := refund(id, "ch_"+n, n, fen)
		e.Ships = true
		add(t, l, e, want)
	}
	frozen("paid", 200, 2, 2, 200)
	back("evt_r1", "1", 30, ledger.Recorded)
	frozen("refunded in part", 170, 2, 2, 170)
	equal(t, "what was paid, and what went back", [2]int64{shipment(t, l, "ch_1").Amount, shipment(t, l, "ch_1").Refunded}, [2]int64{100, 30})
	back("evt_r1", "1", 30, ledger.Duplicate)
	frozen("the same refund again", 170, 2, 2, 170)
	report(t, l, reporting("1", tea, 10), true)
	post(t, l, at(10), ledger.ShippingAccepted)
	frozen("reported", 170, 2, 1, 100)
	back("evt_r2", "1", 20, ledger.Recorded)
	frozen("refunded in part once more", 150, 2, 1, 100)
	report(t, l, reporting("2", tea, 20), true)
	post(t, l, at(20), ledger.ShippingFinal)
	back("evt_r3", "2", 1, ledger.Recorded)
	due, err := l.ShippingDue(t.Context(), live, at(30), at(31))
	must(t, err)
	equal(t, "failed", [2]int64{due.Failed, due.FailedFen}, [2]int64{1, 99})
	frozen("and of another", 149, 2, 1, 99)
	back("evt_r4", "2", 99, ledger.Recorded)
	frozen("refunded whole", 50, 1, 0, 0)
	add(t, l, refund("evt_r5", "ch_1", "1", 5), ledger.Recorded) // by a site that says nothing of shipping
	equal(t, "asked", look(t, l, noon.Add(25*time.Hour), 2, 1).State, ledger.ShipmentReported)
	frozen("once WeChat was asked", 45, 1, 0, 0)
	equal(t, "settled", look(t, l, noon.Add(50*time.Hour), 4, 1).State, ledger.ShipmentSettled)
	frozen("without what is settled", 0, 0, 0, 0)
}

package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// What has succeeded stays so, whatever is told of it later. What has failed may have succeeded after all.
func testRefundStays(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	makeRefund(t, l, "R1", 30, "re_1")
	add(t, l, refunded("evt_1", "re_1", "R1", 30), ledger.Recorded)
	before := getRefund(t, l, "R1")
	add(t, l, refundFailed("evt_2", "re_1", "R1", 30), ledger.Recorded)
	equal(t, "after it succeeded", getRefund(t, l, "R1"), before)
	makeRefund(t, l, "R2", 30, "re_2")
	add(t, l, refundFailed("evt_3", "re_2", "R2", 30), ledger.Recorded)
	equal(t, "failed", getRefund(t, l, "R2").State, ledger.RefundFailed)
	add(t, l, refunded("evt_4", "re_2", "R2", 30), ledger.Recorded)
	equal(t, "after it failed", getRefund(t, l, "R2").State, ledger.RefundSucceeded)
	equal(t, "of the charge", getCharge(t, l, "ch_1").AmountRefunded, 60)
}

// A refund that is told of before its charge is known counts against what is left of it all the same.
func testRefundOfUnknownCharge(t *testing.T, l ledger.Ledger) {
	add(t, l, refunded("evt_r", "re_1", "", 40), ledger.Recorded)
	add(t, l, payment("evt_p", "ch_1", "1"), ledger.Recorded)
	wantNoRefund(t, l, asking("R1", 61, 0), ledger.ErrRefundExceeds)
	reserveRefund(t, l, asking("R2", 60, 0), true)
}

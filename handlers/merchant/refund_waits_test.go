package merchant

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
)

// Somebody else is busy with the charge for as long as a request waits: a refund that they have begun under this number is theirs to carry out, and is
// told as it stands; without one the merchant is to ask again.
func TestRefundThatSomebodyElseCarriesOut(t *testing.T) {
	theirs := &ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", State: ledger.RefundAsked}
	for name, there := range map[string]*ledger.Refund{"theirs": theirs, "none": nil} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			d := &desk{reserves: []error{ledger.ErrReserved}, there: there}
			re, fresh, ours, err := (&API{Now: time.Now}).reserveRefund(t.Context(), d, ledger.RefundReservation{RefundNo: "R1", ChargeID: "ch_1"})
			if re != there || fresh || ours || time.Since(began) != reservationWait || len(d.reserved) < 10 {
				t.Errorf("%s: %+v %t %t after %s and %d tries", name, re, fresh, ours, time.Since(began), len(d.reserved))
			}
			if there != nil && err != nil || there == nil && (problem.CodeOf(err) != "charge_in_progress" || problem.As(err).RetryAfter != time.Second) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

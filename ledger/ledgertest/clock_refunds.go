package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// testClockRefunds: a refund that was being asked for while the clock was ahead, by a process that has died, holds up neither itself nor another of
// its charge when the clock has been put back.
func testClockRefunds(t *testing.T, l ledger.Ledger) {
	for i, step := range steps {
		wrong, charge := noon.Add(step), fmt.Sprint("ch_", i)
		ask := func(name string, now time.Time) ledger.RefundReservation {
			r := asking(fmt.Sprint(name, i), 10, 0)
			r.ChargeID, r.Now, r.Until = charge, now, now.Add(time.Minute)
			return r
		}
		reserveRefund(t, l, ask("R", wrong), true)
		other := ask("S", at(1))
		reserveRefund(t, l, other, true)
		must(t, l.RefundMade(t.Context(), lease(other), fmt.Sprint("re_", i), at(30)))
		again := ask("R", at(2))
		again.Owner = "another"
		reserveRefund(t, l, again, false)
	}
}

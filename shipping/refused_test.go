package shipping

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// Every reason that the ledger has is told in both languages.
func TestRefused(t *testing.T) {
	reasons := []ledger.ShippingReason{ledger.RefuseTestMode, ledger.RefuseChannel, ledger.RefuseNotPaid, ledger.RefuseHeld, ledger.RefuseReversed,
		ledger.RefuseRefunded, ledger.RefuseCorrected, ledger.RefuseComplete, ledger.RefuseParcels, ledger.RefuseOver}
	for _, why := range reasons {
		if en, zh := Refused(why); en == "" || zh == "" || why.Text() == "" {
			t.Errorf("%s: %q, %q, %q", why, en, zh, why.Text())
		}
	}
	if len(refused) != len(reasons) {
		t.Errorf("there are %d sentences for %d reasons", len(refused), len(reasons))
	}
}

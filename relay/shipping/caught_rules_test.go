package shipping

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A reporter that runs looks for what was acknowledged before it, also where WeChat cannot be asked about the payment.
func TestRunCatchesUp(t *testing.T) {
	s := newStage(t)
	s.record("1", "ch_1", "", true) // Ping++ has not told WeChat's number
	s.acknowledge()
	s.Clock.Add(time.Hour)
	relaytest.Run(t, s.automatic().Run)
	relaytest.WaitFor(t, "it is reported by itself", func() bool { return s.shipment("ch_1").Stage == ledger.ReportOpen })
}

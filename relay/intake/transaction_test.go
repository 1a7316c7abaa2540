package intake

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// The channel's number of a payment is kept, however it was learned.
func TestTransactionNo(t *testing.T) {
	for _, source := range []ledger.Source{ledger.Webhook, ledger.Query} {
		l := relaytest.NewLedger(t)
		in := &Intake{Scope: relaytest.Scope, Now: time.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
		ev := parse(t, "evt_1", "charge.succeeded", fmt.Sprintf(chargeJSON, `{},"transaction_no":"4200001234202611238888888888"`))
		if _, err := in.Accept(t.Context(), Arrival{Event: ev, Source: source}); err != nil {
			t.Fatal(err)
		}
		found, err := l.Find(t.Context(), relaytest.Scope, "4200001234202611238888888888")
		if err != nil || len(found) != 1 || found[0] != (ledger.Found{Kind: ledger.KindTransaction, ID: "ch_1", OrderNo: "o1x7"}) {
			t.Errorf("by %s: found %v, %v", source, found, err)
		}
	}
}

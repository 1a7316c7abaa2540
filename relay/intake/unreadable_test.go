package intake

import (
	"context"
	"errors"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A refund that cannot be acted on is recorded although Ping++ cannot say what it is about: it waits for a person in any case.
func TestUnreadableRefundAsksNobody(t *testing.T) {
	l, c := relaytest.NewLedger(t), relaytest.NewClock()
	asked := false
	in := &Intake{Scope: relaytest.Scope, Now: c.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
		Ask: func(context.Context, string, *pingpp.Refund) error { asked = true; return errors.New("Ping++ is away") }}
	ev := parse(t, "evt_1", "refund.succeeded", `{"id":"re_1","object":"refund","charge":"ch_1","amount":40,"succeed":true,"status":"succeeded","created":1790000500}`)
	if ev.Refund == nil {
		t.Fatalf("%+v", ev)
	}
	ev.Unreadable = errors.New("the event has the key \"type\" twice")
	did, err := in.Accept(t.Context(), Arrival{Event: ev, Source: ledger.Webhook})
	if err != nil || did != ledger.Recorded || asked {
		t.Fatalf("%s, %v; Ping++ was asked: %t", did, err, asked)
	}
	if e, _ := relaytest.Load(t, l, "evt_1"); e.State != ledger.Held || len(e.Reasons) != 1 || e.Reasons[0] != ledger.ReasonUnreadable {
		t.Errorf("%s %v", e.State, e.Reasons)
	}
}

package intake

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A refund that Ping++ calls successful by one of its two words is one; an event finds its charge by the order number that it gives, is created when
// Ping++ says or, when it does not, as it comes, and waits for a person when nobody knows whose it is.
func TestIntakeEdges(t *testing.T) {
	l, c := relaytest.NewLedger(t), relaytest.NewClock()
	in := &Intake{Scope: relaytest.Scope, Now: c.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	accept := func(a Arrival) *ledger.Event {
		t.Helper()
		a.Source = ledger.Webhook
		if _, err := in.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		e, err := l.Event(t.Context(), relaytest.Scope, a.Event.ID)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	paid := accept(Arrival{Event: parse(t, "evt_p", "charge.succeeded", fmt.Sprintf(chargeJSON, "{}"))})
	if paid.State != ledger.Pending || !paid.Created.Equal(time.Unix(1790000001, 0)) {
		t.Errorf("%s, created %s", paid.State, paid.Created)
	}
	var back int64
	for i, said := range []struct {
		succeed bool
		status  string
	}{{true, "pending"}, {false, "succeeded"}} {
		id := fmt.Sprint("re_", i)
		ev := &pingpp.Event{ID: "evt_" + id, Type: "refund.succeeded", ObjectID: id, ChargeID: "ch_1", OrderNo: "o1x7", Raw: []byte("{}"),
			Refund: &pingpp.Refund{ID: id, ChargeID: "ch_1", OrderNo: "o1x7", Amount: 40, Succeed: said.succeed, Status: said.status}}
		e := accept(Arrival{Event: ev})
		if e.Number != "o1x7" || !e.Created.Equal(c.Now()) || e.Rank != 1 {
			t.Errorf("%s: number %q, created %s, rank %d", id, e.Number, e.Created, e.Rank)
		}
		charge, err := l.Charge(t.Context(), relaytest.Scope, "ch_1")
		if err != nil {
			t.Fatal(err)
		}
		if back += 40; charge.AmountRefunded != back {
			t.Errorf("%+v: %d fen are back, want %d", said, charge.AmountRefunded, back)
		}
	}
	e := accept(Arrival{Event: parse(t, "evt_n", "charge.succeeded", fmt.Sprintf(chargeJSON, "{}")), NoApp: true})
	if e.State != ledger.Filtered {
		t.Errorf("nobody's event is %s", e.State)
	}
	e = accept(Arrival{Event: parse(t, "evt_s", "summary.daily.available", `{"object":"app_daily_summary"}`), NoApp: true})
	if e.State != ledger.Filtered || len(e.Reasons) != 1 || e.Reasons[0] != ledger.ReasonNoApp {
		t.Errorf("nobody's event is %s %v", e.State, e.Reasons)
	}
}

// A refund of a charge that Ping++ does not call paid either is recorded, and Ping++ is asked about it once.
func TestRefundOfWhatIsNotPaid(t *testing.T) {
	l, c := relaytest.NewLedger(t), relaytest.NewClock()
	asked := 0
	in := &Intake{Scope: relaytest.Scope, Now: c.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
		Ask: func(context.Context, string, *pingpp.Refund) error { asked++; return nil }}
	now := c.Now()
	got, err := l.Reserve(t.Context(), ledger.Reservation{Scope: relaytest.Scope, OrderNo: "o1", Now: now, Until: now.Add(time.Minute), Number: func(int, int) string { return "o1x7" }})
	if err == nil {
		err = l.Created(t.Context(), &ledger.Charge{Scope: relaytest.Scope, OrderNo: "o1", Number: got.Number, ID: "ch_1", Amount: 100, Currency: "cny", Created: now, Host: "pay.example.com"})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := in.Accept(ctx, Arrival{Event: parse(t, "evt_r", "refund.succeeded", fmt.Sprintf(refundJSON, "o1x7")), Source: ledger.Webhook}); err != nil {
		t.Fatal(err)
	}
	e, err := l.Event(t.Context(), relaytest.Scope, "evt_r")
	if err != nil || e.OrderNo != "o1" || e.Host != "pay.example.com" || asked != 1 {
		t.Errorf("%+v after %d questions, %v", e, asked, err)
	}
}

package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

var errDisk = errors.New("disk full")

func parse(t *testing.T, id, eventType, object string) *pingpp.Event {
	t.Helper()
	ev, err := pingpp.ParseEvent([]byte(fmt.Sprintf(`{"id":%q,"object":"event","created":1790000001,"livemode":false,"type":%q,"data":{"object":%s}}`, id, eventType, object)))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

const (
	chargeJSON = `{"id":"ch_1","object":"charge","app":"app_test","channel":"wx_lite","order_no":"o1x7","amount":100,"currency":"cny",
		"livemode":false,"paid":true,"refunded":false,"created":1790000000,"time_paid":1790000000,"time_expire":1790007200,"metadata":%s}`
	refundJSON = `{"id":"re_1","object":"refund","charge":"ch_1","charge_order_no":%q,"amount":40,"succeed":true,"status":"succeeded","created":1790000500}`
	orderJSON  = `{"id":"2001","object":"order","app":"app_test","merchant_order_no":"mo1","charge":"ch_1"}`
)

func TestIntake(t *testing.T) {
	ours := &ledger.Charge{Scope: relaytest.Scope, OrderNo: "o1", Number: "o1x7", ID: "ch_1", Host: "pay.example.com"}
	unseen := &ledger.Charge{Scope: relaytest.Scope, OrderNo: "o1", Number: "o1x7", ID: "ch_1"} // Ping++ told us
	charge := fmt.Sprintf(chargeJSON, "{}")
	named := fmt.Sprintf(chargeJSON, `{"pay_order_no":"o1"}`)
	refund := fmt.Sprintf(refundJSON, "o1x7")
	tests := []struct {
		name               string
		kind, object       string
		charge             *ledger.Charge
		override           string
		orderNo, number    string
		chargeID, host     string
		rank               int
		state              ledger.State
		paid               bool
		refunded           int64
		traceparent, keeps string
	}{
		{name: "our charge", kind: "charge.succeeded", object: charge, charge: ours, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "pay.example.com", state: ledger.Pending, paid: true},
		{name: "unknown charge with our metadata", kind: "charge.succeeded", object: named, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "hook.example.com", state: ledger.Pending, paid: true},
		{name: "a stranger's charge", kind: "charge.succeeded", object: charge, orderNo: "o1x7", number: "o1x7", chargeID: "ch_1", host: "hook.example.com", state: ledger.Pending, paid: true},
		{name: "the caller knows better", kind: "charge.succeeded", object: charge, charge: ours, override: "o9", orderNo: "o9", number: "o1x7", chargeID: "ch_1", host: "pay.example.com", state: ledger.Pending, paid: true},
		{name: "says succeeded but is unpaid", kind: "charge.succeeded", object: strings.Replace(charge, `"paid":true`, `"paid":false`, 1), charge: ours, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "pay.example.com", state: ledger.Held},
		{name: "refund of our charge", kind: "refund.succeeded", object: refund, charge: ours, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "pay.example.com", rank: 1, state: ledger.Pending, refunded: 40},
		{name: "refund of an unseen charge", kind: "refund.succeeded", object: fmt.Sprintf(refundJSON, ""), charge: unseen, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "hook.example.com", rank: 1, state: ledger.Pending, refunded: 40},
		{name: "order", kind: "order.succeeded", object: orderJSON, orderNo: "mo1", chargeID: "ch_1", host: "hook.example.com", state: ledger.Pending},
		{name: "not wanted", kind: "summary.daily.available", object: `{"object":"app_daily_summary","app_id":"app_test"}`, host: "hook.example.com", state: ledger.Filtered},
		{name: "trace", kind: "charge.succeeded", object: charge, charge: ours, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "pay.example.com", state: ledger.Pending, paid: true,
			traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", keeps: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{name: "no trace", kind: "charge.succeeded", object: charge, charge: ours, orderNo: "o1", number: "o1x7", chargeID: "ch_1", host: "pay.example.com", state: ledger.Pending, paid: true,
			traceparent: strings.Repeat("0", 1<<16)},
	}
	now := relaytest.NewClock().Now()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := relaytest.NewLedger(t)
			in := &Intake{Scope: relaytest.Scope, Now: func() time.Time { return now }, Types: []string{"charge.succeeded", "refund.succeeded", "order.succeeded"},
				Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
			a := Arrival{Event: parse(t, "evt_1", tt.kind, tt.object), Charge: tt.charge, OrderNo: tt.override, Source: ledger.Webhook,
				Host: "hook.example.com", Signature: "c2ln", TraceParent: tt.traceparent}
			built := in.event(a)
			if got := built.Change; (got != nil) != (tt.paid || tt.refunded > 0) || got != nil && (got.Paid != tt.paid || got.Refund != tt.refunded) {
				t.Errorf("change %+v", got)
			}
			if tt.paid && !built.Change.TimePaid.Equal(time.Unix(1790000000, 0)) {
				t.Errorf("paid at %s", built.Change.TimePaid)
			}
			if did, err := in.Accept(context.Background(), a); err != nil || did != ledger.Recorded {
				t.Fatal(did, err)
			}
			if did, err := in.Accept(context.Background(), a); err != nil || did != ledger.Duplicate {
				t.Errorf("again: %s, %v", did, err)
			}
			e, _ := relaytest.Load(t, l, "evt_1")
			if e.OrderNo != tt.orderNo || e.Lane != tt.orderNo || e.Number != tt.number || e.ChargeID != tt.chargeID || e.Host != tt.host ||
				e.Rank != tt.rank || e.State != tt.state || e.Type != tt.kind || e.Signature != "c2ln" || e.TraceParent != tt.keeps || e.Source != ledger.Webhook {
				t.Errorf("%+v", e)
			}
			if string(e.Body) != string(a.Event.Raw) || !e.Created.Equal(time.Unix(1790000001, 0)) || !e.Received.Equal(now) {
				t.Errorf("body %q, created %s, received %s", e.Body, e.Created, e.Received)
			}
			if tt.state == ledger.Held && (len(e.Reasons) != 1 || e.Reasons[0] != ledger.ReasonUnreadable) {
				t.Errorf("reasons %q", e.Reasons)
			}
			if tt.state == ledger.Filtered && (len(e.Reasons) != 1 || e.Reasons[0] != ledger.ReasonType) {
				t.Errorf("reasons %q", e.Reasons)
			}
		})
	}
}

func TestIntakeOneEffect(t *testing.T) {
	l := relaytest.NewLedger(t)
	in := &Intake{Scope: relaytest.Scope, Now: time.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	charge := fmt.Sprintf(chargeJSON, "{}")
	did, err := in.Accept(context.Background(), Arrival{Event: parse(t, "evt_1", "charge.succeeded", charge), Source: ledger.Webhook})
	if err != nil || did != ledger.Recorded {
		t.Fatalf("the webhook: %s, %v", did, err)
	}
	did, err = in.Accept(context.Background(), Arrival{Event: parse(t, "evt_q_ch_1_charge_succeeded", "charge.succeeded", charge), Source: ledger.Query})
	if err != nil || did != ledger.SameEffect {
		t.Errorf("the same payment by query: %s, %v", did, err)
	}
}

func TestIntakeErrors(t *testing.T) {
	l := relaytest.NewLedger(t)
	l.Close()
	in := &Intake{Scope: relaytest.Scope, Now: time.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	ev := parse(t, "evt_1", "charge.succeeded", fmt.Sprintf(chargeJSON, "{}"))
	if did, err := in.Accept(context.Background(), Arrival{Event: ev}); !errors.Is(err, ledger.ErrClosed) || did != "" {
		t.Errorf("closed ledger: %q, %v", did, err)
	}
	in.Ledger = func(context.Context) (ledger.Ledger, error) { return nil, errDisk }
	if _, err := in.Accept(context.Background(), Arrival{Event: ev}); !errors.Is(err, errDisk) {
		t.Errorf("no ledger: %v", err)
	}
	if _, err := in.Accept(context.Background(), Arrival{}); err == nil {
		t.Error("nothing was accepted")
	}
}

// From the webhook to the backend: what is accepted is delivered, what is filtered is not.
func TestAcceptedIsDelivered(t *testing.T) {
	l, b := relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
	cfg := delivery.Config(t, l, b)
	cfg.Poll = time.Hour
	delivery.Start(t, cfg)
	in := &Intake{Scope: relaytest.Scope, Now: time.Now, Types: []string{"charge.succeeded"}, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	for id, kind := range map[string]string{"evt_1": "charge.succeeded", "evt_2": "charge.other"} {
		if _, err := in.Accept(context.Background(), Arrival{Event: parse(t, id, kind, fmt.Sprintf(chargeJSON, "{}")), Source: ledger.Webhook, Host: "h.example"}); err != nil {
			t.Fatal(err)
		}
	}
	e, _ := relaytest.WaitAttempts(t, l, "evt_1", 1)
	if e.State != ledger.Delivered || string(b.Requests()[0].Body) != string(e.Body) {
		t.Errorf("%+v", e)
	}
	if e, ds := relaytest.Load(t, l, "evt_2"); e.State != ledger.Filtered || len(ds) != 0 {
		t.Errorf("%+v %+v", e, ds)
	}
}

// recorder records in a ledger, and keeps the ids.
type recorder struct {
	ledger.Ledger
	ids []string
}

func (r *recorder) Append(ctx context.Context, e *ledger.Event) (ledger.Appended, error) {
	r.ids = append(r.ids, e.ID)
	return r.Ledger.Append(ctx, e)
}

// Events go by way of the relay that delivers them, once there is one.
func TestIntakeDeliverBy(t *testing.T) {
	l := relaytest.NewLedger(t)
	in := &Intake{Scope: relaytest.Scope, Now: time.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	r := &recorder{Ledger: l}
	for _, id := range []string{"evt_1", "evt_2"} {
		if did, err := in.Accept(context.Background(), Arrival{Event: parse(t, id, "charge.other", fmt.Sprintf(chargeJSON, "{}")), Source: ledger.Webhook}); err != nil || did != ledger.Recorded {
			t.Fatalf("%s: %s, %v", id, did, err)
		}
		in.DeliverBy(r)
	}
	if len(r.ids) != 1 || r.ids[0] != "evt_2" {
		t.Errorf("by way of the relay: %q", r.ids)
	}
}

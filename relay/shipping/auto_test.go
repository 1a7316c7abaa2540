package shipping

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// acknowledge has the backend acknowledge all payments that it has not heard of, as it did before anything was reported by itself.
func (s *stage) acknowledge() {
	s.t.Helper()
	now := s.Clock.Now()
	es, err := s.l.Claim(s.t.Context(), ledger.Claim{Scope: scope, Owner: "relay", Now: now, Until: now.Add(30 * time.Second), Limit: 50})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range es {
		if err := s.l.Settle(s.t.Context(), "relay", ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: 1, At: now, Status: 200, State: ledger.Delivered}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stage) automatic() *Reporter {
	s.t.Helper()
	cfg := s.config(s.l)
	cfg.Auto = &Receipts{Type: ledger.ShipVirtual, Items: "Course {order_no}"}
	r, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// What is reported by itself is reported of payments, too, that were acknowledged before, if they still wait and nobody else has reported them.
func TestAutoCatchesUp(t *testing.T) {
	s := newStage(t)
	before := s.paid("before", false) // the site had no shipping
	waits, other, hand, gone := s.paid("waits", true), s.paid("other", true), s.paid("hand", true), s.paid("gone", true)
	held := s.heldPayment("held")
	s.acknowledge()
	heard := s.paid("unheard", true)
	s.report("other", part(true, "YT1"))
	s.Clock.Add(10 * time.Minute)
	plain := s.reporter(s.l)
	plain.catchUp(t.Context()) // nothing is reported by itself
	s.turn(plain)
	s.hand(hand, "茶")
	s.refunded("gone", gone)
	s.Clock.Add(time.Hour)
	s.want("waiting", []any{s.shipment(waits).Stage, s.uploads()}, []any{ledger.ReportNone, 2})

	a, b := s.automatic(), s.automatic()
	for range 2 {
		for _, r := range []*Reporter{a, b} {
			r.findUnshipped(t.Context())
			r.catchUp(t.Context())
			s.turn(r)
		}
		s.Clock.Add(2 * time.Hour)
	}
	for id, want := range map[string]struct {
		state ledger.ShipmentState
		stage ledger.ReportStage
		items string
	}{
		before: {ledger.ShipmentReported, ledger.ReportDone, "Course before"},
		waits:  {ledger.ShipmentReported, ledger.ReportDone, "Course waits"},
		other:  {ledger.ShipmentReported, ledger.ReportDone, "茶"},
		hand:   {ledger.ShipmentReported, ledger.ReportDone, "Course hand"}, // which was not told
		gone:   {ledger.ShipmentRefunded, ledger.ReportNone, ""},
		held:   {ledger.ShipmentWaiting, ledger.ReportNone, ""},
		heard:  {ledger.ShipmentWaiting, ledger.ReportNone, ""},
	} {
		sh, items := s.shipment(id), ""
		if sh.Shipping != nil {
			items = sh.Shipping.Items
		}
		s.want(id, []any{sh.State, sh.Stage, items}, []any{want.state, want.stage, want.items})
	}
	s.want("at WeChat", []any{s.atWeChat(before).Description, s.atWeChat(waits).Description, s.atWeChat(hand).Description, s.atWeChat(other).Parcels[0].TrackingNo, s.uploads()},
		[]any{"Course before", "Course waits", "茶", "YT1", 4})

	s.acknowledge() // what the relay would have reported with it
	s.Clock.Add(25 * time.Hour)
	a.catchUp(t.Context())
	s.turn(a)
	s.want("acknowledged since", s.shipment(heard).State, ledger.ShipmentReported)
}

// heldPayment is a payment of which a person is to decide.
func (s *stage) heldPayment(orderNo string) (chargeID string) {
	s.t.Helper()
	id, no := s.PaidLite("20260816" + orderNo)
	s.recordPaid(orderNo, id, no, true, 99)
	s.Clock.Add(time.Second)
	return id
}

// refunded has the payment of an order go back whole, as its site hears of it.
func (s *stage) refunded(orderNo, chargeID string) {
	s.t.Helper()
	now := s.Clock.Now()
	relaytest.Record(s.t, s.l, &ledger.Event{Scope: scope, ID: "evt_r_" + orderNo, Type: "refund.succeeded", ObjectID: "re_" + orderNo, ChargeID: chargeID, OrderNo: orderNo, Lane: orderNo, Rank: 1,
		Source: ledger.Webhook, Created: now, Received: now, Due: now, Body: []byte(`{}`), State: ledger.Pending, Ships: true, Change: &ledger.ChargeChange{Refund: 100}})
}

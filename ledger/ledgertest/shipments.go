package ledgertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func deliver(t *testing.T, l ledger.Ledger, id string, n *ledger.Shipping, p ledger.ShippingProblem) {
	t.Helper()
	claim(t, l, "a", noon, at(9), 9)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: id, Attempt: 1, At: at(3), Took: time.Second, Status: 200, State: ledger.Delivered,
		Shipping: n, ShippingProblem: p}))
	wantEvent(t, l, id, ledger.Delivered)
}

// What is reported by itself is recorded with the acknowledgement, once, and keeps none from being recorded.
func testSettleReports(t *testing.T, l ledger.Ledger) {
	none := ledger.ShippingProblem{}
	keeps(t, l, "1")
	changed, stop := l.Watch(ledger.ShipmentsTopic(live))
	defer stop()
	deliver(t, l, "evt_1", &tea, none)
	<-changed
	s := shipment(t, l, "ch_1")
	equal(t, "the report", []any{s.State, s.Stage, s.Shipping, s.Recorded, s.Due}, []any{ledger.ShipmentWaiting, ledger.ReportOpen, &tea, at(4), at(4)})
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "the delivery", ds, []ledger.Delivery{{Scope: live, EventID: "evt_1", Attempt: 1, At: at(3), Took: time.Second, Status: 200, State: ledger.Delivered}})

	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 5)) // told again, with something else
	deliver(t, l, "evt_1", &coffee, none)
	equal(t, "nothing is doubled", shipment(t, l, "ch_1"), s)
	must(t, l.Settle(t.Context(), "b", ledger.Delivery{Scope: live, EventID: "evt_1", At: at(9), State: ledger.Delivered, Shipping: &coffee}))
	equal(t, "nor by another", shipment(t, l, "ch_1"), s)

	keeps(t, l, "2")
	deliver(t, l, "evt_2", &ledger.Shipping{Type: ledger.ShipExpress, Items: "x", Complete: true}, none) // no parcels
	s = shipment(t, l, "ch_2")
	equal(t, "when", []any{s.Recorded, s.Due}, []any{at(4), at(4).Add(24 * time.Hour)})
	if s.Problem.Text == "" {
		t.Error("it has no words")
	}
	equal(t, "what is no report", []any{s.State, s.Stage, s.Problem.Code, s.Shipping}, []any{ledger.ShipmentFailed, ledger.ReportFailed, ledger.ProblemInvalid, (*ledger.Shipping)(nil)})
	report(t, l, reporting("2", tea, 9), true)

	keeps(t, l, "3")
	deliver(t, l, "evt_3", nil, ledger.ShippingProblem{Code: "odd", Text: "pay_shipping is no object"})
	equal(t, "what was odd", shipment(t, l, "ch_3").Problem, ledger.ShippingProblem{Code: "odd", Text: "pay_shipping is no object"})

	charge(t, l, "4", "ch_4") // whose event did not say that it ships
	add(t, l, payment("evt_4", "ch_4", "4"), ledger.Recorded)
	deliver(t, l, "evt_4", &tea, none)
	equal(t, "all the same", shipment(t, l, "ch_4").Stage, ledger.ReportOpen)

	created(t, l, "5", "ch_5", "wx_pub", 1)
	add(t, l, payment("evt_5", "ch_5", "5"), ledger.Recorded)
	deliver(t, l, "evt_5", &tea, none)
	noShipment(t, l, "ch_5")

	keeps(t, l, "6")
	add(t, l, shipping(refund("evt_r6", "ch_6", "6", 10)), ledger.Recorded)
	deliver(t, l, "evt_6", nil, none)
	deliver(t, l, "evt_r6", &tea, none) // the payment's event alone says what was shipped
	equal(t, "of a refund", shipment(t, l, "ch_6").Stage, ledger.ReportNone)
	o := event(live, "evt_o6")
	o.Type, o.ChargeID, o.OrderNo, o.Lane = "order.succeeded", "ch_6", "6", "6"
	add(t, l, o, ledger.Recorded)
	deliver(t, l, "evt_o6", &tea, none)
	equal(t, "of an order that is paid", shipment(t, l, "ch_6").Stage, ledger.ReportOpen)

	add(t, l, event(live, "evt_none"), ledger.Recorded) // of no charge, and of one that nobody knows
	deliver(t, l, "evt_none", &tea, none)
	unknown := event(live, "evt_unknown")
	unknown.ChargeID = "ch_unknown"
	add(t, l, unknown, ledger.Recorded)
	deliver(t, l, "evt_unknown", &tea, none)
	noShipment(t, l, "ch_unknown")

	keeps(t, l, "hand") // its receipt is confirmed before the backend hears of it
	ss, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Daily: true, Owner: "a", Now: at(2 * 86400), Until: at(2*86400 + 9), Limit: 99})
	must(t, err)
	for _, s := range ss {
		if s.ChargeID == "ch_hand" {
			answered(t, l, shipmentLease(s, "a"), ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: ledger.ShippingTold, At: at(1), OrderState: 3, Finished: 1})
		}
	}
	deliver(t, l, "evt_hand", &tea, none)
	equal(t, "shipped by hand", []any{shipment(t, l, "ch_hand").State, shipment(t, l, "ch_hand").Stage}, []any{ledger.ShipmentConfirmed, ledger.ReportNone})

	keeps(t, l, "7")
	claim(t, l, "a", noon, at(9), 9)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_7", Attempt: 1, At: at(3), State: ledger.Pending, Due: at(9), Shipping: &tea}))
	equal(t, "not acknowledged", shipment(t, l, "ch_7").Stage, ledger.ReportNone)

	keeps(t, l, "8")
	look := ledger.Delivery{Scope: live, EventID: "evt_8", Attempt: 1, At: at(3), State: ledger.Delivered, Shipping: &tea}
	must(t, l.Settle(t.Context(), "nobody", look)) // whoever says so
	equal(t, "acknowledged to another", shipment(t, l, "ch_8").Stage, ledger.ReportOpen)

	keeps(t, l, "9")
	add(t, l, refund("evt_r9", "ch_9", "9", 100), ledger.Recorded) // it goes back
	must(t, l.Settle(t.Context(), "nobody", ledger.Delivery{Scope: live, EventID: "evt_9", Attempt: 1, At: at(3), State: ledger.Delivered, Shipping: &tea}))
	wantEvent(t, l, "evt_9", ledger.Delivered, ledger.ReasonRefunded)
	equal(t, "of what went back", shipment(t, l, "ch_9").Stage, ledger.ReportNone)
}

// Who has a lease, and what a lease that is over is worth.
func testShipmentLeases(t *testing.T, l ledger.Ledger) {
	for _, n := range []string{"1", "2"} {
		keeps(t, l, n)
		report(t, l, reporting(n, tea, 9-len(n)), true)
	}
	_, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Now: at(9), Until: at(20), Limit: 9})
	if err == nil {
		t.Fatal("a claim without an owner")
	}
	one, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Owner: "a", Now: at(9), Until: at(20), Limit: 1})
	must(t, err)
	two := claimShipments(t, l, "a", false, at(9), at(20))
	equal(t, "each once", []any{len(one), len(two), one[0].ChargeID, two[0].ChargeID}, []any{1, 1, "ch_1", "ch_2"})
	equal(t, "none is left", len(claimShipments(t, l, "b", false, at(19), at(30))), 0)
	first := shipmentLease(one[0], "a")
	_, err = l.PostShipping(t.Context(), ledger.ShipmentLease{Scope: live, ChargeID: "ch_1", Owner: "b", Epoch: first.Epoch}, at(9), at(20))
	wantErr(t, err, ledger.ErrNotFound)
	_, err = l.PostShipping(t.Context(), ledger.ShipmentLease{Scope: live, ChargeID: "ch_none", Owner: "a"}, at(9), at(20))
	wantErr(t, err, ledger.ErrNotFound)
	s, err := l.PostShipping(t.Context(), first, at(10), at(40))
	must(t, err)
	equal(t, "what is posted", s.Posted, &tea)
	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "the attempt under way", as, []ledger.ShippingAttempt{{N: 1, At: at(10), Step: ledger.ShippingPost, Result: ledger.ShippingAsking, Shipping: &tea}})
	equal(t, "prolonged", len(claimShipments(t, l, "b", false, at(30), at(50))), 1) // the other one
	again := claimShipments(t, l, "a", false, at(41), at(60))                       // the same owner, once its lease is over
	equal(t, "taken over", []any{len(again), again[0].ChargeID, again[0].Step(), again[0].Posted}, []any{1, "ch_1", ledger.ShippingAsk, &tea})
	_, err = l.ShippingAnswered(t.Context(), first, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingTransient, At: at(10)})
	wantErr(t, err, ledger.ErrNotFound) // whoever has it asks

	// Content that is newer than the claim is what is posted; nothing is, of what was refunded since.
	second := claimShipments(t, l, "c", false, at(51), at(60))
	report(t, l, reporting("2", coffee, 52), true)
	s, err = l.PostShipping(t.Context(), shipmentLease(second[0], "c"), at(53), at(70))
	must(t, err)
	equal(t, "the newer", s.Posted, &coffee)
	_, err = l.ShippingAnswered(t.Context(), shipmentLease(second[0], "c"), ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: "odd"})
	if err == nil {
		t.Fatal("an odd answer")
	}
	keeps(t, l, "3")
	report(t, l, reporting("3", tea, 53), true)
	third := claimShipments(t, l, "c", false, at(54), at(70))
	add(t, l, refund("evt_r3", "ch_3", "3", 100), ledger.Recorded)
	lease := shipmentLease(third[0], "c")
	_, err = l.PostShipping(t.Context(), lease, at(55), at(70))
	wantErr(t, err, ledger.ErrState)
	_, err = l.ShippingAnswered(t.Context(), lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingAccepted, At: at(55)})
	wantErr(t, err, ledger.ErrState) // nothing was posted
	_, err = l.ShippingAnswered(t.Context(), lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingUnknown, At: at(55)})
	wantErr(t, err, ledger.ErrState)
	charge(t, l, "4", "ch_4")
	_, err = l.PostShipping(t.Context(), ledger.ShipmentLease{Scope: live, ChargeID: "ch_4"}, at(9), at(20))
	wantErr(t, err, ledger.ErrNotFound) // which has none
	none, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Owner: "a", Now: at(999), Until: at(1000)})
	must(t, err)
	equal(t, "no limit", len(none), 0)
}

// dies is where the process that tells WeChat ends.
type dies int

const (
	afterClaim dies = iota
	beforePost      // the attempt is recorded
	afterPost       // WeChat has accepted it
	beforeAsk
	afterAsk
	never
)

// A process may end between any two steps, again and again: WeChat is told exactly once.
func testShippingDeaths(t *testing.T, l ledger.Ledger) {
	order := 0
	for first := afterClaim; first <= never; first++ {
		for second := afterClaim; second <= never; second++ {
			order++
			n := fmt.Sprint(order)
			keeps(t, l, n)
			report(t, l, reporting(n, tea, 0), true)
			w := &weChat{}
			now := noon
			for _, death := range []dies{first, second, never, never, never} {
				now = now.Add(2 * time.Minute)
				work(t, l, w, now, death)
			}
			s := shipment(t, l, "ch_"+n)
			if w.posts != 1 || s.State != ledger.ShipmentReported || s.Uploads != 1 {
				t.Fatalf("after %d and %d: posted %d times, %s", first, second, w.posts, show(s))
			}
		}
	}
}

// weChat counts what it accepts.
type weChat struct {
	mu    sync.Mutex
	posts int
}

// work is what a process does about what is due, until it ends.
func work(t *testing.T, l ledger.Ledger, w *weChat, now time.Time, death dies) {
	ss := claimShipments(t, l, "a", false, now, now.Add(time.Minute))
	if len(ss) == 0 || death == afterClaim {
		return
	}
	lease, a := shipmentLease(ss[0], "a"), ledger.ShippingAnswer{Step: ss[0].Step(), At: now}
	if a.Step == ledger.ShippingPost {
		_, err := l.PostShipping(t.Context(), lease, now, now.Add(time.Minute))
		must(t, err)
		if death == beforePost {
			return
		}
		w.posts++
		if death == afterPost {
			return
		}
		a.Result = ledger.ShippingAccepted
	} else {
		if death == beforeAsk {
			return
		}
		a.Result, a.OrderState, a.Finished, a.Has = ledger.ShippingTold, 1, 0, false
		if w.posts > 0 {
			a.OrderState, a.Finished, a.Has = 2, 1, true
		}
		if death == afterAsk {
			return
		}
	}
	answered(t, l, lease, a)
}

// Two processes that tell WeChat at the same time, each taking over what the other lets lie, post each report once.
func testShippingConcurrent(t *testing.T, a, b ledger.Ledger) {
	const orders = 8
	for i := range orders {
		keeps(t, a, fmt.Sprint(i))
	}
	posts := make([]weChat, orders)
	var all sync.WaitGroup
	for i, l := range []ledger.Ledger{a, b, a, b} {
		owner := fmt.Sprint("owner", i)
		all.Go(func() {
			for n := range orders {
				if _, _, err := l.ReportShipping(t.Context(), reporting(fmt.Sprint(n), tea, 0)); err != nil {
					t.Error(err)
				}
				ss, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Owner: owner, Now: at(1), Until: at(50), Limit: 2})
				if err != nil {
					t.Error(err)
				}
				for _, s := range ss {
					lease := shipmentLease(s, owner)
					if _, err := l.PostShipping(t.Context(), lease, at(1), at(50)); err != nil {
						t.Error(err)
						continue
					}
					w := &posts[int(s.OrderNo[0]-'0')]
					w.mu.Lock()
					w.posts++
					w.mu.Unlock()
					if _, err := l.ShippingAnswered(t.Context(), lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingAccepted, At: at(2)}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	for i := range posts {
		equal(t, fmt.Sprint("posts of order ", i), posts[i].posts, 1)
	}
	equal(t, "frozen", figures(t, a).FrozenShipments, int64(orders))
}

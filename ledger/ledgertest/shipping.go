package ledgertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

var (
	tea    = ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}
	coffee = ledger.Shipping{Type: ledger.ShipVirtual, Items: "coffee", Complete: true}
	parcel = ledger.Shipping{Type: ledger.ShipExpress, Items: "绿茶 250g ×2", Complete: true,
		Parcels: []ledger.Parcel{{Company: "SF", TrackingNo: "SF1", Items: "one", Contact: "189****1234"}, {Company: "YTO", TrackingNo: "YT2"}}}
)

// keeps records the payment of an order whose site reports shipping.
func keeps(t *testing.T, l ledger.Ledger, orderNo string) {
	t.Helper()
	charge(t, l, orderNo, "ch_"+orderNo)
	add(t, l, shipping(payment("evt_"+orderNo, "ch_"+orderNo, orderNo)), ledger.Recorded)
}

func shipping(e *ledger.Event) *ledger.Event {
	e.Ships = true
	return e
}

func reporting(orderNo string, n ledger.Shipping, seconds int) ledger.ShippingReport {
	return ledger.ShippingReport{Scope: live, OrderNo: orderNo, Shipping: n, Now: at(seconds)}
}

func report(t *testing.T, l ledger.Ledger, r ledger.ShippingReport, fresh bool) *ledger.Shipment {
	t.Helper()
	s, got, err := l.ReportShipping(t.Context(), r)
	must(t, err)
	equal(t, "fresh", got, fresh)
	return s
}

func refuse(t *testing.T, l ledger.Ledger, r ledger.ShippingReport, why ledger.ShippingReason) {
	t.Helper()
	_, _, err := l.ReportShipping(t.Context(), r)
	var refused *ledger.ShippingRefusal
	if !errors.As(err, &refused) || refused.Reason != why || refused.OrderNo == "" {
		t.Fatalf("error %v, want the reason %s", err, why)
	}
}

func shipment(t *testing.T, l ledger.Ledger, chargeID string) *ledger.Shipment {
	t.Helper()
	s, err := l.Shipment(t.Context(), live, chargeID)
	must(t, err)
	return s
}

func noShipment(t *testing.T, l ledger.Ledger, chargeID string) {
	t.Helper()
	_, err := l.Shipment(t.Context(), live, chargeID)
	wantErr(t, err, ledger.ErrNotFound)
}

func claimShipments(t *testing.T, l ledger.Ledger, owner string, daily bool, now, until time.Time) (ss []ledger.Shipment) {
	t.Helper()
	ss, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Daily: daily, Owner: owner, Now: now, Until: until, Limit: 9})
	must(t, err)
	return ss
}

func shipmentLease(s ledger.Shipment, owner string) ledger.ShipmentLease {
	return ledger.ShipmentLease{Scope: live, ChargeID: s.ChargeID, Owner: owner, Epoch: s.Epoch}
}

// claimShipment claims the one that is due.
func claimShipment(t *testing.T, l ledger.Ledger, daily bool, now time.Time, step ledger.ShippingStep) (ledger.Shipment, ledger.ShipmentLease) {
	t.Helper()
	ss := claimShipments(t, l, "a", daily, now, now.Add(30*time.Second))
	if len(ss) != 1 || ss[0].Step() != step {
		t.Fatalf("claimed %s, want one to %s", show(ss), step)
	}
	return ss[0], shipmentLease(ss[0], "a")
}

func answered(t *testing.T, l ledger.Ledger, lease ledger.ShipmentLease, a ledger.ShippingAnswer) *ledger.Shipment {
	t.Helper()
	s, err := l.ShippingAnswered(t.Context(), lease, a)
	must(t, err)
	return s
}

var unknownPayment = ledger.ShippingProblem{Code: "10060001", Text: "not found\nyet", ZH: "支付单不存在\n请稍候"}

// post tells WeChat what is due, which answers so.
func post(t *testing.T, l ledger.Ledger, now time.Time, result ledger.ShippingResult) *ledger.Shipment {
	t.Helper()
	_, lease := claimShipment(t, l, false, now, ledger.ShippingPost)
	_, err := l.PostShipping(t.Context(), lease, now, now.Add(30*time.Second))
	must(t, err)
	a := ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: result, At: now}
	if result != ledger.ShippingAccepted {
		a.Problem = unknownPayment
	}
	return answered(t, l, lease, a)
}

func look(t *testing.T, l ledger.Ledger, now time.Time, orderState, finished int) *ledger.Shipment {
	t.Helper()
	_, lease := claimShipment(t, l, true, now, ledger.ShippingAsk)
	return answered(t, l, lease, ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: ledger.ShippingTold, At: now, OrderState: orderState, Finished: finished})
}

// Which payments have a shipment from when they are recorded, and what is known of it.
func testShipmentRecorded(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: "1", Number: r.Number, ID: "ch_1", Channel: "wx_lite", Payer: "oPayer", PayerAppID: "wx1",
		Amount: 100, Currency: "cny", Created: noon, TimeExpire: at(7200)}))
	e := shipping(payment("evt_1", "ch_1", "1"))
	e.Payment.TransactionNo = "4200"
	add(t, l, e, ledger.Recorded)
	s := shipment(t, l, "ch_1")
	equal(t, "the shipment", s, &ledger.Shipment{Scope: live, ChargeID: "ch_1", OrderNo: "1", TransactionNo: "4200", Payer: "oPayer", PayerAppID: "wx1", Amount: 100,
		TimePaid: noon, State: ledger.ShipmentWaiting, Due: noon.Add(24 * time.Hour)})
	equal(t, "its deadline", s.Deadline(), noon.Add(48*time.Hour))
	of, err := l.Shipments(t.Context(), live, "1")
	must(t, err)
	equal(t, "those of its order", of, []ledger.Shipment{*s})

	charge(t, l, "2", "ch_2")
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded) // whose site reports nothing
	noShipment(t, l, "ch_2")
	add(t, l, shipping(payment("evt_2b", "ch_2", "2")), ledger.SameEffect)
	noShipment(t, l, "ch_2")
	created(t, l, "3", "ch_3", "wx_pub", 1)
	add(t, l, shipping(payment("evt_3", "ch_3", "3")), ledger.Recorded)
	noShipment(t, l, "ch_3")
	add(t, l, shipping(payment("evt_4", "ch_4", "4")), ledger.Recorded) // a charge that we never saw
	noShipment(t, l, "ch_4")
	add(t, l, shipping(event(live, "evt_5")), ledger.Recorded)
	noShipment(t, l, "ch_evt_5")
	charge(t, l, "1", "ch_1b")
	add(t, l, shipping(payment("evt_1b", "ch_1b", "1")), ledger.Recorded) // held: WeChat keeps its money all the same
	wantEvent(t, l, "evt_1b", ledger.Held, ledger.ReasonPaidTwice)
	equal(t, "of a held payment", shipment(t, l, "ch_1b").State, ledger.ShipmentWaiting)
	equal(t, "asked about all the same", len(claimShipments(t, l, "a", true, noon.Add(25*time.Hour), noon.Add(25*time.Hour+time.Minute))), 2)

	f, err := l.Figures(t.Context(), live)
	must(t, err)
	equal(t, "frozen", [2]int64{f.Frozen, f.FrozenShipments}, [2]int64{200, 2})
	_, err = l.Shipment(t.Context(), live, "ch_none")
	wantErr(t, err, ledger.ErrNotFound)
	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "attempts", len(as), 0)
	as, err = l.ShippingAttempts(t.Context(), live, "ch_none")
	must(t, err)
	equal(t, "attempts of nothing", len(as), 0)
}

// A payment whose event comes before Ping++'s answer has a shipment too, which knows what that says.
func testShipmentBeforeAnswer(t *testing.T, l ledger.Ledger) {
	r := reservation(live, "1", noon, at(30))
	r.Channel, r.Payer, r.PayerAppID = "wx_lite", "oPayer", "wx1"
	_, err := l.Reserve(t.Context(), r)
	must(t, err)
	e := shipping(payment("evt_1", "ch_1", "1"))
	e.Number = "1"
	add(t, l, e, ledger.Recorded)
	equal(t, "who paid", shipment(t, l, "ch_1").Payer, "oPayer")
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: "1", Number: "1", ID: "ch_1", Channel: "wx_lite", Payer: "oPayer", PayerAppID: "wx1", Amount: 100, Currency: "cny",
		Created: noon, TimeExpire: at(7200)}))
	equal(t, "the order", shipment(t, l, "ch_1").OrderNo, "1")
}

// A report is recorded before WeChat is told, once for the same content; it may be corrected once.
func testReportShipping(t *testing.T, l ledger.Ledger) {
	keeps(t, l, "1")
	changed, stop := l.Watch(ledger.ShipmentsTopic(live))
	defer stop()
	told, stop := l.Watch(ledger.ChargeTopic(live, "ch_1"))
	defer stop()
	s := report(t, l, reporting("1", parcel, 5), true)
	<-changed
	<-told
	equal(t, "the report", []any{s.State, s.Stage, s.Shipping, s.Recorded, s.Due, s.Step()},
		[]any{ledger.ShipmentWaiting, ledger.ReportOpen, &parcel, at(5), at(5), ledger.ShippingPost})
	equal(t, "what is kept", shipment(t, l, "ch_1"), s)
	equal(t, "the same", report(t, l, reporting("1", parcel, 9), false), s)
	report(t, l, reporting("1", tea, 10), true) // WeChat has nothing yet
	equal(t, "not due", len(claimShipments(t, l, "a", false, at(9), at(20))), 0)

	s = post(t, l, at(10), ledger.ShippingAccepted)
	equal(t, "accepted", []any{s.State, s.Stage, s.Reported, s.Uploads, s.Attempts}, []any{ledger.ShipmentReported, ledger.ReportDone, at(10), 1, 1})
	equal(t, "the same, accepted", report(t, l, reporting("1", tea, 20), false), shipment(t, l, "ch_1"))
	equal(t, "nothing is due", len(claimShipments(t, l, "a", false, at(20), at(40))), 0)
	s = report(t, l, reporting("1", coffee, 30), true)
	equal(t, "a correction", []any{s.State, s.Stage, s.Shipping}, []any{ledger.ShipmentReported, ledger.ReportOpen, &coffee})
	post(t, l, at(30), ledger.ShippingAccepted)
	refuse(t, l, reporting("1", parcel, 40), ledger.RefuseCorrected)
	refuse(t, l, reporting("1", tea, 40), ledger.RefuseCorrected)
	report(t, l, reporting("1", coffee, 50), false)

	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "attempts", as, []ledger.ShippingAttempt{
		{N: 1, At: at(10), Step: ledger.ShippingPost, Result: ledger.ShippingAccepted, State: ledger.ShipmentReported, Shipping: &tea},
		{N: 2, At: at(30), Step: ledger.ShippingPost, Result: ledger.ShippingAccepted, State: ledger.ShipmentReported, Shipping: &coffee},
	})
}

// What cannot be reported, and why.
func testReportRefused(t *testing.T, l ledger.Ledger) {
	_, _, err := l.ReportShipping(t.Context(), reporting("none", tea, 1))
	wantErr(t, err, ledger.ErrNotFound)
	_, _, err = l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, Shipping: tea, Now: at(1)})
	wantErr(t, err, ledger.ErrNotFound)
	charge(t, l, "1", "ch_1")
	refuse(t, l, reporting("1", tea, 1), ledger.RefuseNotPaid)
	created(t, l, "2", "ch_2", "wx_pub", 1)
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded)
	refuse(t, l, reporting("2", tea, 1), ledger.RefuseChannel)
	add(t, l, payment("evt_3", "ch_3", "3"), ledger.Recorded)
	refuse(t, l, reporting("3", tea, 1), ledger.RefuseChannel)
	charge(t, l, "4", "ch_4")
	wrong := payment("evt_4", "ch_4", "4")
	wrong.Payment.Amount = 1
	add(t, l, wrong, ledger.Recorded)
	refuse(t, l, reporting("4", tea, 1), ledger.RefuseHeld)
	must(t, decide(t, l, ledger.ActionRelease, "evt_4", 5))
	report(t, l, reporting("4", tea, 6), true)
	keeps(t, l, "5")
	add(t, l, refund("evt_r5", "ch_5", "5", 100), ledger.Recorded)
	refuse(t, l, reporting("5", tea, 1), ledger.RefuseRefunded)
	keeps(t, l, "6")
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_6", At: at(5), Reversed: true}))
	refuse(t, l, reporting("6", tea, 1), ledger.RefuseReversed)
	charge(t, l, "7", "ch_7")
	add(t, l, unreadable(payment("evt_7", "ch_7", "7")), ledger.Recorded)
	refuse(t, l, reporting("7", tea, 1), ledger.RefuseHeld)
	must(t, l.Created(t.Context(), func() *ledger.Charge {
		r, err := l.Reserve(t.Context(), reservation(test, "8", noon, at(30)))
		must(t, err)
		return &ledger.Charge{Scope: test, OrderNo: "8", Number: r.Number, ID: "ch_8", Channel: "wx_lite", Amount: 100, Currency: "cny", Created: noon}
	}()))
	e := paid(test, "evt_8", "ch_8", "8")
	e.OrderNo, e.Ships = "8", true
	add(t, l, e, ledger.Recorded)
	r := reporting("8", tea, 1)
	r.Scope = test
	refuse(t, l, r, ledger.RefuseTestMode)

	// Of an order that was paid twice, the one that counts, or the one that is named.
	keeps(t, l, "9")
	charge(t, l, "9", "ch_9b")
	add(t, l, shipping(payment("evt_9b", "ch_9b", "9")), ledger.Recorded)
	equal(t, "of an order", report(t, l, reporting("9", tea, 1), true).ChargeID, "ch_9")
	named := reporting("9", tea, 1)
	named.ChargeID = "ch_9b"
	refuse(t, l, named, ledger.RefuseHeld)
	must(t, decide(t, l, ledger.ActionRelease, "evt_9b", 5))
	equal(t, "of a charge", report(t, l, named, true).ChargeID, "ch_9b")
	named.OrderNo = "1"
	_, _, err = l.ReportShipping(t.Context(), named)
	wantErr(t, err, ledger.ErrNotFound)
	named.ChargeID, named.OrderNo = "ch_none", ""
	_, _, err = l.ReportShipping(t.Context(), named)
	wantErr(t, err, ledger.ErrNotFound)

	// What a person decides against after it was reported is not posted, unless the payment is delivered after all.
	keeps(t, l, "10")
	report(t, l, reporting("10", tea, 1), true)
	equal(t, "to post, the others first", len(claimShipments(t, l, "b", false, at(6), at(20))), 4)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_10", 7))
	equal(t, "held", len(claimShipments(t, l, "b", false, at(30), at(40))), 3)
	s := shipment(t, l, "ch_10")
	equal(t, "put off", []any{s.Stage, s.Due, s.Problem.Code}, []any{ledger.ReportOpen, at(30).Add(time.Hour), "held"})
	must(t, decide(t, l, ledger.ActionReplay, "evt_10", 50))
	equal(t, "released", len(claimShipments(t, l, "b", false, at(3630), at(3640))), 4)

	reserve(t, l, "11", noon, at(30))
	refuse(t, l, reporting("11", tea, 1), ledger.RefuseNotPaid)
	keeps(t, l, "12")
	r = reporting("", tea, 1)
	r.ChargeID = "ch_12"
	equal(t, "its order", report(t, l, r, true).OrderNo, "12")

	for i, odd := range []ledger.Shipping{{Type: "post", Items: "x", Complete: true}, {Type: ledger.ShipVirtual, Complete: true},
		{Type: ledger.ShipExpress, Items: "x", Complete: true}, {Type: ledger.ShipPickup, Items: "x"}} {
		if _, _, err := l.ReportShipping(t.Context(), reporting("9", odd, 1)); err == nil {
			t.Errorf("%d was reported", i)
		}
	}
}

// The steps of a report that meets everything: the payment is not known yet, an answer is lost, and in the end a person decides.
func testShippingSteps(t *testing.T, l ledger.Ledger) {
	keeps(t, l, "1")
	report(t, l, reporting("1", tea, 0), true)
	now := noon
	for _, wait := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute} {
		s := post(t, l, now, ledger.ShippingNotFound)
		equal(t, "due", s.Due, now.Add(wait))
		equal(t, "too early", len(claimShipments(t, l, "a", false, s.Due.Add(-time.Second), s.Due)), 0)
		now = s.Due
	}
	s := post(t, l, now, ledger.ShippingNotFound)
	equal(t, "waits for a person", []any{s.State, s.Stage, s.Problem.Code}, []any{ledger.ShipmentFailed, ledger.ReportFailed, "10060001"})
	equal(t, "nothing is due", len(claimShipments(t, l, "a", false, now.Add(time.Hour), now.Add(time.Hour+time.Minute))), 0)
	f, err := l.Figures(t.Context(), live)
	must(t, err)
	equal(t, "frozen", f.Frozen, int64(100))
	_, fresh, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "1", Shipping: tea, Now: now}) // it failed: so it may be tried again
	must(t, err)
	equal(t, "again", fresh, true)

	s = post(t, l, now, ledger.ShippingUnknown)
	equal(t, "the answer is lost", []any{s.Stage, s.Posted, s.Due}, []any{ledger.ReportOpen, &tea, now.Add(10 * time.Second)})
	_, lease := claimShipment(t, l, false, s.Due, ledger.ShippingAsk)
	_, err = l.PostShipping(t.Context(), lease, s.Due, s.Due.Add(time.Minute))
	wantErr(t, err, ledger.ErrState) // never blindly
	s = answered(t, l, lease, ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: ledger.ShippingTold, At: s.Due, OrderState: 1})
	equal(t, "not accepted", []any{s.Stage, s.Posted, s.Step()}, []any{ledger.ReportOpen, (*ledger.Shipping)(nil), ledger.ShippingPost})
	s = post(t, l, s.Due, ledger.ShippingAccepted)
	equal(t, "accepted", s.State, ledger.ShipmentReported)
	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "attempts", []any{len(as), as[5].Result, as[6].Step, as[6].Result, as[7].Result},
		[]any{8, ledger.ShippingUnknown, ledger.ShippingAsk, ledger.ShippingTold, ledger.ShippingAccepted})
	equal(t, "as the row has it", s.Attempts, 8)
}

// The money's way, as the daily round learns it; what is over is not asked for any more, and no money of it is frozen.
func testShippingDaily(t *testing.T, l ledger.Ledger) {
	keeps(t, l, "1")
	report(t, l, reporting("1", tea, 0), true)
	equal(t, "while it is open", len(claimShipments(t, l, "b", true, at(86400), at(86401))), 0)
	s := post(t, l, noon, ledger.ShippingAccepted)
	day := func(n int) time.Time { return noon.Add(time.Duration(n) * 24 * time.Hour) }
	equal(t, "asked daily", s.Due, day(1))
	equal(t, "not earlier", len(claimShipments(t, l, "a", true, day(1).Add(-time.Second), day(1))), 0)
	look(t, l, day(1), 2, 1)
	equal(t, "frozen", figures(t, l).Frozen, int64(100))
	equal(t, "confirmed", look(t, l, day(2), 3, 1).State, ledger.ShipmentConfirmed)
	equal(t, "still frozen", figures(t, l).FrozenShipments, int64(1))
	refuse(t, l, reporting("1", coffee, 0), ledger.RefuseOver)
	s = look(t, l, day(3), 4, 1)
	equal(t, "settled", []any{s.State, s.Due}, []any{ledger.ShipmentSettled, time.Time{}})
	equal(t, "not frozen", [2]int64{figures(t, l).Frozen, figures(t, l).FrozenShipments}, [2]int64{0, 0})
	equal(t, "over", len(claimShipments(t, l, "a", true, day(99), day(99).Add(time.Minute))), 0)
	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "what brought something", len(as), 3)
}

// Money that goes back is not frozen, however that is heard of.
func testShippingRefunded(t *testing.T, l ledger.Ledger) {
	for i, back := range []func(n string){
		func(n string) {
			add(t, l, shipping(refund("evt_r"+n, "ch_"+n, n, 60)), ledger.Recorded)
			equal(t, "in part", shipment(t, l, "ch_"+n).State, ledger.ShipmentWaiting)
			add(t, l, shipping(refund("evt_s"+n, "ch_"+n, n, 40)), ledger.Recorded)
		},
		func(n string) {
			must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_" + n, At: at(5), Reversed: true}))
		},
		func(n string) {
			e := event(live, "evt_b"+n)
			e.ChargeID, e.Change, e.Ships = "ch_"+n, &ledger.ChargeChange{Reversed: true}, true
			add(t, l, e, ledger.Recorded)
		},
		func(n string) { // of an event that does not say that it ships
			add(t, l, refund("evt_r"+n, "ch_"+n, n, 100), ledger.Recorded)
			equal(t, "nothing to post", len(claimShipments(t, l, "a", false, at(9), at(20))), 0)
		},
	} {
		n := fmt.Sprint(i)
		keeps(t, l, n)
		report(t, l, reporting(n, tea, 1), true)
		equal(t, "frozen", figures(t, l).FrozenShipments, int64(1))
		back(n)
		s := shipment(t, l, "ch_"+n)
		equal(t, "refunded", []any{s.State, s.Stage, s.Due}, []any{ledger.ShipmentRefunded, ledger.ReportFailed, time.Time{}})
		equal(t, "not frozen", figures(t, l).Frozen, int64(0))
		equal(t, "nothing to post", len(claimShipments(t, l, "a", false, at(99), at(100))), 0)
		refuse(t, l, reporting(n, tea, 50), map[bool]ledger.ShippingReason{true: ledger.RefuseReversed, false: ledger.RefuseRefunded}[i == 1 || i == 2])
	}
	add(t, l, shipping(refund("evt_none", "ch_none", "none", 60)), ledger.Recorded)

	keeps(t, l, "quiet") // reversed by an event that does not say that it ships
	report(t, l, reporting("quiet", tea, 1), true)
	e := event(live, "evt_quiet_back")
	e.ChargeID, e.Change = "ch_quiet", &ledger.ChargeChange{Reversed: true}
	add(t, l, e, ledger.Recorded)
	equal(t, "nothing to post", len(claimShipments(t, l, "a", false, at(99), at(100))), 0)
	equal(t, "when it was to be posted", shipment(t, l, "ch_quiet").State, ledger.ShipmentRefunded)

	keeps(t, l, "done") // what WeChat has stays reported; the money may go back after it was settled, too
	report(t, l, reporting("done", tea, 1), true)
	post(t, l, at(1), ledger.ShippingAccepted)
	look(t, l, at(2*86400), 4, 1)
	equal(t, "settled", shipment(t, l, "ch_done").State, ledger.ShipmentSettled)
	add(t, l, shipping(refund("evt_r_done", "ch_done", "done", 100)), ledger.Recorded)
	equal(t, "settled, then refunded", shipment(t, l, "ch_done").State, ledger.ShipmentRefunded)
	equal(t, "the same report", report(t, l, reporting("done", tea, 5), false).Stage, ledger.ReportDone)
	refuse(t, l, reporting("done", coffee, 5), ledger.RefuseRefunded)
}

package ledgertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A person reports again what failed, or something else; who it was, and why, is in the audit log and on the order's page.
func testReportAgain(t *testing.T, l ledger.Ledger) {
	keeps(t, l, "1")
	d := ledger.ShippingDecision{Scope: live, ChargeID: "ch_1", Now: at(50), By: "address 127.0.0.1", Said: "ops", Reason: "because"}
	again := func(want error) *ledger.Shipment {
		t.Helper()
		s, err := l.ReportAgain(t.Context(), d)
		wantErr(t, err, want)
		return s
	}
	again(ledger.ErrState) // nothing was reported
	report(t, l, reporting("1", tea, 1), true)
	s := post(t, l, at(1), ledger.ShippingFinal)
	equal(t, "failed", s.State, ledger.ShipmentFailed)
	s = again(nil)
	equal(t, "again", []any{s.State, s.Stage, s.Shipping, s.Due}, []any{ledger.ShipmentWaiting, ledger.ReportOpen, &tea, at(50)})
	post(t, l, at(50), ledger.ShippingAccepted)
	again(ledger.ErrState) // WeChat has it
	d.Shipping, d.Now = &coffee, at(60)
	equal(t, "a correction", again(nil).Shipping, &coffee)
	post(t, l, at(60), ledger.ShippingAccepted)
	d.Shipping = &parcel
	var refused *ledger.ShippingRefusal
	if _, err := l.ReportAgain(t.Context(), d); !errors.As(err, &refused) || refused.Reason != ledger.RefuseCorrected || refused.OrderNo != "1" {
		t.Fatalf("a third report: %v", err)
	}
	d.Shipping = &ledger.Shipping{Type: "odd"}
	if _, err := l.ReportAgain(t.Context(), d); err == nil {
		t.Fatal("an odd report")
	}
	d.ChargeID, d.Shipping = "ch_none", nil
	again(ledger.ErrNotFound)
	charge(t, l, "2", "ch_2")
	d.ChargeID = "ch_2"
	if _, err := l.ReportAgain(t.Context(), d); !errors.As(err, &refused) || refused.Reason != ledger.RefuseNotPaid || refused.OrderNo != "2" {
		t.Fatalf("of what is not paid: %v", err)
	}
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded) // whose site reports nothing
	again(ledger.ErrState)
	d.Shipping = &tea
	equal(t, "by a person alone", again(nil).Stage, ledger.ReportOpen)
	if err := decide(t, l, ledger.ActionReport, "evt_1", 5); err == nil {
		t.Fatal("decided about an event")
	}

	audit, err := l.ListAudit(t.Context(), ledger.AuditFilter{Scope: live, Actions: []ledger.Action{ledger.ActionReport}})
	must(t, err)
	equal(t, "decisions", len(audit.Rows), 3)
	equal(t, "the first", audit.Rows[2].Decision, ledger.Decision{Scope: live, EventID: "evt_1", Action: ledger.ActionReport, Now: at(50), By: "address 127.0.0.1", Said: "ops", Reason: "because"})
	equal(t, "its order", audit.Rows[2].OrderNo, "1")
	life, err := l.Order(t.Context(), live, "1")
	must(t, err)
	equal(t, "shipments on the page", len(life.Shipped), 1)
	equal(t, "the shipment", life.Shipped[0].Shipment, *shipment(t, l, "ch_1"))
	as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "its attempts", life.Shipped[0].Attempts, as)
	equal(t, "how many", len(as), 3)
	equal(t, "decisions on the page", len(life.Events[0].Decisions), 2)
}

// Payments without a shipment are found, a page at a time, and what WeChat has no report of is counted by when its time runs out.
func testFindUnshipped(t *testing.T, l ledger.Ledger) {
	const many = 5
	for i := range many {
		n := fmt.Sprint(i)
		created(t, l, n, "ch_"+n, "wx_lite", i*3600)
		e := payment("evt_"+n, "ch_"+n, n)
		e.Change.TimePaid, e.Payment.Time = at(i*3600), at(i*3600)
		add(t, l, e, ledger.Recorded)
	}
	created(t, l, "unpaid", "ch_unpaid", "wx_lite", 1)
	created(t, l, "web", "ch_web", "wx_pub", 1)
	add(t, l, payment("evt_web", "ch_web", "web"), ledger.Recorded)
	keeps(t, l, "known")
	f := ledger.ShippingSearch{Scope: live, Since: at(3600), Now: at(20000), Limit: 3}
	found, next, err := l.FindUnshipped(t.Context(), f)
	must(t, err)
	equal(t, "the first page", []any{found, next != ""}, []any{3, true})
	f.Cursor = next
	found, next, err = l.FindUnshipped(t.Context(), f)
	must(t, err)
	equal(t, "the rest", []any{found, next}, []any{1, ""})
	f.Cursor = ""
	found, next, err = l.FindUnshipped(t.Context(), f)
	must(t, err)
	equal(t, "once", []any{found, next}, []any{0, ""})
	noShipment(t, l, "ch_0") // before
	equal(t, "what was found", shipment(t, l, "ch_1").State, ledger.ShipmentWaiting)
	equal(t, "what was found is asked about", shipment(t, l, "ch_1").Due, at(20000))
	equal(t, "frozen", figures(t, l).Frozen, int64(500))
	found, _, err = l.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: test, Now: at(1)})
	must(t, err)
	equal(t, "elsewhere", found, 0)

	over := at(3600).Add(ledger.ShippingTerm) // of ch_1; that of "known" was an hour before
	due, err := l.ShippingDue(t.Context(), live, over, over.Add(2*time.Hour))
	must(t, err)
	equal(t, "due", due, &ledger.ShippingDue{Late: 2, LateFen: 200, Soon: 2, SoonFen: 200, Next: over.Add(time.Hour)})
	report(t, l, reporting("2", tea, 30000), true)
	post(t, l, at(30000), ledger.ShippingAccepted)
	report(t, l, reporting("3", tea, 30001), true)
	post(t, l, at(30001), ledger.ShippingFinal)
	due, err = l.ShippingDue(t.Context(), live, over, over.Add(2*time.Hour))
	must(t, err)
	equal(t, "due, reported", due, &ledger.ShippingDue{Late: 2, LateFen: 200, Soon: 1, SoonFen: 100, Next: over.Add(2 * time.Hour),
		Failed: 1, FailedFen: 100, FailedOrder: "3", Why: unknownPayment})
	as, err := l.ShippingAttempts(t.Context(), live, "ch_3")
	must(t, err)
	equal(t, "why, of the attempt", as[len(as)-1].Problem, unknownPayment)
	due, err = l.ShippingDue(t.Context(), test, over, over.Add(time.Hour))
	must(t, err)
	equal(t, "due elsewhere", due, &ledger.ShippingDue{})

	list := func(f ledger.ShipmentFilter) (ids []string) {
		t.Helper()
		f.Scope, f.Limit = live, 2
		for more := true; more; more = f.Cursor != "" {
			p, err := l.ListShipments(t.Context(), f)
			must(t, err)
			for _, s := range p.Rows {
				ids = append(ids, s.ChargeID)
			}
			f.Cursor = p.Next
		}
		return ids
	}
	equal(t, "all", list(ledger.ShipmentFilter{}), []string{"ch_4", "ch_3", "ch_2", "ch_1", "ch_known"})
	equal(t, "some states", list(ledger.ShipmentFilter{States: []ledger.ShipmentState{ledger.ShipmentFailed, ledger.ShipmentReported}}), []string{"ch_3", "ch_2"})
	equal(t, "a stage", list(ledger.ShipmentFilter{Stage: ledger.ReportDone}), []string{"ch_2"})
	equal(t, "a time", list(ledger.ShipmentFilter{Since: at(3600), Until: at(3 * 3600)}), []string{"ch_2", "ch_1"})
	_, err = l.ListShipments(t.Context(), ledger.ShipmentFilter{Scope: live, Cursor: "odd"})
	wantErr(t, err, ledger.ErrCursor)

	report(t, l, reporting("4", tea, 30002), true)
	post(t, l, at(30002), ledger.ShippingFinal)
	due, err = l.ShippingDue(t.Context(), live, at(30003), at(30004))
	must(t, err)
	equal(t, "failed at once", []any{due.Failed, due.FailedFen, due.FailedOrder, due.Soon}, []any{int64(2), int64(200), "4", int64(0)})
}

// Shipments that are over go with what else is old; a clock that was put back leaves none waiting.
func testShipmentsPruned(t *testing.T, l ledger.Ledger) {
	for _, n := range []string{"1", "2"} {
		keeps(t, l, n)
		report(t, l, reporting(n, tea, 0), true)
	}
	for range 2 {
		s, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Owner: "a", Now: noon, Until: at(30), Limit: 1})
		must(t, err)
		_, err = l.PostShipping(t.Context(), shipmentLease(s[0], "a"), noon, at(30))
		must(t, err)
		answered(t, l, shipmentLease(s[0], "a"), ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingAccepted, At: noon})
	}
	add(t, l, shipping(refund("evt_r1", "ch_1", "1", 100)), ledger.Recorded)
	n, err := l.Prune(t.Context(), at(1), 99)
	must(t, err)
	equal(t, "pruned, with the bodies of the payment that went back", n, 3)
	noShipment(t, l, "ch_1")
	equal(t, "what is frozen stays", shipment(t, l, "ch_2").State, ledger.ShipmentReported)
	equal(t, "attempts", func() int { as, _ := l.ShippingAttempts(t.Context(), live, "ch_1"); return len(as) }(), 0)

	back := noon.Add(-30 * 24 * time.Hour)
	_, err = l.Overdue(t.Context(), live, back)
	must(t, err)
	equal(t, "due by the clock as it is", shipment(t, l, "ch_2").Due, back.UTC())
	n, err = l.Overdue(t.Context(), live, back)
	must(t, err)
	equal(t, "once", n, 0)
}

package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
)

var shippedTea = ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}

// create makes a charge of 100 fen of which nobody has heard yet.
func create(t *testing.T, l *core.Ledger, order string, created time.Time) {
	t.Helper()
	_, err := l.Reserve(t.Context(), ledger.Reservation{Scope: live, OrderNo: order, Channel: ledger.ShippingChannel, Now: created, Until: created.Add(time.Minute), Number: func(int, int) string { return order }})
	must(t, err)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: order, Number: order, ID: "ch_" + order, Channel: ledger.ShippingChannel, Amount: 100, Currency: "cny", Created: created,
		TimeExpire: created.Add(2 * time.Hour)}))
}

// payFor records that it is paid; with ships its site reports shipping.
func payFor(t *testing.T, l *core.Ledger, order string, ships bool) {
	t.Helper()
	_, err := l.Append(t.Context(), &ledger.Event{Scope: live, ID: "evt_" + order, Type: "charge.succeeded", ObjectID: "ch_" + order, ChargeID: "ch_" + order, Number: order, OrderNo: order, Lane: order,
		State: ledger.Pending, Created: noon, Received: noon, Ships: ships, Change: &ledger.ChargeChange{Paid: true, TimePaid: noon}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: noon}})
	must(t, err)
}

// giveBack records a refund of it.
func giveBack(t *testing.T, l *core.Ledger, order string, fen int64) {
	t.Helper()
	_, err := l.Append(t.Context(), &ledger.Event{Scope: live, ID: "evt_r_" + order, Type: "refund.succeeded", ObjectID: "re_" + order, ChargeID: "ch_" + order, OrderNo: order, Lane: order, Rank: 1,
		State: ledger.Pending, Created: noon, Received: noon, Ships: true, Change: &ledger.ChargeChange{Refund: fen}})
	must(t, err)
}

// leaseOne is the lease of the one shipment that is due.
func leaseOne(t *testing.T, l *core.Ledger, now time.Time, daily bool) ledger.ShipmentLease {
	t.Helper()
	ps, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Daily: daily, Owner: "a", Now: now, Until: now.Add(30 * time.Second), Limit: 9})
	must(t, err)
	if len(ps) != 1 {
		t.Fatalf("%d shipments are due", len(ps))
	}
	return ledger.ShipmentLease{Scope: live, ChargeID: ps[0].ChargeID, Owner: "a", Epoch: ps[0].Epoch}
}

// TestReportFirst: a report that is to be the first leaves what was reported before as it is, whatever it says; a payment about which nothing was reported takes it.
func TestReportFirst(t *testing.T) {
	l := empty()
	create(t, l, "o", noon)
	payFor(t, l, "o", true) // it has a shipment, and no report
	coffee := ledger.Shipping{Type: ledger.ShipVirtual, Items: "coffee", Complete: true}
	for i, c := range []struct {
		report ledger.Shipping
		first  bool
		fresh  bool
		is     string
	}{{shippedTea, true, true, "tea"}, {coffee, true, false, "tea"}, {shippedTea, true, false, "tea"}, {coffee, false, true, "coffee"}} {
		p, fresh, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "o", Shipping: c.report, First: c.first, Now: at(i)})
		if err != nil || fresh != c.fresh || p.Shipping.Items != c.is {
			t.Errorf("report %d: %t, %+v, %v", i, fresh, p, err)
		}
	}
	var refused *ledger.ShippingRefusal
	create(t, l, "unpaid", noon)
	if _, fresh, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "unpaid", Shipping: shippedTea, First: true, Now: noon}); fresh || !errors.As(err, &refused) {
		t.Errorf("not paid: %t, %v", fresh, err)
	}
	if _, err := l.Shipment(t.Context(), live, "ch_unpaid"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("what was refused is there: %v", err)
	}
}

// TestAnsweredUnposted: what is said of a post that was never recorded as one is taken only where nothing can have come of it; to ask needs no post.
func TestAnsweredUnposted(t *testing.T) {
	for name, c := range map[string]struct {
		reported bool
		step     ledger.ShippingStep
		result   ledger.ShippingResult
		refused  bool
	}{
		"a post that was accepted":         {true, ledger.ShippingPost, ledger.ShippingAccepted, true},
		"a post whose answer was lost":     {true, ledger.ShippingPost, ledger.ShippingUnknown, true},
		"a post that nobody heard":         {true, ledger.ShippingPost, ledger.ShippingTransient, false},
		"a look-up before the post, lost":  {true, ledger.ShippingAsk, ledger.ShippingUnknown, false},
		"the daily round's answer is lost": {false, ledger.ShippingAsk, ledger.ShippingUnknown, false},
	} {
		l := empty()
		create(t, l, "o", noon)
		payFor(t, l, "o", true)
		now := at(0).Add(24 * time.Hour)
		if c.reported {
			_, _, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "o", Shipping: shippedTea, Now: at(1)})
			must(t, err)
			now = at(2)
		}
		p, err := l.ShippingAnswered(t.Context(), leaseOne(t, l, now, !c.reported), ledger.ShippingAnswer{Step: c.step, Result: c.result, At: now, Problem: ledger.ShippingProblem{Code: "x", Text: "x"}})
		if errors.Is(err, ledger.ErrState) != c.refused || !c.refused && (err != nil || p.Last != c.result || p.Posted != nil) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestBackUnmanaged: money that went back ends a shipment that WeChat waits for; of what is none of its business it changes nothing, and what is settled says so.
func TestBackUnmanaged(t *testing.T) {
	for name, c := range map[string]struct {
		result ledger.ShippingResult
		state  int
		fen    int64
		want   ledger.ShipmentState
		frozen int64
	}{
		"not managed, whole":    {ledger.ShippingUnmanaged, 0, 100, ledger.ShipmentUnmanaged, 0},
		"not managed, in part":  {ledger.ShippingUnmanaged, 0, 30, ledger.ShipmentUnmanaged, 0},
		"waiting, whole":        {ledger.ShippingTold, 1, 100, ledger.ShipmentRefunded, 0},
		"waiting, in part":      {ledger.ShippingTold, 1, 30, ledger.ShipmentWaiting, 70},
		"settled before, whole": {ledger.ShippingTold, 4, 100, ledger.ShipmentRefunded, 0},
	} {
		l := empty()
		create(t, l, "o", noon)
		payFor(t, l, "o", true)
		now := noon.Add(24 * time.Hour)
		_, err := l.ShippingAnswered(t.Context(), leaseOne(t, l, now, true), ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: c.result, OrderState: c.state, At: now})
		must(t, err)
		giveBack(t, l, "o", c.fen)
		p, err := l.Shipment(t.Context(), live, "ch_o")
		must(t, err)
		f, err := l.Figures(t.Context(), live)
		must(t, err)
		if p.State != c.want || p.Refunded != c.fen || f.Frozen != c.frozen {
			t.Errorf("%s: %s, %d fen are back, %d are frozen", name, p.State, p.Refunded, f.Frozen)
		}
	}
}

// TestFoundUnshipped: only payments are found, a page is as long as it may be, and where nobody is wanted the next page is named all the same.
func TestFoundUnshipped(t *testing.T) {
	l := empty()
	create(t, l, "paid", noon)
	payFor(t, l, "paid", false)
	create(t, l, "unpaid", at(9)) // newer: it is looked at first
	found, next, err := l.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: live, Now: at(10), Limit: 1})
	if err != nil || found != 1 || next != "" {
		t.Errorf("found %d, then %q: %v", found, next, err)
	}
	lines := several(700, func(i int) core.MoveLine { return chargeLine(live, fmt.Sprint("n", i), "") })
	many := empty()
	_, err = many.Import(t.Context(), bytes.NewReader(written("A", lines...)), noon, silent)
	must(t, err)
	found, next, err = many.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: live, Now: at(10)})
	if err != nil || found != 0 || next == "" {
		t.Errorf("of many that are not paid: found %d, then %q: %v", found, next, err)
	}
	if found, next, err = many.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: live, Now: at(10), Cursor: next}); err != nil || found != 0 || next != "" {
		t.Errorf("the rest of them: found %d, then %q: %v", found, next, err)
	}
}

// meanwhile is a store where something is done between what a call reads and what it writes.
type meanwhile struct {
	core.Store
	do func()
}

func (s meanwhile) WriteLax(ctx context.Context, f func(core.Tx) error) error {
	s.do()
	return s.Store.WriteLax(ctx, f)
}

// TestFoundMeanwhile: what happens to a payment between being found and getting a shipment counts.
func TestFoundMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(t *testing.T, l *core.Ledger)
		found int
		stage ledger.ReportStage
		none  bool
	}{
		"nothing":           {func(*testing.T, *core.Ledger) {}, 1, ledger.ReportNone, false},
		"it went back":      {func(t *testing.T, l *core.Ledger) { giveBack(t, l, "o", 100) }, 0, "", true},
		"it went back half": {func(t *testing.T, l *core.Ledger) { giveBack(t, l, "o", 50) }, 1, ledger.ReportNone, false},
		"it is reported": {func(t *testing.T, l *core.Ledger) {
			_, _, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "o", Shipping: shippedTea, Now: at(1)})
			must(t, err)
		}, 0, ledger.ReportOpen, false},
	} {
		l := empty()
		create(t, l, "o", noon)
		payFor(t, l, "o", false)
		found, _, err := core.New(meanwhile{l.Kept(), func() { c.do(t, l) }}, noon).FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: live, Now: at(2)})
		must(t, err)
		p, err := l.Shipment(t.Context(), live, "ch_o")
		if found != c.found || errors.Is(err, ledger.ErrNotFound) != c.none || err == nil && p.Stage != c.stage {
			t.Errorf("%s: found %d, %+v, %v", name, found, p, err)
		}
	}
}

// TestShipmentsAhead: what a clock that was put back has left far ahead is due now, is counted, and wakes whoever tells WeChat.
func TestShipmentsAhead(t *testing.T) {
	l := memory.Open(memory.NewRows(), noon)
	for _, order := range []string{"o", "p"} {
		create(t, l.Ledger, order, noon)
		payFor(t, l.Ledger, order, true)
		_, _, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: order, Shipping: shippedTea, Now: noon.Add(8 * time.Hour)})
		must(t, err)
	}
	woken, stop := l.Watch(ledger.ShipmentsTopic(live))
	defer stop()
	n, err := l.Overdue(t.Context(), live, at(60))
	if err != nil || n != 2 {
		t.Errorf("%d are made due, %v", n, err)
	}
	select {
	case <-woken:
	default:
		t.Error("nobody is woken")
	}
	ps, err := l.ClaimShipments(t.Context(), ledger.ShipmentClaim{Scope: live, Owner: "a", Now: at(60), Until: at(90), Limit: 9})
	if err != nil || len(ps) != 2 {
		t.Errorf("%d are due, %v", len(ps), err)
	}
}

// TestPruneShares: bodies, answers and shipments share what one call may delete, in this order.
func TestPruneShares(t *testing.T) {
	l := empty()
	lines := several(3, func(i int) core.MoveLine {
		e := eventLine(live, fmt.Sprint("evt_", i))
		e.Event.Event.Body = []byte("{}")
		e.Event.Event.HasBody = true
		return e
	})
	lines = append(lines, several(3, func(i int) core.MoveLine {
		c := chargeLine(live, fmt.Sprint("n", i), "")
		c.Charge.Shipment = &core.Shipment{Shipment: ledger.Shipment{Scope: live, State: ledger.ShipmentSettled, TimePaid: noon}}
		return c
	})...)
	_, err := l.Import(t.Context(), bytes.NewReader(written("A", lines...)), noon, silent)
	must(t, err)
	left := func() (n [3]int) {
		must(t, l.Rows(t.Context(), func(r core.Reader) error {
			es, err := r.OldBodies(0, 99)
			cs, err2 := r.OldAnswers(0, 99)
			ss, err3 := r.OldShipments(0, 99)
			n = [3]int{len(es), len(cs), len(ss)}
			return errors.Join(err, err2, err3)
		}))
		return n
	}
	for _, c := range []struct {
		limit, want int
		left        [3]int
	}{{2, 2, [3]int{1, 3, 3}}, {3, 3, [3]int{0, 1, 3}}, {2, 2, [3]int{0, 0, 2}}, {9, 2, [3]int{}}, {9, 0, [3]int{}}} {
		if n, err := l.Prune(t.Context(), at(3600*24), c.limit); err != nil || n != c.want || left() != c.left {
			t.Errorf("up to %d: %d are deleted, %v left, %v; want %d, %v", c.limit, n, left(), err, c.want, c.left)
		}
	}
}

// TestUnlistedShipping: where the attempt cannot be recorded, what it says of the shipping is not reported either: that can be said again, the outcome cannot.
func TestUnlistedShipping(t *testing.T) {
	for name, d := range map[string]ledger.Delivery{
		"a report": {Shipping: &shippedTea}, "none": {ShippingProblem: ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: "x"}},
	} {
		l := empty()
		create(t, l, "o", noon)
		payFor(t, l, "o", true)
		d.Scope, d.EventID, d.At, d.State = live, "evt_o", at(1), ledger.Delivered
		must(t, l.SettleUnlisted(t.Context(), "a", d))
		e, err := l.Event(t.Context(), live, "evt_o")
		must(t, err)
		p, err := l.Shipment(t.Context(), live, "ch_o")
		if err != nil || e.State != ledger.Delivered || p.Stage != ledger.ReportNone || p.Problem.Code != "" {
			t.Errorf("%s: %s, %+v, %v", name, e.State, p, err)
		}
	}
}

// TestLookedForKnown: that an attempt was looked for in vain says nothing once its charge is known.
func TestLookedForKnown(t *testing.T) {
	l := empty()
	create(t, l, "o", noon)
	was, err := l.Charge(t.Context(), live, "ch_o")
	must(t, err)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: "o", Next: at(9999)}))
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: "nobody's", Next: at(9999)}))
	if is, err := l.Charge(t.Context(), live, "ch_o"); err != nil || is.Queries != was.Queries || !is.NextQuery.Equal(was.NextQuery) {
		t.Errorf("%+v became %+v, %v", was, is, err)
	}
}

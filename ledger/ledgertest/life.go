package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Whatever name somebody has of a payment leads to its order.
func testFind(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_0")
	charge(t, l, "1", "ch_1")
	p := payment("evt_1", "ch_1", "1")
	p.Payment.TransactionNo = "4200001"
	add(t, l, p, ledger.Recorded)
	unseen := paid(live, "evt_2", "ch_2", "n2")
	unseen.OrderNo, unseen.Payment.TransactionNo = "2", "4200002"
	add(t, l, unseen, ledger.Recorded)
	makeRefund(t, l, "R1", 10, "re_1")
	add(t, l, refunded("evt_3", "re_2", "", 10), ledger.Recorded) // made elsewhere
	add(t, l, refunded("evt_5", "re_3", "", 10), ledger.Recorded)
	early := refunded("evt_6", "re_6", "", 10) // of a charge that we never saw
	early.ChargeID, early.OrderNo, early.Lane = "ch_6", "6", "6"
	add(t, l, early, ledger.Recorded)
	whole := event(live, "evt_4")
	whole.Type, whole.ObjectID, whole.OrderNo = "order.succeeded", "2011234", "3"
	add(t, l, whole, ledger.Recorded)
	unpaid := event(live, "evt_7") // about a charge, and no payment
	unpaid.Type, unpaid.ObjectID, unpaid.ChargeID, unpaid.OrderNo = "charge.succeeded", "ch_0", "ch_0", "1"
	add(t, l, unpaid, ledger.Recorded)
	release(t, l, reserve(t, l, "4", noon, at(30)).Number, ledger.Unsent, &ledger.Quote{Amount: 1, Currency: "cny", At: noon})

	for name, want := range map[string][]ledger.Found{
		"1":       {{Kind: ledger.KindOrder, ID: "1", OrderNo: "1"}},
		"1-1-0":   {{Kind: ledger.KindNumber, ID: "ch_1", OrderNo: "1"}},
		"ch_0":    {{Kind: ledger.KindCharge, ID: "ch_0", OrderNo: "1"}},
		"ch_1":    {{Kind: ledger.KindCharge, ID: "ch_1", OrderNo: "1"}},
		"4200001": {{Kind: ledger.KindTransaction, ID: "ch_1", OrderNo: "1"}},
		"evt_1":   {{Kind: ledger.KindEvent, ID: "evt_1", OrderNo: "1"}},
		"R1":      {{Kind: ledger.KindRefundNo, ID: "R1", OrderNo: "1"}},
		"re_1":    {{Kind: ledger.KindRefund, ID: "re_1", OrderNo: "1"}},
		"re_2":    {{Kind: ledger.KindRefund, ID: "re_2", OrderNo: "1"}},
		"2":       {{Kind: ledger.KindOrder, ID: "2", OrderNo: "2"}},
		"n2":      {{Kind: ledger.KindNumber, ID: "ch_2", OrderNo: "2"}},
		"ch_2":    {{Kind: ledger.KindCharge, ID: "ch_2", OrderNo: "2"}},
		"4200002": {{Kind: ledger.KindTransaction, ID: "ch_2", OrderNo: "2"}},
		"2011234": {{Kind: ledger.KindObject, ID: "evt_4", OrderNo: "3"}},
		"ch_6":    {{Kind: ledger.KindCharge, ID: "ch_6", OrderNo: "6"}},
		"6":       {{Kind: ledger.KindOrder, ID: "6", OrderNo: "6"}},
		"3":       {{Kind: ledger.KindOrder, ID: "3", OrderNo: "3"}},
		"4":       {{Kind: ledger.KindOrder, ID: "4", OrderNo: "4"}},
		"5":       nil,
		"":        nil,
		"'":       nil,
	} {
		found, err := l.Find(t.Context(), live, name)
		must(t, err)
		equal(t, "found by "+name, found, want)
		found, err = l.Find(t.Context(), test, name)
		must(t, err)
		equal(t, "found in the other mode by "+name, len(found), 0)
	}
	equal(t, "the charge's", getCharge(t, l, "ch_1").TransactionNo, "4200001")
	charge(t, l, "ch_1", "ch_x") // a name may be of two things
	found, err := l.Find(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "found twice", found, []ledger.Found{{Kind: ledger.KindOrder, ID: "ch_1", OrderNo: "ch_1"}, {Kind: ledger.KindCharge, ID: "ch_1", OrderNo: "1"}})
}

// A charge that was taken for another's keeps its transaction's number when it turns out to be ours.
func testFindAdopted(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	e := paid(live, "evt_1", "ch_1", "odd")
	e.OrderNo, e.Payment.TransactionNo = "1", "4200001"
	add(t, l, e, ledger.Recorded)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: "1", Number: r.Number, ID: "ch_1", Amount: 100, Currency: "cny", Created: noon}))
	found, err := l.Find(t.Context(), live, "4200001")
	must(t, err)
	equal(t, "found", found, []ledger.Found{{Kind: ledger.KindTransaction, ID: "ch_1", OrderNo: "1"}})
}

// An order's page has all that is known of it.
func testLife(t *testing.T, l ledger.Ledger) {
	_, err := l.Order(t.Context(), live, "1")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = l.Order(t.Context(), live, "")
	wantErr(t, err, ledger.ErrNotFound)

	charge(t, l, "1", "ch_0")
	charge(t, l, "1", "ch_1")
	charge(t, l, "2", "ch_2")
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "success", At: at(3)}))
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	add(t, l, payment("evt_other", "ch_2", "2"), ledger.Recorded)
	claim(t, l, "a", noon, at(2), 9)
	failed := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(1), Took: 7 * time.Millisecond, Status: 302, Error: "your backend answered 302 to /login",
		Snippet: "<a href=/login>", State: ledger.Dead}
	must(t, l.Settle(t.Context(), "a", failed))
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 5))
	claim(t, l, "b", at(5), at(7), 9)
	good := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 2, At: at(6), Took: time.Millisecond, Status: 200, Snippet: "success", State: ledger.Delivered}
	must(t, l.Settle(t.Context(), "b", good))
	makeRefund(t, l, "R1", 30, "re_1")
	r := refunded("evt_2", "re_1", "R1", 30)
	add(t, l, r, ledger.Recorded)

	life, err := l.Order(t.Context(), live, "1")
	must(t, err)
	equal(t, "order number", life.OrderNo, "1")
	equal(t, "quote", life.Quote, &ledger.Quote{Amount: 100, Currency: "cny", At: noon})
	attempts := attempts(t, l, "1")
	for i := range attempts {
		attempts[i].Raw = nil
	}
	equal(t, "charges", life.Charges, attempts)
	equal(t, "what the client saw", life.Charges[1].Client.Result, "success")
	refunds, err := l.RefundsOf(t.Context(), live, "1")
	must(t, err)
	equal(t, "refunds", life.Refunds, refunds)
	equal(t, "events", len(life.Events), 2)
	e := getEvent(t, l, live, "evt_1")
	e.Body, e.Signature = nil, ""
	equal(t, "the payment", life.Events[0].Event, *e)
	equal(t, "its deliveries", life.Events[0].Deliveries, []ledger.Delivery{failed, good})
	equal(t, "decisions", len(life.Events[0].Decisions), 1)
	equal(t, "the decision", life.Events[0].Decisions[0].Decision,
		ledger.Decision{Scope: live, EventID: "evt_1", Action: ledger.ActionReplay, Now: at(5), By: "ops", Reason: "because"})
	equal(t, "the refund", life.Events[1].Event.ID, "evt_2")
	equal(t, "its deliveries", len(life.Events[1].Deliveries), 0)

	_, err = l.Order(t.Context(), test, "1")
	wantErr(t, err, ledger.ErrNotFound)
	release(t, l, reserve(t, l, "3", noon, at(30)).Number, ledger.Unsent, &ledger.Quote{Closed: true, At: noon})
	life, err = l.Order(t.Context(), live, "3")
	must(t, err)
	equal(t, "a quote alone", life, &ledger.Life{OrderNo: "3", Quote: &ledger.Quote{Closed: true, At: noon}})
}

// Of what an event was tried a thousand times, the page has the last ones.
func testLongLife(t *testing.T, l ledger.Ledger) {
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	const many = 205
	for i := range many {
		claim(t, l, "a", at(i), at(i+1), 1)
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: i + 1, At: at(i), State: ledger.Pending, Due: at(i + 1)}))
	}
	life, err := l.Order(t.Context(), live, "1")
	must(t, err)
	ds := life.Events[0].Deliveries
	equal(t, "deliveries", fmt.Sprint(len(ds), ds[0].Attempt, ds[len(ds)-1].Attempt), fmt.Sprint(200, many-199, many))
}

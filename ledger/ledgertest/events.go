package ledgertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func testEventFields(t *testing.T, l ledger.Ledger) {
	want := ledger.Event{Scope: live, ID: "evt_1", Type: "refund.succeeded", ObjectID: "re_1", ChargeID: "ch_1", Number: "n1x",
		OrderNo: "n1", Lane: "n1", Rank: 2, Source: ledger.Webhook, Created: at(-5), Received: noon, Host: "shop.example.com",
		Signature: "c2ln", TraceParent: "00-ab-cd-01", Body: []byte("{\"id\" : \"evt_1\"}\n\x00"), State: ledger.Held,
		Reasons: []string{"amount", "paid, twice"}, Late: "expired"}
	add(t, l, &want, ledger.Recorded)
	equal(t, "held event", *getEvent(t, l, live, "evt_1"), want)

	want.ID, want.State, want.Reasons, want.ObjectID, want.Due = "evt_2", ledger.Pending, nil, "re_2", at(3)
	add(t, l, &want, ledger.Recorded)
	equal(t, "pending event", *getEvent(t, l, live, "evt_2"), want)
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: "a", Now: at(3), Until: at(5), Limit: 9})
	must(t, err)
	equal(t, "claimed events", es, []ledger.Event{want})

	_, err = l.Event(t.Context(), live, "evt_3")
	wantErr(t, err, ledger.ErrNotFound)
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "deliveries of a new event", len(ds), 0)
}

func testDuplicate(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	first := event(live, "evt_1")
	first.ChargeID, first.Change = "ch_1", &ledger.ChargeChange{Refund: 10}
	add(t, l, first, ledger.Recorded)
	second := paid(live, "evt_1", "ch_1", "1")
	second.Body, second.Change.Refund = []byte("other"), 10
	add(t, l, second, ledger.Duplicate)
	equal(t, "body", string(getEvent(t, l, live, "evt_1").Body), string(first.Body))
	c := getCharge(t, l, "ch_1")
	if c.Paid || c.AmountRefunded != 10 {
		t.Fatalf("a duplicate changed the charge: %s", show(c))
	}
	add(t, l, paid(live, "evt_2", "ch_1", "1"), ledger.Recorded) // the duplicate claimed no effect
}

func testEffectOnce(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	refund := func(id string) *ledger.Event {
		e := event(live, id)
		e.Type, e.ObjectID, e.ChargeID, e.Change = "refund.succeeded", "re_1", "ch_1", &ledger.ChargeChange{Refund: 30}
		return e
	}
	add(t, l, paid(live, "evt_1", "ch_1", "1"), ledger.Recorded)
	add(t, l, paid(live, "evt_q_1", "ch_1", "1"), ledger.SameEffect)
	add(t, l, refund("evt_2"), ledger.Recorded)
	add(t, l, refund("evt_q_2"), ledger.SameEffect)
	add(t, l, refund("evt_q_2"), ledger.Duplicate)
	equal(t, "refunded", getCharge(t, l, "ch_1").AmountRefunded, 30)

	e := getEvent(t, l, live, "evt_q_1")
	equal(t, "state", e.State, ledger.Filtered)
	equal(t, "reasons", e.Reasons, []string{ledger.ReasonEffectSeen})
	equal(t, "to deliver", claim(t, l, "a", at(9), at(19), 9), []string{"evt_1"}) // the refund waits for its payment

	failed := refund("evt_3")
	failed.Type, failed.Change = "refund.failed", nil
	add(t, l, failed, ledger.Recorded) // of one object, another type is another effect
}

// An event whose sender does not know the merchant's order number gets it, the lane and the host from our record of the charge.
func testOrderFromCharge(t *testing.T, l ledger.Ledger) {
	c := charge(t, l, "1", "ch_1")
	e := paid(live, "evt_1", "ch_1", "1x7")
	e.OrderNo, e.Lane, e.Host = "1x7", "1x7", "webhooks.example.com"
	add(t, l, e, ledger.Recorded)
	for what, e := range map[string]*ledger.Event{"as filled in": e, "as recorded": getEvent(t, l, live, "evt_1")} {
		equal(t, "order number "+what, e.OrderNo, "1")
		equal(t, "lane "+what, e.Lane, "1")
		equal(t, "host "+what, e.Host, c.Host)
		equal(t, "number "+what, e.Number, "1x7")
	}

	again := paid(live, "evt_q_1", "ch_1", "1x7")
	again.OrderNo, again.Lane = "1x7", "1x7"
	add(t, l, again, ledger.SameEffect)
	equal(t, "order number of the same effect", getEvent(t, l, live, "evt_q_1").OrderNo, "1")

	unknown := paid(live, "evt_2", "ch_2", "2")
	unknown.OrderNo, unknown.Lane, unknown.Host = "2", "2", "webhooks.example.com"
	add(t, l, unknown, ledger.Recorded)
	equal(t, "host without a charge of ours", getEvent(t, l, live, "evt_2").Host, "webhooks.example.com")
}

func testEffectOfUndelivered(t *testing.T, l ledger.Ledger) {
	for i, state := range []ledger.State{ledger.Held, ledger.Filtered} {
		first, second := event(live, fmt.Sprint("evt_1", i)), event(live, fmt.Sprint("evt_2", i))
		for _, e := range []*ledger.Event{first, second} {
			e.Type, e.ObjectID, e.ChargeID = "refund.succeeded", fmt.Sprint("re_", i), "ch_1"
		}
		first.State, first.Reasons = state, []string{"amount"}
		add(t, l, first, ledger.Recorded)
		add(t, l, second, ledger.SameEffect)
		equal(t, "reasons of the first", getEvent(t, l, live, first.ID).Reasons, []string{"amount"})
	}
	equal(t, "to deliver", claim(t, l, "a", at(9), at(19), 9), nil)
}

func testChangeByID(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, paid(live, "evt_1", "ch_1", ""), ledger.Recorded)
	c := getCharge(t, l, "ch_1")
	if !c.Paid || !c.TimePaid.Equal(noon) || c.State != ledger.Open {
		t.Fatalf("after its payment: %s", show(c))
	}
	add(t, l, paid(live, "evt_2", "ch_foreign", "foreign"), ledger.Recorded) // of a charge that we never saw
	e := event(live, "evt_3")
	e.ChargeID, e.Change = "ch_1", &ledger.ChargeChange{Reversed: true}
	add(t, l, e, ledger.Recorded)
	if c := getCharge(t, l, "ch_1"); !c.Reversed {
		t.Fatalf("not reversed: %s", show(c))
	}
}

func testChangeByNumber(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	add(t, l, paid(live, "evt_1", "ch_1", r.Number), ledger.Recorded)
	c := getCharge(t, l, "ch_1")
	if !c.Paid || c.Number != r.Number || c.State != ledger.Reserving || c.Amount != 100 || c.Currency != "cny" {
		t.Fatalf("after the payment: %s", show(c))
	}
	charge(t, l, "2", "ch_2")
	add(t, l, paid(live, "evt_2", "ch_x", "2"), ledger.Recorded) // a number whose charge is known to be another
	if c := getCharge(t, l, "ch_2"); c.Paid {
		t.Fatal("another charge's payment was taken for this one's")
	}
}

func testChangeStays(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, paid(live, "evt_1", "ch_1", ""), ledger.Recorded)
	for i := range 2 {
		e := event(live, fmt.Sprint("evt_r", i))
		e.Type, e.ObjectID, e.ChargeID = "refund.succeeded", fmt.Sprint("re_", i), "ch_1"
		e.Change = &ledger.ChargeChange{Refund: 40, TimePaid: at(99)}
		add(t, l, e, ledger.Recorded)
	}
	c := getCharge(t, l, "ch_1")
	if !c.Paid || !c.TimePaid.Equal(noon) || c.AmountRefunded != 80 {
		t.Fatalf("after two refunds: %s", show(c))
	}
}

func testAppendRefuses(t *testing.T, l ledger.Ledger) {
	for name, spoil := range map[string]func(*ledger.Event){
		"no id":     func(e *ledger.Event) { e.ID = "" },
		"no app":    func(e *ledger.Event) { e.App = "" },
		"no mode":   func(e *ledger.Event) { e.Mode = "" },
		"bad mode":  func(e *ledger.Event) { e.Mode = "prod" },
		"no state":  func(e *ledger.Event) { e.State = "" },
		"delivered": func(e *ledger.Event) { e.State = ledger.Delivered },
	} {
		e := event(live, "evt_1")
		spoil(e)
		if did, err := l.Append(t.Context(), e); err == nil {
			t.Errorf("%s: %s, want an error", name, did)
		}
	}
	_, err := l.Event(t.Context(), live, "evt_1")
	wantErr(t, err, ledger.ErrNotFound)
}

func testAppendConcurrent(t *testing.T, l ledger.Ledger) { appendConcurrently(t, l, l) }

func testSharedAppend(t *testing.T, a, b ledger.Ledger) { appendConcurrently(t, a, b) }

// appendConcurrently lets 64 callers append events of their own, one event that is the same for all, and one effect under
// ids of their own.
func appendConcurrently(t *testing.T, ledgers ...ledger.Ledger) {
	charge(t, ledgers[0], "1", "ch_1")
	var same, effects atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		l := ledgers[i%len(ledgers)]
		wg.Go(func() {
			for n := range 4 {
				if did, err := l.Append(t.Context(), event(live, fmt.Sprintf("evt_%d_%d", i, n))); err != nil || did != ledger.Recorded {
					t.Errorf("own event: %s, %v", did, err)
				}
			}
			switch did, err := l.Append(t.Context(), event(live, "evt_same")); {
			case err != nil:
				t.Error(err)
			case did == ledger.Recorded:
				same.Add(1)
			case did != ledger.Duplicate:
				t.Errorf("same event: %s", did)
			}
			e := event(live, fmt.Sprint("evt_effect", i))
			e.Type, e.ObjectID, e.ChargeID, e.Change = "refund.succeeded", "re_1", "ch_1", &ledger.ChargeChange{Refund: 5}
			switch did, err := l.Append(t.Context(), e); {
			case err != nil:
				t.Error(err)
			case did == ledger.Recorded:
				effects.Add(1)
			case did != ledger.SameEffect:
				t.Errorf("same effect: %s", did)
			}
		})
	}
	wg.Wait()
	equal(t, "recorded of the same event", same.Load(), 1)
	equal(t, "recorded of the same effect", effects.Load(), 1)
	equal(t, "refunded", getCharge(t, ledgers[0], "ch_1").AmountRefunded, 5)
	for _, l := range ledgers {
		due, err := l.NextDue(t.Context(), live)
		must(t, err)
		equal(t, "pending", due.Pending, 64*4+2)
	}
}

func testAppendCanceled(t *testing.T, l ledger.Ledger) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Append(ctx, event(live, "evt_1"))
	wantErr(t, err, context.Canceled)
	_, err = l.Event(t.Context(), live, "evt_1")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = l.Event(ctx, live, "evt_1")
	wantErr(t, err, context.Canceled)

	// Canceled at some instant of its life: an error means that it is not there, success that it is.
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			id := fmt.Sprint("evt_c", i)
			go cancel()
			_, err := l.Append(ctx, event(live, id))
			_, missing := l.Event(t.Context(), live, id)
			if (err == nil) != (missing == nil) {
				t.Errorf("append: %v; afterwards: %v", err, missing)
			}
		})
	}
	wg.Wait()
}

func testScopes(t *testing.T, l ledger.Ledger) {
	for _, s := range []ledger.Scope{live, test, other} {
		add(t, l, paid(s, "evt_1", "ch_1", "1"), ledger.Recorded)
		add(t, l, paid(s, "evt_1", "ch_1", "1"), ledger.Duplicate)
		r, err := l.Reserve(t.Context(), reservation(s, "1", noon, at(30)))
		must(t, err)
		equal(t, "number", r.Number, "1")
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: s, OrderNo: "1", Number: "1", ID: "ch_1", Host: s.Key()}))
	}
	refund := event(test, "evt_2")
	refund.ChargeID, refund.Change = "ch_1", &ledger.ChargeChange{Refund: 1}
	add(t, l, refund, ledger.Recorded)
	for s, refunded := range map[ledger.Scope]int64{live: 0, test: 1, other: 0} {
		c, err := l.Charge(t.Context(), s, "ch_1")
		must(t, err)
		equal(t, "scope", c.Scope, s)
		equal(t, "host", c.Host, s.Key())
		equal(t, "refunded in "+s.Key(), c.AmountRefunded, refunded)
	}
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: "a", Now: noon, Until: at(9), Limit: 9})
	must(t, err)
	equal(t, "claimed in live", len(es), 1)
	equal(t, "scope of the claimed", es[0].Scope, live)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, State: ledger.Delivered, At: noon}))
	equal(t, "state in test", getEvent(t, l, test, "evt_1").State, ledger.Pending)
	ds, err := l.Deliveries(t.Context(), test, "evt_1")
	must(t, err)
	equal(t, "deliveries in test", len(ds), 0)
}

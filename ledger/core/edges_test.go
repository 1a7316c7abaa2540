package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestJudgeEdges: what looks like a payment and is none, and payments that have the one or the other of what makes them count.
func TestJudgeEdges(t *testing.T) {
	other := with2(payment(), func(e *ledger.Event) { e.Type = "charge.x" })
	b := newBooks(other)
	b.open(Books{Charges: []Charge{with(open(), func(c *Charge) { c.Amount = 1 })}}, question(other), other)
	b.judge(other)
	if other.State != ledger.Pending || b.counts {
		t.Errorf("another type of event is %s, and counts: %t", other.State, b.counts)
	}
	if newBooks(with2(payment(), func(e *ledger.Event) { e.ChargeID, e.ObjectID = "", "" })).counts {
		t.Error("a payment of no charge counts")
	}
	// An event may say that its charge is paid without saying how much.
	e := event(*with2(payment(), func(e *ledger.Event) { e.Type, e.Payment = "charge.x", nil }))
	if got := (&books{}).factOf(e); !got.change.Paid || got.paid != (ledger.Payment{}) {
		t.Errorf("an event without an amount says %+v", got)
	}
	b = &books{counts: true, hold: Dismissed}
	if !b.overtakes(payment()) || b.hold != Dismissed {
		t.Error("a payment that can be read ends the hold of a person's decision")
	}
	held := event(*with2(payment(), func(e *ledger.Event) { e.State, e.Due = ledger.Held, at(9) }))
	if held.schedule(false); !held.Due.IsZero() {
		t.Error("what is held is due")
	}
}

// TestBooksEdges: a charge is found whatever else is recorded beside it, in whatever order.
func TestBooksEdges(t *testing.T) {
	unanswered := with(open(), func(c *Charge) { c.Seq, c.State, c.ID = 2, ledger.Reserving, "" })
	e := payment()
	b := newBooks(e)
	b.open(Books{Charges: []Charge{open(), unanswered}}, question(e), e)
	if b.charge == nil || b.charge.Seq != 1 || len(b.others) != 1 {
		t.Errorf("the one that has the number takes the place of the one that has the id: %+v, %d others", b.charge, len(b.others))
	}
	if !ptr(with(unanswered, func(c *Charge) { c.Number = "o-2" })).fits(with2(payment(), func(e *ledger.Event) { e.Number = "o-2" })) {
		t.Error("an event of the attempt's number and order is not about it")
	}
	// What names no order has no rivals, though other charges name none either.
	e = with2(payment(), func(e *ledger.Event) { e.OrderNo, e.Number = "", "" })
	b = newBooks(e)
	b.open(Books{Charges: []Charge{with(open(), func(c *Charge) { c.ID, c.OrderNo, c.Number, c.State = "ch_2", "", "", ledger.Foreign })}}, question(e), e)
	equal(t, "rivals", len(b.others), 0)
}

// TestAnswerOfWhatIsOver: an answer begins no look-up of what events have ended, and takes nothing back.
func TestAnswerOfWhatIsOver(t *testing.T) {
	answer := ledger.Charge{ID: "ch_1", Created: noon, NextQuery: at(30)}
	reversed := with(open(), func(c *Charge) { c.State, c.Reversed, c.NextQuery = ledger.Reserving, true, never })
	if reversed.answer(&answer, nil); !reversed.NextQuery.IsZero() || !reversed.Reversed {
		t.Errorf("a charge that was reversed is looked up at %s", reversed.NextQuery)
	}
	paid := with(open(), func(c *Charge) { c.State, c.Paid, c.Superseded = ledger.Reserving, true, true })
	if paid.answer(&answer, nil); !paid.Superseded {
		t.Error("an answer makes a superseded attempt one that is not")
	}
}

// TestQueriedEdges: only of a superseded attempt an early time means that it was moved forward.
func TestQueriedEdges(t *testing.T) {
	c := with(open(), func(c *Charge) { c.NextQuery, c.QueryUntil = at(-60), at(-90) })
	if c.queried(ledger.Queried{Next: at(300), Lease: at(-90)}); !c.NextQuery.Equal(at(300)) {
		t.Errorf("looked up again at %s", c.NextQuery)
	}
	// What is not to be looked up any more is not, though the client has seen something.
	c = with(open(), func(c *Charge) { c.NextQuery, c.Client.At = never, at(1) })
	if c.Due(ledger.QueryClaim{Kind: ledger.QueryTold, Now: at(30)}, Span{noon, at(120)}) {
		t.Error("due, without a time")
	}
}

// TestLeaseEdges: a lease that ends as far ahead as one may is one.
func TestLeaseEdges(t *testing.T) {
	e := &Event{Owner: "a", Until: at(120)}
	if e.hurry(noon, Span{noon, at(120)}); !e.Until.Equal(at(120)) {
		t.Error("a lease ends that is as long as may be")
	}
	s := Sweep{Compared: noon}
	if from, _ := s.claim(ledger.SweepClaim{Owner: "a", Now: noon, To: at(60), Until: at(60)}, spanAt(noon), at(-60)); !from.Equal(noon) {
		t.Errorf("what was compared up to now is compared again, from %s", from)
	}
}

// TestAheadEdges: a time that may be is not ahead.
func TestAheadEdges(t *testing.T) {
	a := aheadOf(noon)
	if a.event(&Event{Event: ledger.Event{Due: at(90), Tries: 1}}, at(60)) {
		t.Error("an event whose last try may have begun by now is ahead")
	}
	for name, c := range map[string]struct{ created, next time.Time }{
		"created as late as may be": {at(60), at(90)}, "looked up as late as may be": {noon, noon.Add(longestQuery)},
	} {
		if a.charge(&Charge{Charge: ledger.Charge{Created: c.created, NextQuery: c.next}}) {
			t.Errorf("a charge %s is ahead", name)
		}
		if a.refund(&Refund{Refund: ledger.Refund{Created: c.created, NextQuery: c.next}}) {
			t.Errorf("a refund %s is ahead", name)
		}
		if a.refund(&Refund{Refund: ledger.Refund{Created: noon, Asked: c.created, NextQuery: c.next}}) {
			t.Errorf("a refund asked %s is ahead", name)
		}
	}
}

// TestStepsApart: a step that comes when leases by the one before are over begins anew.
func TestStepsApart(t *testing.T) {
	s := newSteps(noon)
	s.other(at(100), time.Second, time.Second)                                                           // 99 s forward
	s.other(noon.Add(ledger.LongestLease+301*time.Second), ledger.LongestLease+time.Second, time.Second) // and 201 s more, a lease's longest length later
	if s.by != 201*time.Second {
		t.Errorf("the clock is taken to be %s ahead of the one before", s.by)
	}
	s = newSteps(noon)
	s.other(at(140), 40*time.Second, time.Second) // 100 s forward
	s.other(at(270), 70*time.Second, time.Second) // and 100 s more, half a minute later
	if s.by != 200*time.Second {
		t.Errorf("after two steps the clock is taken to be %s ahead of the one before", s.by)
	}
}

// TestFailuresAreKept: why a refund failed reaches whoever asks for it, in whatever way it was heard of.
func TestFailuresAreKept(t *testing.T) {
	e := event(*with2(refund(30), func(e *ledger.Event) {
		e.Refund.State, e.Refund.FailureCode, e.Refund.FailureMsg = ledger.RefundFailed, "code", "words"
	}))
	there := elsewhere(nil, e, false)
	if there.FailureCode != "code" || there.FailureMsg != "words" {
		t.Errorf("a refund that was made elsewhere failed with %q, %q", there.FailureCode, there.FailureMsg)
	}
	mine := ours()
	if mine.adopt(there); mine.FailureCode != "code" || mine.FailureMsg != "words" || mine.State != ledger.RefundFailed {
		t.Errorf("a refund that was told of before its answer failed with %q, %q, and is %s", mine.FailureCode, mine.FailureMsg, mine.State)
	}
	if re := byNumber([]Refund{with(ours(), func(r *Refund) { r.RefundNo = "R2" }), ours()}, "R1"); re == nil || re.RefundNo != "R1" {
		t.Errorf("R1 is found as %+v", re)
	}
}

// TestRefundOfNoID: without an id of Ping++'s, an event is about the refund that has its number, and none else.
func TestRefundOfNoID(t *testing.T) {
	e := with2(refund(30), func(e *ledger.Event) { e.Refund.ID, e.Refund.RefundNo = "", "R1" })
	for name, re := range map[string]Refund{
		"another amount": with(ours(), func(r *Refund) { r.Amount = 31 }), "another number": with(ours(), func(r *Refund) { r.RefundNo = "R2" }),
	} {
		if refundOf([]Refund{re}, e) != nil {
			t.Errorf("of %s: found", name)
		}
	}
}

// TestCheckEvent: what an event has to say.
func TestCheckEvent(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ledger.Event)
		ok     bool
	}{
		"a payment":                              {func(*ledger.Event) {}, true},
		"a payment without what was paid":        {func(e *ledger.Event) { e.Payment = nil }, false},
		"not paid, and so without what was paid": {func(e *ledger.Event) { e.Payment, e.Change.Paid = nil, false }, true},
		"another type that says paid":            {func(e *ledger.Event) { e.Payment, e.Type = nil, "charge.x" }, true},
		"without an id":                          {func(e *ledger.Event) { e.ID = "" }, false},
		"without an app":                         {func(e *ledger.Event) { e.Scope.App = "" }, false},
		"delivered already":                      {func(e *ledger.Event) { e.State = ledger.Delivered }, false},
	} {
		if err := checkEvent(with2(payment(), c.change)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

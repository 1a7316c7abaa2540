package core

import (
	"cmp"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// same says whether a request that names a recorded refund means that one. Of one that was not asked for through this ledger it is not known
// how that was worded.
func (re *Refund) same(r ledger.RefundReservation) bool {
	learned := re.Asks == 0
	amount := re.Amount == r.Amount || r.Amount == 0 && (re.Whole || learned)
	return amount && re.ChargeID == r.ChargeID && (learned || re.Description == r.Description && re.FundingSource == r.FundingSource)
}

// busy says whether somebody else works on the refund.
func (re *Refund) busy(owner string, leases Span) bool {
	return re.Owner != "" && re.Owner != owner && leases.InUse(re.Until)
}

// anotherBusy says whether another refund of the charge, one whose outcome is not known, is being asked for right now.
func anotherBusy(of []Refund, refundNo string, leases Span) bool {
	for i := range of {
		if r := &of[i]; r.RefundNo != refundNo && r.State == ledger.RefundAsked && leases.InUse(r.Until) {
			return true
		}
	}
	return false
}

// left is what can still be given back of a charge: without what went back as events say, and what is on its way or asked for. A refund is in the one
// sum or in the other.
func left(paid int64, c *Charge, of []Refund) int64 {
	if c != nil {
		paid -= c.AmountRefunded
	}
	for i := range of {
		if r := &of[i]; r.State != ledger.RefundFailed && !r.Counted {
			paid -= r.Amount
		}
	}
	return paid
}

// asked is the refund that a reservation begins, if so much is left.
func asked(r ledger.RefundReservation, left int64) (*Refund, error) {
	re := &Refund{
		Refund: ledger.Refund{
			Scope: r.Scope, RefundNo: r.RefundNo, ChargeID: r.ChargeID, OrderNo: r.OrderNo, Amount: r.Amount, Description: r.Description,
			FundingSource: r.FundingSource, State: ledger.RefundAsked, Created: Kept(r.Now), Asked: Kept(r.Now), Asks: 1,
		},
	}
	if re.Amount == 0 {
		re.Amount, re.Whole = left, true
	}
	if left <= 0 || re.Amount > left {
		return nil, ledger.ErrRefundExceeds
	}
	re.lease(r.Owner, r.Until)
	return re, nil
}

// lease gives the refund to an owner. Its next look-up moves behind the lease: if its owner dies, somebody else asks then.
func (re *Refund) lease(owner string, until time.Time) {
	re.Owner, re.Until, re.NextQuery = owner, Kept(until), Kept(until)
}

// end ends the lease of a refund that is to be looked up next.
func (re *Refund) end(next time.Time) {
	re.Owner, re.Until, re.NextQuery = "", time.Time{}, next
	if re.Final() {
		re.NextQuery = time.Time{}
	}
}

// heldBy says that its outcome is not known, and that an owner has it.
func (re *Refund) heldBy(owner string) bool {
	return re != nil && re.Owner != "" && re.Owner == owner && re.State == ledger.RefundAsked
}

// ask says that Ping++ is about to be asked for it again.
func (re *Refund) ask(a ledger.RefundAsk) {
	re.lease(re.Owner, a.Until)
	re.Asked, re.Through, re.Asks, re.Unclear = a.Now, a.Through, a.Asks, ""
}

// made gives the refund the id that Ping++ gave it.
func (re *Refund) made(id string, next time.Time) {
	re.ID, re.Unclear = id, ""
	if re.State == ledger.RefundAsked {
		re.State = ledger.RefundPending
	}
	re.end(next)
}

// tell adds what an event says; counted says that the charge's sum has it with that event. What has succeeded stays so. What has failed may turn out
// to have succeeded.
func (re *Refund) tell(c ledger.RefundChange, counted bool) {
	re.ID, re.Counted, re.Unclear = cmp.Or(re.ID, c.ID), re.Counted || counted, ""
	if re.State != ledger.RefundSucceeded {
		re.FailureCode, re.FailureMsg, re.TimeSucceeded, re.State = c.FailureCode, c.FailureMsg, c.TimeSucceeded, c.State
	}
	re.end(time.Time{})
}

// adopt gives what events said of a refund that was taken for one made elsewhere to the refund that turns out to be it.
func (re *Refund) adopt(o *Refund) {
	re.tell(ledger.RefundChange{FailureCode: o.FailureCode, FailureMsg: o.FailureMsg, TimeSucceeded: o.TimeSucceeded, State: o.State}, o.Counted)
}

// refundOf finds the refund that an event is about: by its id, or by the merchant's number while nobody has told us the id.
func refundOf(known []Refund, e *ledger.Event) *Refund {
	c := e.Refund
	for i := range known {
		if re := &known[i]; c.ID != "" && re.ID == c.ID {
			return re
		}
	}
	for i := range known {
		if re := &known[i]; c.RefundNo != "" && re.RefundNo == c.RefundNo && re.ID == "" && re.ChargeID == e.ChargeID && re.Amount == c.Amount {
			return re
		}
	}
	return nil
}

// elsewhere is a refund that nobody asked for through this ledger, as its event shows it. One that carries a number was asked for through us, by a
// ledger of which this one is an earlier copy. The number is used, unless it is another's.
func elsewhere(known []Refund, e *Event, counted bool) *Refund {
	c := e.Refund
	re := &Refund{
		Refund: ledger.Refund{Scope: e.Scope, ChargeID: e.ChargeID, OrderNo: e.OrderNo, Amount: c.Amount, State: c.State, ID: c.ID,
			FailureCode: c.FailureCode, FailureMsg: c.FailureMsg, Created: e.Created, TimeSucceeded: c.TimeSucceeded},
		Counted: counted,
	}
	if byNumber(known, c.RefundNo) == nil {
		re.RefundNo = c.RefundNo
	}
	return re
}

// byNumber and byID find a refund among those read.
func byNumber(known []Refund, refundNo string) *Refund {
	for i := range known {
		if known[i].RefundNo == refundNo {
			return &known[i]
		}
	}
	return nil
}

func byID(known []Refund, id string) *Refund {
	for i := range known {
		if known[i].ID == id {
			return &known[i]
		}
	}
	return nil
}

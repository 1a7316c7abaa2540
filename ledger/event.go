package ledger

import (
	"slices"
	"time"
)

// State is where an event's delivery stands.
type State string

// The states of an event. Pending is the only one from which events are delivered.
const (
	Pending   State = "pending"   // to be delivered
	Delivered State = "delivered" // the backend has acknowledged it
	Dead      State = "dead"      // the last attempt failed; waits for a person
	Held      State = "held"      // a money check failed, or it cannot be read; waits for a person
	Discarded State = "discarded" // a person decided against it, or its money went back before the backend could hear of it
	Filtered  State = "filtered"  // recorded only: its type is not wanted, it names no app, or its effect came in another event
)

// Source says how we learned of an event.
type Source string

// The two sources.
const (
	Webhook Source = "webhook" // Ping++ sent it, signed
	Query   Source = "query"   // we asked
)

// Appended is what Append did.
type Appended string

// The outcomes of Append; none of them is an error.
const (
	Recorded   Appended = "recorded"
	Duplicate  Appended = "duplicate"   // this event id was recorded before
	SameEffect Appended = "same_effect" // recorded, but another event had the effect first
)

// Reasons that the ledger itself gives for Held, Filtered and Discarded.
const (
	ReasonAmount     = "amount"       // held: another amount than our charge's
	ReasonCurrency   = "currency"     // held: another currency than our charge's
	ReasonSuperseded = "superseded"   // held: a superseded attempt was paid, at another price than the last quote
	ReasonPaidTwice  = "paid_twice"   // held: another charge had paid the order before
	ReasonUnreadable = "unreadable"   // held: an event about money that cannot be read; it has no effect until a person releases it
	ReasonReversed   = "reversed"     // held: Ping++ says paid and reversed. Discarded: reversed before the backend could hear of it
	ReasonRefunded   = "refunded"     // discarded: refunded whole before the backend could hear of it
	ReasonUnpaid     = "payment_held" // filtered: a refund of a payment that is held, discarded or dead, so that the backend never heard of it
	ReasonEffectSeen = "effect_seen"  // another event had the same effect first
	ReasonType       = "type"         // events { types } leaves it out
	ReasonNoApp      = "no_app"       // it names no app, so that nobody can tell whose it is
)

// Event is one event as recorded.
type Event struct {
	Scope
	ID          string // Ping++'s event id; evt_q_… when we learned it by query
	Type        string // charge.succeeded, …
	ObjectID    string // data.object.id
	ChargeID    string // the charge it is about, if any
	Number      string // the Ping++ order number of that charge, as the event gives it; for a refund of an unseen charge empty
	OrderNo     string // the merchant's order number; empty for events about no order
	Lane        string // events of one lane are delivered in order; empty never waits
	Rank        int    // place in the payment's life within the lane: payment before refund
	Source      Source
	Created     time.Time // when Ping++ made it; this and every time is kept within Calendar
	Received    time.Time // when we got it
	Host        string    // the public host that the backend's own request should carry
	Signature   string    // X-Pingplusplus-Signature as received; empty when queried
	TraceParent string    // W3C traceparent of the request that brought it
	Body        []byte    // the exact bytes; nil once pruned, and Signature with it
	State       State
	Reasons     []string // why it is held, filtered or discarded by itself
	Late        string   // "expired" or "closed": paid after the fact

	// Change is what the event says about its charge; written with it. Nil for events about no charge. Not read back.
	Change *ChargeChange
	// Payment is what a charge.succeeded says was paid: Append compares it with our charge. Nil for all others. Not read back.
	Payment *Payment
	// Refund is what a refund's event says about it; written with it. Nil for all others. Not read back.
	Refund *RefundChange
	// Returned says of a payment that its charge was reversed on purpose: the money is back, so that it is Discarded instead of Held. Not read back.
	Returned bool
	// Ships says that shipping is reported for its site's payments: Append keeps a shipment for a live payment by [ShippingChannel] through this ledger, and
	// ends it when the charge is refunded whole or reversed. Not read back.
	Ships bool
	// Deliver makes a payment that Append has a reason to hold pending all the same, with the reasons named. Not read back.
	Deliver bool
	// Lease, if its Owner is set, asks Append for a lease in the same write: see there. Append makes it the one that was given, or empty. Not read back.
	Lease Lease

	// Money is what came with it, in fen: of a payment what was paid, of a refund what went back, less than 0. 0: neither, or another event had the
	// effect, or nobody can read how much.
	Money    int64
	Acks     int       // how often the backend has acknowledged it: more than once after replays
	Seq      int64     // order of arrival in the ledger
	Replay   bool      // a person asked for it to be delivered again
	Attempts int       // delivery attempts that have finished and counted, over its whole life; one under way is not among them
	Tries    int       // those since it last became pending: the retry schedule goes by them, and a replay begins at 0
	Due      time.Time // when the next attempt may start; zero for a new pending event means Received
	Back     time.Time // what the last delivery's Back says; Resume leaves it
	Settled  time.Time // when it left Pending
}

// Effect is the key under which an event counts once: (object, type) for what moves money, the event id for the rest, and for what
// cannot be read.
func (e *Event) Effect() string {
	if e.ObjectID == "" || slices.Contains(e.Reasons, ReasonUnreadable) {
		return e.ID
	}
	switch e.Type {
	case "charge.succeeded", "order.succeeded", "refund.succeeded", "refund.failed":
		return e.ObjectID + " " + e.Type
	}
	return e.ID
}

// AtRisk says that the event is of money that was paid and that the backend has not acknowledged, though it may still have to.
func (e *Event) AtRisk() bool {
	return e.Money > 0 && e.Acks == 0 && (e.State == Pending || e.State == Held || e.State == Dead)
}

// Lease is somebody's right to deliver an event.
type Lease struct {
	Owner string    // as in [Claim]
	Until time.Time // when it ends unless renewed
}

// Claim asks for a lease on pending events.
type Claim struct {
	Scope Scope
	Owner string    // names who asks; unique among all processes and claims, so that no lease is taken for an earlier one of the same process
	Now   time.Time // events due by now
	Until time.Time // when the lease ends unless renewed
	Limit int
}

// Due says what the queue of a scope waits for.
type Due struct {
	At      time.Time // zero: nothing is pending
	Pending int64     // events in state Pending
}

// Payment is what was paid.
type Payment struct {
	Amount        int64 // fen
	Currency      string
	Time          time.Time
	TransactionNo string // the channel's number; empty: not told
}

// Filter chooses events of a scope to list; its other fields choose all when they are zero.
type Filter struct {
	Scope   Scope
	States  []State
	OrderNo string
	Type    string
	Reason  string // among its Reasons
	Source  Source
	AtRisk  bool      // only those that are [Event.AtRisk]
	Since   time.Time // received at or after
	Until   time.Time // received before
	Before  int64     // Seq below: the next page of Events
	Cursor  string    // Next of the page before, of ListEvents
	Limit   int       // default 50, at most 1000
}

// Action is what a person decides about an event.
type Action string

// The actions.
const (
	ActionReplay  Action = "replay"  // deliver again, from any state but held; a pending one at once
	ActionRelease Action = "release" // deliver a held one, with its reasons named
	ActionDiscard Action = "discard" // never deliver a held, pending or dead one
	ActionPause   Action = "pause"   // deliver nothing of the scope; of no event
	ActionUnpause Action = "unpause" // go on delivering; of no event
	ActionReport  Action = "report"  // tell WeChat what was shipped for a payment: see ReportAgain, which alone decides it
)

// Decision is an action on an event, or on its scope. It is written to the audit log.
type Decision struct {
	Scope   Scope
	EventID string // empty: on the scope
	Action  Action
	Now     time.Time
	By      string // where it came from, as the server knows it; never what the request claims
	Said    string // who the request says decided; a claim, and may be empty
	Reason  string // in the person's words; may be empty
	From    State  // the state that it was decided for; ErrState when the event's is another by then. Empty: whatever it is
	Run     string // the run that it is part of, which decides about an event once: ErrDecided for the second time. Empty: none
}

// Delivery is one attempt to deliver an event.
type Delivery struct {
	Scope
	EventID string
	Attempt int // 1 is the first
	At      time.Time
	Took    time.Duration
	Status  int    // the backend's HTTP status; 0 when there was no answer
	Error   string // why it does not count as delivered, in words for the operator
	Snippet string // the start of the backend's answer

	// Uncounted says that the backend could not be reached at all, so that the attempt does not count: the event's clock stands
	// still. Only with Pending.
	Uncounted bool

	State State     // what the event becomes: Delivered, Dead, or Pending for another attempt
	Due   time.Time // with Pending: when
	Back  time.Time // when instead, if the backend is back by then (see Resume); zero: the event does not wait for the backend. Read back as the event's

	// Shipping, of a payment that is delivered, is reported to WeChat in the same write, as by ReportShipping, if nothing was reported about it before and it
	// can be: nothing of it keeps the delivery from being recorded. With a ShippingProblem there is a report that is none, recorded as failed. Nil, and
	// no problem: nothing is reported. Not read back.
	Shipping        *Shipping
	ShippingProblem ShippingProblem
}

package core

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Store is what an engine brings. Its errors say that it could not do its work; that there is no such row is none.
type Store interface {
	// Read runs a function that reads what is committed.
	Read(ctx context.Context, f func(Reader) error) error
	// Write runs a function in a transaction, and returns once that is on disk. When the function fails, or panics, nothing of it stays. It may
	// be run more than once, each time with nothing of the run before.
	Write(ctx context.Context, f func(Tx) error) error
	// WriteLax is Write for what may be lost in a power failure, since it would only be done again: it returns once that is committed.
	WriteLax(ctx context.Context, f func(Tx) error) error
}

// Reader reads rows. A row that is not there is nil; lists are in the order of recording unless it is said.
type Reader interface {
	// Event returns an event with its body and signature.
	Event(s ledger.Scope, id string) (*Event, error)
	Deliveries(s ledger.Scope, id string) ([]ledger.Delivery, error)
	// NextDue returns when the first pending event that is neither blocked nor leased is due, when the first lease of one that is not blocked ends, and
	// how many are pending. While the scope is paused both times are zero.
	NextDue(s ledger.Scope) (free, leased time.Time, pending int64, err error)
	// EventsAhead returns those wanted among the pending events that are not blocked and due after a time, up to a limit; Seq, Due and Tries are filled
	// in. The last delivery of an event, when that began, need be told only of one with Tries.
	EventsAhead(s ledger.Scope, after time.Time, limit int, want func(e *Event, last time.Time) bool) ([]Event, error)

	// Charges come with their Raw.
	Charge(s ledger.Scope, id string) (*Charge, error)
	Attempts(s ledger.Scope, orderNo string) ([]Charge, error)
	// Payable returns a payer's open charges that are neither paid nor reversed and that lapse after now.
	Payable(s ledger.Scope, payer string, now time.Time) ([]Charge, error)
	// ChargesCreated returns open charges created in [from, to) whose id is greater than after, in the order of their ids.
	ChargesCreated(s ledger.Scope, from, to time.Time, after string, limit int) ([]Charge, error)
	// ChargesAhead and RefundsAhead return those wanted among the ones whose NextQuery is after a time, up to a limit, without Raw.
	ChargesAhead(s ledger.Scope, after time.Time, limit int, want func(*Charge) bool) ([]Charge, error)
	RefundsAhead(s ledger.Scope, after time.Time, limit int, want func(*Refund) bool) ([]Refund, error)

	// Refunds returns the refund with an id and the one with a number; empty ones match nothing.
	Refunds(s ledger.Scope, id, refundNo string) ([]Refund, error)
	RefundsOf(s ledger.Scope, orderNo string) ([]Refund, error)
	RefundsOfCharge(s ledger.Scope, chargeID string) ([]Refund, error)

	// Shipment and ShippingAttempts are of the charge with a Seq; of the attempts the last ones, up to a limit, oldest first.
	Shipment(s ledger.Scope, charge int64) (*Shipment, error)
	ShippingAttempts(s ledger.Scope, charge int64, limit int) ([]ledger.ShippingAttempt, error)
	// ShipmentsOf returns those of an order's charges, in the order of these.
	ShipmentsOf(s ledger.Scope, orderNo string) ([]Shipment, error)
	// ShipmentsAhead returns those wanted among the ones that are due after a time, up to a limit.
	ShipmentsAhead(s ledger.Scope, after time.Time, limit int, want func(*Shipment) bool) ([]Shipment, error)

	Run(id string) (*Run, error)
	// OpenRuns returns those that have not ended, oldest first.
	OpenRuns() ([]Run, error)
	// Runs lists them newest first; RunDecided counts the decisions of one.
	Runs(before int64, limit int) ([]Run, error)
	RunDecided(id string) (int, error)

	// Login returns the identity saved under a key that expires after now.
	Login(key []byte, now int64) ([]byte, error)

	Desk
	Old
	Whole
}

// Desk reads what operators ask for.
type Desk interface {
	// AtOnce runs a function whose reads all see the same moment.
	AtOnce(read func() error) error

	// These return lists in parts, newest first, events by Seq and the others by (Created or Now, Seq), that hold all that the filter's indexed fields
	// choose: of events Scope, States, OrderNo, Type and AtRisk, of charges Scope, OrderNo and their states, of refunds Scope, OrderNo and ChargeID, of
	// decisions Scope and EventID. The rest of the filter is theirs to use, and what they leave of it the caller's. Events come without bodies, charges without
	// Raw.
	EventParts(f ledger.Filter) ([]Part[ledger.Event], error)
	ChargeParts(f ledger.ChargeFilter, states []ledger.AttemptState) ([]Part[Charge], error)
	RefundParts(f ledger.RefundFilter) ([]Part[Refund], error)
	AuditParts(f ledger.AuditFilter) ([]Part[ledger.Decided], error)
	// ShipmentParts do the same by (TimePaid, the charge's Seq): Scope and States are what chooses.
	ShipmentParts(f ledger.ShipmentFilter) ([]Part[Shipment], error)
	// Unshipped counts the shipments in a state that were paid after a time and not after another, up to ledger.MostDue, and says when the first of them was
	// paid.
	Unshipped(s ledger.Scope, state ledger.ShipmentState, after, until time.Time) (payments, fen int64, first time.Time, err error)

	// OrderAttempts and LastAttempts return the first and the last attempts of an order, up to a limit, oldest first, without Raw.
	OrderAttempts(s ledger.Scope, orderNo string, limit int) ([]Charge, error)
	LastAttempts(s ledger.Scope, orderNo string, limit int) ([]Charge, error)
	// LastDeliveries returns the last attempts to deliver an event, up to a limit, oldest first.
	LastDeliveries(e *ledger.Event, limit int) ([]ledger.Delivery, error)
	Quote(s ledger.Scope, orderNo string) (*ledger.Quote, error)

	// Find returns what has a name, by every index there is of names.
	Find(s ledger.Scope, name string) ([]ledger.Found, error)
	// Figures returns all but NextAttempt.
	Figures(s ledger.Scope) (*ledger.Figures, error)
	// Hours returns the tallies of the hours that begin in [from, to).
	Hours(s ledger.Scope, from, to time.Time) ([]ledger.Hour, error)
}

// Old finds, in the order of recording, what may be pruned: events that have a body, charges that have an answer, and shipments (in the order of their
// charges), of all scopes, after a Seq. Of events Seq, State, Received and Settled are filled in; charges come without Raw.
type Old interface {
	OldBodies(after int64, limit int) ([]Event, error)
	OldAnswers(after int64, limit int) ([]Charge, error)
	OldShipments(after int64, limit int) ([]Shipment, error)
}

// Thing is what can be locked.
type Thing string

// What is locked: all that happens to an order and its lane (by its number), to a charge and its refunds (by its id), to an event (by its id), to a
// scope's sweep or pause, to a run (by its id, which is of no scope), or to prune, which is of no scope either: one process at a time does that.
const (
	AnOrder Thing = "order"
	ACharge Thing = "charge"
	AnEvent Thing = "event"
	ASweep  Thing = "sweep"
	ARun    Thing = "run"
	APause  Thing = "pause"
	APrune  Thing = "prune"
)

// Tx reads and writes rows in a transaction. An engine that has many transactions at a time locks what it is told to, and the rows that it returns;
// of two that wait for each other it ends one, and runs that function again.
type Tx interface {
	// Lock keeps other transactions from what is named until this one ends. An engine that writes one at a time has nothing to do.
	Lock(s ledger.Scope, what Thing, name string) error
	// Touch signals a topic once the transaction is committed.
	Touch(topic ledger.Topic)

	// Opened is when the engine was opened.
	Opened() Opening

	// Books reads what is known about a question, Charges without Raw.
	Books(s ledger.Scope, q Question) (Books, error)

	// AddEvent records an event, with its body, and fills in Seq, unless the scope has its id, or another event that Claims what it does.
	AddEvent(e *Event) (added bool, err error)
	// Event and EventAt return an event without its body and signature.
	Event(s ledger.Scope, id string) (*Event, error)
	EventAt(s ledger.Scope, seq int64) (*Event, error)
	// SetEvent writes ByCharge, State, Reasons, Replay, Money, Acks, Attempts, Tries, Due, Back, Settled, Blocked, Owner and Until of a row that was read.
	SetEvent(e *Event) error
	// SetBlocked writes that alone.
	SetBlocked(seq int64, blocked bool) error
	// Sent says whether a delivery of an event is recorded, and whether one was acknowledged.
	Sent(e *Event) (sent, heard bool, err error)
	// EffectSeen says whether an event Claims (objectID, type).
	EffectSeen(s ledger.Scope, objectID, kind string) (bool, error)
	// Unreadable returns the events of an object and type that are [Event.Unreadable].
	Unreadable(s ledger.Scope, objectID, kind string) ([]Event, error)
	// Withheld returns the events of a charge that are [Event.Withheld].
	Withheld(s ledger.Scope, chargeID string) ([]Event, error)
	// PendingRefunds returns the pending events of a lane whose charge is the one named and that are [Event.OfRefund].
	PendingRefunds(s ledger.Scope, lane, chargeID string) ([]Event, error)

	// Claim leases events that are on disk and [Event.Claimable], the first due first; none while the scope is paused.
	Claim(c ledger.Claim, leases Span) ([]ledger.Event, error)
	// Leases returns what an owner has leased.
	Leases(s ledger.Scope, owner string) ([]Lease, error)
	// SetLease writes when the lease of an event ends.
	SetLease(l Lease) error
	// Settle writes an outcome, and ends the lease, if the event is pending and leased by the owner; else it returns nil. A delivered one has an ack more.
	// It locks the event's lane, as an order, before it looks for who waits there. It also records AtOnce, unless a delivery of the event is recorded: an
	// engine may keep it in the event's row, and has it in every list of deliveries all the same, or leave it to AddDelivery.
	Settle(s ledger.Scope, id, owner string, o Outcome) (*Settled, error)
	AddDelivery(seq int64, d *ledger.Delivery) error
	// Waiting returns events that are [Event.Waits], up to a limit.
	Waiting(s ledger.Scope, limit int) ([]Event, error)
	// AddAudit records a decision about an event, as that was before; nil: about the scope.
	AddAudit(e *Event, d *ledger.Decision) error

	// Tally counts n more of something in the hour of a time.
	Tally(s ledger.Scope, at time.Time, what string, n int64)
	// SetTalliedSince writes, once, what TalliedSince returns.
	SetTalliedSince(s ledger.Scope, hour time.Time) error
	// Pause returns since when nothing is delivered; nil: it is. SetPause writes that.
	Pause(s ledger.Scope) (*ledger.Pause, error)
	SetPause(s ledger.Scope, p *ledger.Pause) error

	// Forsaken returns the attempts that are reserved and whose reservations are not in use.
	Forsaken(s ledger.Scope, leases Span) ([]Charge, error)
	// AddCharge records an attempt that is reserved or foreign, without what none of them has (TimeExpire, Superseded, AmountRefunded, Client, Queries
	// and times of them, Fingerprint, Raw), and fills in Seq, unless another one of the scope that is not foreign has its number.
	AddCharge(c *Charge) (added bool, err error)
	// Charge and Numbered return an attempt without its Raw; Numbered none that is foreign.
	Charge(s ledger.Scope, id string) (*Charge, error)
	Numbered(s ledger.Scope, number string) (*Charge, error)
	// SetCharge writes what happens to a charge: all but what SetAttempt writes.
	SetCharge(c *Charge) error
	// SetAttempt also writes what is known once Ping++ has answered: State, ReservedUntil, ID, Channel, Payer, PayerAppID, Host, Created, TimeExpire
	// and Fingerprint.
	SetAttempt(c *Charge) error
	DropCharge(c *Charge) error
	// SetAnswer writes Raw; nil deletes it.
	SetAnswer(c *Charge) error
	SetQuote(s ledger.Scope, orderNo string, q ledger.Quote) error
	// DueQueries returns attempts that are [Charge.Due]: of [ledger.QueryFirst] the last due first, else the first due.
	DueQueries(c ledger.QueryClaim, leases Span) ([]Charge, error)

	// Refunds and RefundsOfCharge are those of Reader.
	Refunds(s ledger.Scope, id, refundNo string) ([]Refund, error)
	RefundsOfCharge(s ledger.Scope, chargeID string) ([]Refund, error)
	AddRefund(r *Refund) error
	// SetRefund writes all that may change: not RefundNo, ChargeID, OrderNo, Amount, Whole, Description, FundingSource, Created.
	SetRefund(r *Refund) error
	DropRefund(r *Refund) error
	// DueRefunds returns refunds that are [Refund.Due], the first due first.
	DueRefunds(c ledger.QueryClaim, leases Span) ([]Refund, error)

	// Shipment is that of Reader.
	Shipment(s ledger.Scope, charge int64) (*Shipment, error)
	// AddShipment and SetShipment write a row, of what was reported its Content; of one that is recorded Amount and TimePaid stay. DropShipment deletes it with its attempts.
	AddShipment(s *Shipment) error
	SetShipment(s *Shipment) error
	DropShipment(s *Shipment) error
	// DueShipments returns shipments that are [Shipment.ShipmentDue], the first due first.
	DueShipments(c ledger.ShipmentClaim, leases Span) ([]Shipment, error)
	AddShippingAttempt(charge int64, a *ledger.ShippingAttempt) error
	// SetShippingAttempt writes what becomes of the attempt with a number: all but when it began, its Step and what was posted.
	SetShippingAttempt(charge int64, a *ledger.ShippingAttempt) error

	Sweep(s ledger.Scope) (Sweep, error)
	SetSweep(s ledger.Scope, sweep Sweep) error
	// FirstCharge returns when the first open charge of a scope was created; zero for none.
	FirstCharge(s ledger.Scope) (time.Time, error)

	// Run and OpenRuns are those of Reader.
	Run(id string) (*Run, error)
	OpenRuns() ([]Run, error)
	// AddRun records a run, without a lease, and fills in Seq, unless there is one with its id.
	AddRun(r *Run) (added bool, err error)
	// SetRun writes Ended, Stopped, StoppedBy, Doc, Owner and Until.
	SetRun(r *Run) error
	// Decided says whether a decision about an event is recorded that is part of a run.
	Decided(seq int64, run string) (bool, error)

	// SaveLogin records a login, in place of one with its key. It also deletes logins that have expired by then, the first ones, up to a limit.
	SaveLogin(l ledger.Login, drop int) error

	Old
	DropBody(e *Event) error
}

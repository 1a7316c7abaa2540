package ledger

import (
	"context"
	"time"
)

// Desk is what operators ask of the ledger. How long an answer takes does not depend on how much is recorded.
type Desk interface {
	// ListEvents, ListCharges, ListRefunds, ListOrders and ListAudit return a page of what a filter chooses, newest first: events and decisions in the
	// order of their recording, the others by Created. What is added while somebody turns the pages is never skipped or shown twice further on.
	// ErrCursor for a cursor that is none of the list's.
	ListEvents(ctx context.Context, f Filter) (Page[Event], error) // without bodies
	ListCharges(ctx context.Context, f ChargeFilter) (Page[Charge], error)
	ListRefunds(ctx context.Context, f RefundFilter) (Page[Refund], error)
	// ListOrders has each order in the place of its first attempt.
	ListOrders(ctx context.Context, f OrderFilter) (Page[Order], error)
	ListAudit(ctx context.Context, f AuditFilter) (Page[Decided], error)

	// Find says what goes by a name in the scope, whatever kind of name that is; nothing is no error.
	Find(ctx context.Context, s Scope, name string) ([]Found, error)
	// Order returns all that is known of an order, as it was at one moment, or ErrNotFound.
	Order(ctx context.Context, s Scope, orderNo string) (*Life, error)

	// Figures are read from what every write keeps up to date, and Verify compares.
	Figures(ctx context.Context, s Scope) (*Figures, error)
	// Hours returns what happened in each hour of [from, to) in which something did, oldest first.
	Hours(ctx context.Context, s Scope, from, to time.Time) ([]Hour, error)
}

// Page is a part of a list.
type Page[T any] struct {
	Rows []T
	// Next is the cursor of the rest; empty: this is the end. A page looks through so many rows only, so that one which few of them fit may come
	// with less than was asked for, or with nothing, and there is more nevertheless.
	Next string
}

// ChargeFilter chooses attempts of a scope; its other fields choose all when they are zero.
type ChargeFilter struct {
	Scope    Scope
	OrderNo  string
	Statuses []Status
	Channel  string
	Since    time.Time // created at or after
	Until    time.Time // created before
	Now      time.Time // by which some are expired; required with Statuses
	Cursor   string    // Next of the page before
	Limit    int       // default 50, at most 1000
}

// OrderFilter chooses orders of a scope; its other fields choose all when they are zero.
type OrderFilter struct {
	Scope    Scope
	Statuses []Status  // see Order.Status
	Channel  string    // of any of its attempts
	Since    time.Time // first tried at or after
	Until    time.Time // first tried before
	Now      time.Time // as in ChargeFilter
	Cursor   string
	Limit    int
}

// RefundFilter chooses refunds of a scope; its other fields choose all when they are zero.
type RefundFilter struct {
	Scope    Scope
	OrderNo  string
	ChargeID string
	States   []RefundState
	Unclear  bool      // only those that wait for a person
	Since    time.Time // first asked for at or after
	Until    time.Time // first asked for before
	Cursor   string
	Limit    int
}

// AuditFilter chooses decisions of a scope; its other fields choose all when they are zero.
type AuditFilter struct {
	Scope   Scope
	EventID string
	Actions []Action
	Since   time.Time
	Until   time.Time
	Cursor  string
	Limit   int
}

// Order is an order in a list.
type Order struct {
	OrderNo  string
	Attempts []Charge // oldest first, without Raw; a hundred at most, the first ones
}

// Decided is a decision as the audit log has it.
type Decided struct {
	Decision
	OrderNo string // of the event
	Was     State  // the event's state before; empty for a decision about the scope
	Seq     int64  // order of recording
}

// Kind is what a name names.
type Kind string

// The kinds of names.
const (
	KindOrder       Kind = "order"       // the merchant's order number
	KindNumber      Kind = "number"      // Ping++'s order number of an attempt
	KindCharge      Kind = "charge"      // ch_…
	KindTransaction Kind = "transaction" // the channel's number of a payment
	KindEvent       Kind = "event"       // evt_…
	KindObject      Kind = "object"      // what an event is about, if none of the others
	KindRefundNo    Kind = "refund_no"   // the merchant's refund number
	KindRefund      Kind = "refund"      // re_…
)

// Found is something that goes by a name.
type Found struct {
	Kind    Kind
	ID      string // of the order, charge, event or refund that has the name: of a charge Ping++'s id, or its number while that is not known
	OrderNo string // whose page it is on; empty: on none
}

// Life is all that is known of an order. What there is more than a thousand of, the newest thousand.
type Life struct {
	OrderNo string
	Quote   *Quote    // what the backend last said; nil: it was never asked, as far as is known
	Charges []Charge  // oldest first, without Raw
	Refunds []Refund  // oldest first
	Events  []Told    // in the order of their recording
	Shipped []Shipped // in the order of their charges; those of the newest thousand
}

// Told is an event, without its body, and what became of it.
type Told struct {
	Event      Event
	Deliveries []Delivery // every attempt, oldest first; of more than two hundred the last two hundred
	Decisions  []Decided  // oldest first
}

// Figures are a scope's, as of one moment.
type Figures struct {
	Events map[State]int64 // how many are in each state

	// AtRisk is money that was paid and that the backend has not acknowledged: events that are pending, held or dead, and never were delivered. A held
	// payment that cannot be read is none of them, since nobody knows how much it is; it is in Events.
	AtRisk        int64     // fen
	AtRiskEvents  int64     // payments
	OldestAtRisk  time.Time // when the first of them was received; zero: there is none
	OldestPending time.Time // the same of all that is pending
	NextAttempt   time.Time // when something can be delivered next; zero: nothing waits, or delivery is paused
	Swept         time.Time // what was created before has been compared with Ping++; zero: nothing
	Paused        *Pause    // nil: it is delivered

	// Frozen is money that WeChat keeps until its shipping is reported and received, as far as is known: of shipments that are [ShipmentState.Frozen].
	Frozen          int64 // fen
	FrozenShipments int64 // payments

	Bytes    int64 // of the ledger's file, all scopes
	WALBytes int64 // of its -wal file
	Readers  int   // other processes that read it at this moment, as far as the system says; while one does, the -wal file only grows
}

// Pause says that no event of the scope is to be delivered until a person says otherwise. Events are recorded, and what is under way ends.
type Pause struct {
	Since  time.Time
	By     string // as in Decision
	Said   string
	Reason string
}

// Hour is what happened in an hour, by the clock of who recorded it.
type Hour struct {
	At       time.Time // when it begins
	Charges  int64     // that Ping++ has made
	Webhook  int64     // payments that were told
	Query    int64     // payments that were asked for
	Paid     int64     // fen, of both
	Refunded int64     // fen that went back
}

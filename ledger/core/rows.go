package core

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Event is an event's row.
type Event struct {
	ledger.Event              // Change, Payment, Refund, Returned, Deliver and Lease are no part of it
	Stored       ledger.State // the state that is recorded; empty for a row that is not
	Risked       int64        // what is at risk by what is recorded, in fen
	Claims       bool         // it has the effect (ObjectID, Type), which no other event of the scope can have then
	ByCharge     bool         // its charge is of its order, which is its lane, and has it as its Payment: nobody need find it by either in another way
	Blocked      bool         // while it is pending: another pending event of its lane goes first
	Owner        string       // of the lease; empty without one
	Until        time.Time    // when that ends
	HasBody      bool         // its body is not pruned; the row itself may come without it
}

// Risk is the money at risk with the event, in fen.
func (e *Event) Risk() int64 {
	if e.AtRisk() {
		return e.Money
	}
	return 0
}

// Place is where a pending event stands in its lane.
type Place struct {
	Seq     int64
	Rank    int
	Created time.Time
	Blocked bool
}

// Outcome is what an event becomes when a delivery of it ends.
type Outcome struct {
	State   ledger.State
	Counted bool      // the attempt counts
	Due     time.Time // while it is pending, as Back
	Back    time.Time
	Settled time.Time // else

	// AtOnce is the delivery itself if it may stand in the event's own row, as the first one: see Tx.Settle. Nil: it may not.
	AtOnce *ledger.Delivery
}

// Settled is an event that its lease's owner has settled.
type Settled struct {
	Seq     int64
	Lane    string
	Blocked bool
	Behind  bool // other pending events of its lane are Blocked
	Listed  bool // Outcome.AtOnce is recorded
}

// Lease is somebody's right to deliver an event.
type Lease struct {
	Seq     int64
	EventID string
	Until   time.Time
}

// Hold says why a charge's payment is not delivered.
type Hold int

// The holds; engines keep the numbers.
const (
	NotHeld   Hold = iota
	Awaits         // its event is held: a person decides
	Dismissed      // a person decided against it
	WentBack       // it went back whole, or was reversed, before the backend could hear of it
	Unheard        // its event is dead, and was never delivered
	Unread         // its event cannot be read: a person decides, or the payment is heard of in another way
)

// Charge is the row of an attempt. Held and Undone are no part of it: they follow from the rest. Neither is Lease: it is QueryUntil.
type Charge struct {
	ledger.Charge
	Seq           int64     // order of the attempts; 0: not recorded
	ReservedUntil time.Time // while it is reserved
	PaidAmount    int64     // fen
	Payment       int64     // the event that has the effect of its success; 0: none yet
	Hold          Hold      // of that event
	QueryUntil    time.Time // the end of the lease of whoever is looking it up
}

// Refund is a refund's row.
type Refund struct {
	ledger.Refund
	Seq     int64
	Counted bool   // its charge's AmountRefunded has it
	Owner   string // of the lease; empty without one
	Until   time.Time
}

// Shipment is a shipment's row, with its charge's. What [ledger.Shipment] has of the charge is no part of it.
type Shipment struct {
	ledger.Shipment
	Charge    Charge               // without Raw
	Stored    ledger.ShipmentState // the state that is recorded; empty for a row that is not
	StoredFen int64                // what Fen was when that was
	Owner     string               // of the lease; empty without one
	Until     time.Time
}

// Fen is the money that WeChat keeps, as long as the shipment is [ledger.ShipmentState.Frozen]: what the payer has back is none of it.
func (s *Shipment) Fen() int64 { return max(0, s.Charge.PaidAmount-s.Charge.AmountRefunded) }

// Sweep is how far a scope's charges have been compared with Ping++'s list.
type Sweep struct {
	Compared time.Time // what was created before it; zero: nothing yet
	Owner    string    // of the lease; empty without one
	Until    time.Time
}

// Run is a run's row.
type Run struct {
	ledger.Run
	Owner string // of the lease; empty without one
	Until time.Time
}

// Opening is the moment from which on nothing that this process has written or sent can be forgotten.
type Opening struct {
	Last int64 // event that was recorded then
	At   time.Time
}

// Question says what an event's books are about; what is empty matches nothing.
type Question struct {
	OrderNo  string // the merchant's
	ChargeID string
	Number   string // the Ping++ order number
	Lane     string
}

// Books are what is recorded about a question.
type Books struct {
	Quote   ledger.Quote // the order's; its time is zero when there is none
	Lane    []Place      // pending events of the lane, its first by Rank, Created, Seq among them
	Charges []Charge     // the order's attempts, the charge with the id, and the attempt with the number, each once
}

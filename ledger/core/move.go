package core

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A ledger moves from one engine to another as lines of JSON: a head, a line for each thing that is recorded, and an end that counts them and has their
// sum. What goes by numbers of rows, which are an engine's own, goes by names there; leases are left behind, since whoever held them is gone.

// moveFormat is the version of the lines.
const moveFormat = 1

// What lines are about, in the order in which they come.
const (
	moveEvents  = "events"
	moveCharges = "charges"
	moveQuotes  = "quotes"
	moveRefunds = "refunds"
	moveAudit   = "audit"
	moveRuns    = "runs"
	moveScopes  = "scopes"
	moveLogins  = "logins"
)

// moveBatch is how many lines are read, and written in one transaction.
const moveBatch = 200

// moveLine is a line. One of its members is there.
type moveLine struct {
	Head   *moveHead     `json:"head,omitempty"`
	Event  *movedEvent   `json:"event,omitempty"`
	Charge *movedCharge  `json:"charge,omitempty"`
	Quote  *movedQuote   `json:"quote,omitempty"`
	Refund *Refund       `json:"refund,omitempty"`
	Audit  *movedAudit   `json:"audit,omitempty"`
	Run    *ledger.Run   `json:"run,omitempty"`
	Scope  *movedScope   `json:"scope,omitempty"`
	Login  *ledger.Login `json:"login,omitempty"`
	End    *Moved        `json:"end,omitempty"`
}

type moveHead struct {
	Format int    `json:"format"`
	ID     string `json:"id"` // of this export, by which a half import knows its own
}

type movedEvent struct {
	Event      Event
	Deliveries []ledger.Delivery `json:",omitempty"`
}

type movedCharge struct {
	Charge    Charge
	Payment   string                   `json:",omitempty"` // the event's id
	Shipment  *Shipment                `json:",omitempty"`
	Shippings []ledger.ShippingAttempt `json:",omitempty"`
}

type movedQuote struct {
	Scope   ledger.Scope
	OrderNo string
	Quote   ledger.Quote
}

type movedAudit struct {
	Decision ledger.Decision
	Was      ledger.State
}

type movedScope struct {
	Scope    ledger.Scope
	Compared time.Time     // how far charges have been compared with Ping++'s list
	Pause    *ledger.Pause `json:",omitempty"`
	Tallied  time.Time     `json:",omitzero"` // since when there are tallies, see TalliedSince
	Hours    []ledger.Hour `json:",omitempty"`
}

// Moved says how much of a ledger has been moved, and what it was.
type Moved struct {
	Counts map[string]int64 `json:"counts"` // lines, by what they are about
	SHA256 string           `json:"sha256"` // of all lines between the head and the end
	Lines  int64            `json:"lines"`
}

// Whole reads everything, each in the order of recording, after a row and up to a limit. Events come without their bodies, with Claims and HasBody; charges
// without Raw.
type Whole interface {
	Scopes() ([]ledger.Scope, error)
	WholeEvents(s ledger.Scope, after int64, limit int) ([]Event, error)
	WholeCharges(s ledger.Scope, after int64, limit int) ([]Charge, error)
	WholeRefunds(s ledger.Scope, after int64, limit int) ([]Refund, error)
	// WholeAudit has EventID and Run too.
	WholeAudit(s ledger.Scope, after int64, limit int) ([]ledger.Decided, error)
	// EventID is the id of an event.
	EventID(s ledger.Scope, seq int64) (string, error)
	// WholeQuotes returns the orders of which there is one, in the order of their numbers.
	WholeQuotes(s ledger.Scope, after string, limit int) ([]string, error)
	// WholeLogins go by their keys.
	WholeLogins(after []byte, limit int) ([]ledger.Login, error)
	// TalliedSince returns from which hour on tallies have all that is recorded; zero: they always did. Before it an older version kept none.
	TalliedSince(s ledger.Scope) (time.Time, error)
}

// encodeLine is a line, with its end.
func encodeLine(l moveLine) ([]byte, error) {
	packTexts(&l)
	raw, err := json.Marshal(l)
	return append(raw, '\n'), err
}

func decodeLine(raw []byte) (l moveLine, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err = d.Decode(&l); err != nil {
		return l, err
	}
	return l, unpackTexts(&l)
}

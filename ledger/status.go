package ledger

import (
	"slices"
	"time"
)

// Status is an attempt, or an order, in a word.
type Status string

// The statuses. Those after StatusReversed say that Ping++ has no charge of the attempt, as far as is known.
const (
	StatusHeld      Status = "held"     // paid, and a person is to decide
	StatusPaid      Status = "paid"     // so that nobody need pay again
	StatusRefunded  Status = "refunded" // paid, and all went back
	StatusCreated   Status = "created"  // can be paid
	StatusExpired   Status = "expired"  // can no longer be paid
	StatusReversed  Status = "reversed" // canceled
	StatusPreparing Status = "preparing"
	StatusRefused   Status = "refused"
	StatusUnknown   Status = "unknown"
)

// telling are the statuses that say something about an order, the one that says most first.
var telling = []Status{StatusHeld, StatusPaid, StatusRefunded, StatusCreated, StatusExpired, StatusReversed}

// Status is what the charge is now.
func (c *Charge) Status(now time.Time) Status {
	if !c.Paid && !c.Reversed {
		switch c.State {
		case Reserving:
			return StatusPreparing
		case Refused:
			return StatusRefused
		case Unknown, Taken:
			return StatusUnknown
		}
	}
	switch {
	case c.Reversed && !(c.Held && c.Pays()): // else a person is still to decide where its money is
		return StatusReversed
	case c.Paid && c.Amount > 0 && c.AmountRefunded >= c.Amount:
		return StatusRefunded
	case c.Held:
		return StatusHeld
	case c.Paid:
		return StatusPaid
	case !now.Before(c.Lapses()):
		return StatusExpired
	}
	return StatusCreated
}

// Foremost returns the attempt that says most about its order: of two that say as much the later. Nil when Ping++ has no charge of any, as far as is
// known: the order can be paid then.
func Foremost(attempts []Charge, now time.Time) (foremost *Charge) {
	most := len(telling)
	for i := range attempts {
		if says := slices.Index(telling, attempts[i].Status(now)); says >= 0 && says <= most {
			most, foremost = says, &attempts[i]
		}
	}
	return foremost
}

// Status is what the order is now: that of its [Foremost] attempt.
func (o *Order) Status(now time.Time) Status {
	if c := Foremost(o.Attempts, now); c != nil {
		return c.Status(now)
	}
	return StatusCreated
}

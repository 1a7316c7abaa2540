package core

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// forsake makes the attempt of a dead holder one that may have reached Ping++.
func (c *Charge) forsake(now time.Time) {
	c.State, c.ReservedUntil, c.NextQuery = ledger.Unknown, time.Time{}, time.Time{}
	if c.ID == "" {
		c.NextQuery = now
	}
}

// reserved is the attempt that a reservation begins.
func reserved(r ledger.Reservation, number string) *Charge {
	return &Charge{
		Charge: ledger.Charge{Scope: r.Scope, OrderNo: r.OrderNo, Number: number, State: ledger.Reserving, Created: r.Now,
			Channel: r.Channel, Payer: r.Payer, PayerAppID: r.PayerAppID, LoggedIn: r.LoggedIn, Host: r.Host},
		ReservedUntil: r.Until,
	}
}

// holder returns the attempt of an order that is reserved; nil for none.
func holder(cs []Charge) *Charge {
	for i := range cs {
		if cs[i].State == ledger.Reserving {
			return &cs[i]
		}
	}
	return nil
}

// released is what becomes of an attempt whose number is given back.
type released int

const (
	stays   released = iota // as it is
	changes                 // in another state
	goes                    // not at all: its number is free again
	notOne                  // it is none that can be released
)

// release gives an attempt's number back, and says whether the order's reservation is over with it.
func (c *Charge) release(as ledger.AttemptState) (what released, over bool) {
	switch c.State {
	case ledger.Taken:
		if as != ledger.Refused || c.ID != "" {
			return stays, true
		}
	case ledger.Unknown: // it ran out, and whoever took over was told that this number stays used
		if as != ledger.Refused && as != ledger.Taken {
			return stays, false
		}
		c.become(as)
		return changes, false
	case ledger.Reserving:
		if as == ledger.Unsent && c.ID == "" {
			return goes, true
		}
		if as == ledger.Unsent { // an event knows better: it did reach the channel
			as = ledger.Unknown
		}
	default:
		return notOne, false
	}
	c.become(as)
	return changes, true
}

// become ends a reservation. An unknown or taken attempt is due at once: whoever looks for it decides when.
func (c *Charge) become(as ledger.AttemptState) {
	c.State, c.ReservedUntil, c.NextQuery = as, time.Time{}, time.Time{}
	if (as == ledger.Unknown || as == ledger.Taken) && c.ID == "" {
		c.NextQuery = c.Created
	}
}

// answer makes a reserved attempt what Ping++ answered. The order's other attempts say whether it comes superseded, which is filled in: when the
// answer is so late that the order has a newer charge, that one has made it so. It never takes back a payment that an event has reported first.
func (c *Charge) answer(a *ledger.Charge, others []Charge) {
	a.Superseded = c.Superseded
	for i := range others {
		a.Superseded = a.Superseded || others[i].Paid && !others[i].undone()
	}
	next := a.NextQuery
	if a.Superseded {
		next = a.Created
	}
	c.State, c.ReservedUntil, c.QueryUntil = ledger.Open, time.Time{}, time.Time{}
	c.ID, c.Channel, c.Payer, c.PayerAppID, c.Host = a.ID, a.Channel, a.Payer, a.PayerAppID, a.Host
	c.Amount, c.Currency, c.Created, c.TimeExpire = a.Amount, a.Currency, a.Created, a.TimeExpire
	c.Fingerprint, c.Raw = a.Fingerprint, a.Raw
	c.AmountRefunded = max(c.AmountRefunded, a.AmountRefunded)
	c.NextQuery = next
	c.pay(c.Paid || a.Paid, a.TimePaid)
	c.reverse(c.Reversed || a.Reversed)
	c.Superseded = c.Superseded || !c.Paid && a.Superseded
}

// before returns those of an order's attempts that came before one.
func (c *Charge) before(others []Charge) (earlier []Charge) {
	for _, o := range others {
		if o.Seq < c.Seq {
			earlier = append(earlier, o)
		}
	}
	return earlier
}

// checkAnswer says why an answer cannot be this attempt's; known is what the ledger has by the charge's id, if anything.
func (c *Charge) checkAnswer(a *ledger.Charge, known *Charge) error {
	if c.ID != "" && c.ID != a.ID {
		return fmt.Errorf("number %s belongs to charge %s already, not to %s", c.Number, c.ID, a.ID)
	}
	if known != nil && known.Seq != c.Seq && known.State != ledger.Foreign {
		return fmt.Errorf("charge %s has the number %s already, not %s", a.ID, known.Number, c.Number)
	}
	return nil
}

// price is the quote that a charge is.
func price(a *ledger.Charge) ledger.Quote {
	q := ledger.Quote{Amount: a.Amount, Currency: a.Currency, At: a.Quoted}
	if q.At.IsZero() {
		q.At = a.Created
	}
	return q
}

// newer returns the quote to be recorded after another one, if it is to be. Of two the later counts, whatever another process's clock says while one
// of them holds the order: then it is the last in any case. One that says closed names no price; what was said before stays.
func newer(old, q ledger.Quote, last bool) (ledger.Quote, bool) {
	if !last && Kept(q.At).Before(old.At) {
		return old, false
	}
	if q.Closed && !old.At.IsZero() {
		q.Amount, q.Currency = old.Amount, old.Currency
	}
	return q, true
}

// apart divides what is known into the order's other attempts and the one that has the id of an attempt's answer, unless that is the attempt itself.
func apart(known []Charge, c *Charge, id string) (others []Charge, answered *Charge) {
	for i := range known {
		switch o := &known[i]; {
		case o.Seq == c.Seq:
		case o.ID == id:
			answered = o
		case o.OrderNo == c.OrderNo:
			others = append(others, *o)
		}
	}
	return others, answered
}

package ledger

import "time"

// AttemptState is how far an attempt has come at Ping++.
type AttemptState string

// The states of an attempt. Whether it is paid is another question: see Charge.Paid.
const (
	Reserving AttemptState = "reserved" // a request is deciding about the order right now
	Open      AttemptState = "created"  // Ping++ has answered with a charge
	Refused   AttemptState = "refused"  // the channel refused it; the number counts as used
	Unknown   AttemptState = "unknown"  // Ping++ may or may not have it; nobody holds its credential. While NextQuery is set, it is looked for
	Taken     AttemptState = "taken"    // the channel says that its number is paid, by a charge that we do not know. While NextQuery is set, that is looked for
	Unsent    AttemptState = "unsent"   // only for Release: nothing reached a channel, the number is free again
	Foreign   AttemptState = "foreign"  // a charge that we did not create, known by its payment's event
)

// Charge is one attempt to pay an order.
type Charge struct {
	Scope
	OrderNo    string // the merchant's order number
	Number     string // Ping++'s order_no: the merchant's on the first attempt, with a suffix later; unique in the scope for ever
	State      AttemptState
	ID         string // Ping++'s charge id, ch_…; empty until it answered
	Channel    string
	Payer      string    // to whom it belongs: an openid, or anon:… for a visitor without one; empty for a foreign charge
	PayerAppID string    // the WeChat appid that the openid belongs to; empty for a visitor
	LoggedIn   time.Time // when the payer's session was given, or the login code exchanged; zero: not known
	Amount     int64     // fen; of an attempt whose charge is not known: what its payment's event says, 0 before
	Currency   string    // cny, likewise
	Host       string    // the public host it was created on
	Created    time.Time // by Ping++'s clock once it answered
	TimeExpire time.Time // zero: Ping++ named none, see [Charge.Lapses]
	Quoted     time.Time // only for Created: when its price was named, by our clock; zero: at its creation
	Raw        []byte    // Ping++'s answer, byte for byte; nil once pruned
	// Fingerprint of what was asked for, as pingpp.ChargeParams has it: what would make the same purchase has the same. Empty: not known.
	Fingerprint   string
	TransactionNo string // the channel's number of its payment, as WeChat's transaction_id; empty: not known

	Superseded     bool // a later attempt took its place, or another one has paid the order: it is reversed where the channel can
	Paid           bool
	TimePaid       time.Time
	AmountRefunded int64 // fen
	Reversed       bool
	Client         ClientNote
	Held           bool      // its payment's event is held, cannot be read, or was discarded by a person
	Undone         bool      // reversed, or its payment was discarded and went back whole: if it was paid, that does not count, unless a person is still to decide
	Queries        int       // how often the reconciler has asked for it
	NextQuery      time.Time // when it will ask next; zero: not any more
	Lease          time.Time // only from ClaimQueries: when the lease ends, by which [Queried] names it
}

// Pays reports whether the charge has paid its order, or may have, also if a person is still to decide about the payment: nobody is to pay the
// order again before that is clear.
func (c *Charge) Pays() bool { return (c.Paid || c.Held) && !c.Undone }

// longestDefault is how long a charge can be paid at most where nobody said how long.
const longestDefault = 24 * time.Hour

// Lapses is when the charge can no longer be paid: its expiry or, where Ping++ names none, a day after its creation.
func (c *Charge) Lapses() time.Time {
	if c.TimeExpire.IsZero() {
		return c.Created.Add(longestDefault)
	}
	return c.TimeExpire
}

// ChargeChange is what an event says about a charge.
type ChargeChange struct {
	Paid     bool
	TimePaid time.Time
	Refund   int64 // fen of this one refund, added to AmountRefunded once, with the event; 0 for none
	Reversed bool
}

// ClientNote is what a client says it saw: success, cancel or fail.
type ClientNote struct {
	Result string
	At     time.Time
}

// Reservation asks for an order.
type Reservation struct {
	Scope   Scope
	OrderNo string
	Now     time.Time
	Until   time.Time // when it ends unless extended

	// What is known of the attempt before the order's price is; kept with it whatever becomes of it.
	Channel    string
	Payer      string
	PayerAppID string
	LoggedIn   time.Time // of a payer of WeChat's
	Host       string

	// Number proposes the Ping++ order number for the order's next attempt: attempts is how many the order has had, try
	// counts from 0 while proposals turn out to be taken. It must not touch the ledger.
	Number func(attempts, try int) string
}

// Release gives a reservation back.
type Release struct {
	Scope  Scope
	Number string
	As     AttemptState // Unsent, Refused, Unknown or Taken
	Quote  *Quote       // what the backend said, if it was asked; recorded as the order's last quote
}

// Quote is what the backend last said about an order. Created records the charge's own price as one.
type Quote struct {
	Amount   int64 // fen
	Currency string
	Closed   bool      // the order cannot be paid any more; amount and currency are then not known
	At       time.Time // by our clock, never Ping++'s
}

// QueryKind is why an attempt is to be looked up. Each kind is claimed by itself, so that a flood of one cannot hold up another.
type QueryKind int

// The kinds of look-ups, the more urgent first.
const (
	QueryTold  QueryKind = iota // of a charge whose client reported what it saw since the last one: its payer may be waiting
	QueryFirst                  // of a charge that was never looked up
	QueryLater                  // every other: later ones, those of superseded charges, and of attempts without a charge
)

// QueryClaim asks for attempts, or refunds, that should be looked up at Ping++.
type QueryClaim struct {
	Scope Scope
	Kind  QueryKind // of attempts; refunds have no kinds
	Owner string    // who asks; unique among all processes and claims
	Now   time.Time // those whose NextQuery has come
	Until time.Time // when the lease ends
	Limit int
}

// Queried is the outcome of a look-up; it ends the lease that it names.
type Queried struct {
	Scope    Scope
	ChargeID string
	Number   string    // in place of ChargeID for an unknown or taken attempt; when its charge is known by now, nothing happens
	Next     time.Time // when to ask again; zero: never
	// Lease is [QueryClaim.Until] of the claim under which it was looked up; zero: of none, somebody wanted to know.
	Lease time.Time
	// Superseded is what whoever asked took the attempt for. If it has become superseded since, it stays due: it is to be reversed.
	Superseded bool
	// Reversed says that the charge was found or made reversed, whoever says so. The event of its payment becomes Discarded if it is held, or pending and was
	// never sent: the money went back.
	Reversed bool
	At       time.Time // with Reversed: now
}

// Reserved is a reservation that was granted.
type Reserved struct {
	Number   string   // set aside for this attempt
	Attempts []Charge // all earlier attempts of the order, oldest first
}

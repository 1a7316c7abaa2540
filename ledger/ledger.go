// Package ledger is the durable record behind the product's promise: what was charged, what Ping++ told us, and what the
// backend has acknowledged. The rules are in ledger/core, once; ledger/sqlite keeps the rows, and so does
// ledger/ledgertest/memory for tests; ledger/ledgertest is the one test suite that all of them pass.
//
// Every key begins with a [Scope], so a test payment can never meet a live one.
package ledger

import (
	"context"
	"errors"
	"time"
)

// Mode says whether real money moves: it follows from the prefix of the Ping++ key and is part of every key in the ledger.
type Mode string

// The two modes of a Ping++ key.
const (
	Live Mode = "live"
	Test Mode = "test"
)

// Scope is a Ping++ app in one mode.
type Scope struct {
	App  string // Ping++'s app id, app_…
	Mode Mode
}

// Key is the scope in one string. It is not called String, since the records that embed a Scope would then print as nothing else.
func (s Scope) Key() string { return s.App + "/" + string(s.Mode) }

// LateDoubt is how much earlier Ping++'s clock may show a payment that was made after the order was quoted closed.
const LateDoubt = time.Minute

// ClockSkew is how far apart Ping++'s clock and ours can be: it refuses requests that are signed further off.
const ClockSkew = 15 * time.Minute

// Errors that callers tell apart. Everything else means that the ledger could not do its work: answer 503 and let the
// other side come again.
var (
	ErrNotFound = errors.New("ledger: no such record")
	ErrReserved = errors.New("ledger: another request holds this order's reservation")
	ErrState    = errors.New("ledger: the event's state does not allow this")
	ErrClosed   = errors.New("ledger: closed")
	ErrCursor   = errors.New("ledger: this cursor is none of the list's; begin without one")
	ErrDamaged  = errors.New("ledger: damaged where this has to be read or written; the rest may be sound")
)

// LongestLease is the longest that a lease or a reservation may be asked for. One that ends much further ahead was given by a clock that
// has been put back since: it is over, like one that ran out. A step of the clock itself ends no lease while its owner lives.
const LongestLease = time.Minute

// Ledger keeps events, charges and logins. A method that writes returns only once its write is on disk (fsync), or with an
// error. Times are stored in milliseconds; the current time always comes in as an argument. All methods may be called at
// the same time, by several processes on one ledger too.
type Ledger interface {
	Events
	Charges
	Refunds
	Logins
	Sweeps
	Runs
	Shipments
	Desk

	// Watch returns a channel that receives after a commit of this process touched the topic, and a function that ends the
	// watch. Signals are merged: one that nobody has taken yet stands for all later ones. What another process commits is
	// not signalled, so a watcher also looks by itself now and then.
	Watch(topic Topic) (changed <-chan struct{}, stop func())

	// Verify reads the whole ledger and says in what way it is damaged, and what of Figures and Hours is not what there is, a hundred faults at most; none
	// when it is sound. It may take minutes.
	Verify(ctx context.Context) (faults []string, err error)

	// Close waits for what is being written, then closes. Later calls return ErrClosed. Closing twice is harmless.
	Close() error
}

// Events is the inbox: what Ping++ said, and how far its delivery to the backend has come.
type Events interface {
	// Append records an event together with what it says about its charge. The same event id is recorded once, for ever:
	// later calls return Duplicate and change nothing. When another event already had the same effect (see Event.Effect),
	// the event is recorded as Filtered with the reason ReasonEffectSeen, and SameEffect is returned; its Change is dropped.
	// Every other event has its effect, whatever its state: a held or filtered one has changed its charge too. The charge is
	// found by ChargeID, or by Number while no answer from Ping++ has told us its id and unless the event names an order other than the
	// number's: two ledgers may use one number. State is Pending, Held or Filtered.
	//
	// A charge.succeeded is checked in the same write, by the merchant's order number. Reasons to hold it: its amount or currency are not our
	// charge's; its attempt is superseded and its price is not the last quote's; another charge, ours or foreign, has paid the order; the charge is
	// reversed. A charge that we never saw is recorded as Foreign; it is no mismatch while the order is unpaid. Otherwise Late is set: "expired" when
	// it was paid after its TimeExpire, "closed" when the last quote said closed before it was paid: the event was received after that, and
	// Ping++'s time of the payment is not more than LateDoubt before it, since its clock is not ours. A refund whose payment is held, discarded, or dead
	// without ever having been delivered, is Filtered with ReasonUnpaid; when the charge of a payment that is held, or pending and was never sent, is
	// refunded whole or reversed, its event becomes Discarded. One that is refunded was surely never sent only if it was paid, and recorded, since the
	// ledger was opened: what was sent before that may have been forgotten. State, Reasons, Late, Money and Seq of e are filled in,
	// and OrderNo, Lane and Host where our record of the charge knows another order number or the host that it was created on.
	//
	// A payment of an order makes all its other unpaid attempts superseded, as Created does.
	//
	// An event with ReasonUnreadable has no effect. It is the caller's to hold, with Change, Payment and Refund empty; its charge, where we know it,
	// is held with it. Once the effect comes in an event that can be read, whichever of them was first, the one that could not be is Filtered with
	// ReasonEffectSeen. Releasing a payment that could not be read makes it the payment of the charge, if we know that.
	//
	// Append also decides about the lane: of the pending events of one lane only the first, by (Rank, Created, Seq), can be claimed.
	//
	// An event that comes with a Lease is given to its Owner in the same write, as if it had been claimed at once, if it is due by then (Received) and
	// could be claimed, and no payment goes back with it; while the scope is paused none is. Nobody else hears of it by EventsTopic. When Append fails it may be recorded and leased all the
	// same: whoever asked must not renew that lease, so that it ends by itself.
	Append(ctx context.Context, e *Event) (Appended, error)
	// Event returns one event by its id, or ErrNotFound.
	Event(ctx context.Context, scope Scope, id string) (*Event, error)
	// Deliveries returns the attempts to deliver an event, oldest first.
	Deliveries(ctx context.Context, scope Scope, id string) ([]Delivery, error)

	// Events lists events without their bodies, newest first.
	Events(ctx context.Context, f Filter) ([]Event, error)
	// Decide carries out what a person decided. ErrState when the event's state does not allow it; releasing or replaying a payment also
	// makes the refunds pending that were filtered with ReasonUnpaid because of it. A leased event cannot be discarded: ErrState. A scope that is
	// paused cannot be paused again, nor one that is not unpaused: ErrState.
	Decide(ctx context.Context, d Decision) error
	// Prune deletes the bodies and answers of what has been settled (delivered, discarded, filtered; charges closed) since before the given time, at
	// most limit of them in short transactions, and says how many rows went. Ids, effects and numbers stay for ever.
	Prune(ctx context.Context, before time.Time, limit int) (int, error)

	// Claim leases up to Limit pending events of a scope that are due and that nobody has leased, the same owner included,
	// oldest due first, then in order of arrival. There are none while the scope is paused.
	Claim(ctx context.Context, c Claim) ([]Event, error)
	// Renew prolongs until c.Until every lease in c.Scope that owner still holds, and returns the ids of the events; the rest of c is not looked
	// at. A lease that ran out is held until somebody takes it over. None is shortened, unless it ends further ahead than any may.
	Renew(ctx context.Context, owner string, c Claim) (held []string, err error)
	// Settle records the outcome of a delivery and ends its lease. A delivered event stays delivered whoever says so; any
	// other outcome counts only for the owner of the lease and is otherwise dropped without an error. The pending refunds of a payment
	// that dies without ever having been delivered become Filtered with ReasonUnpaid. ErrNotFound for an event that is not recorded.
	Settle(ctx context.Context, owner string, d Delivery) error
	// Resume says that the backend is back: every pending event whose last delivery has a Back is due then, unless it is sooner.
	Resume(ctx context.Context, scope Scope) error
	// Overdue makes due what a clock that has been put back since has left further ahead than it can be: events that wait for their delivery, and
	// charges and refunds that wait to be looked up. It says how many there were.
	Overdue(ctx context.Context, scope Scope, now time.Time) (int, error)
	// NextDue says when Claim can next return something (a due time or the end of somebody's lease); the zero time when
	// nothing is pending, or the scope is paused.
	NextDue(ctx context.Context, scope Scope) (due Due, err error)
}

// Charges is every attempt to pay every order.
type Charges interface {
	// Reserve takes the reservation of an order, so that one request at a time decides about it, and sets a Ping++ order
	// number aside that no attempt in the scope ever had. It returns all attempts of the order, oldest first, without the new one.
	// While another holder's reservation lasts it returns ErrReserved. A reservation that ran out belonged to somebody who
	// died: its number may have reached Ping++, so that attempt becomes Unknown, due to be looked for, and its number stays used.
	Reserve(ctx context.Context, r Reservation) (*Reserved, error)
	// Extend prolongs until r.Until the reservation that the number belongs to; ErrNotFound when it is no longer held. One that
	// ran out is held until somebody takes it over. It is never shortened.
	Extend(ctx context.Context, r Reservation, number string) error
	// Release gives the reservation back. With Unsent the number never reached a payment channel and is free again; with
	// Refused, Unknown or Taken the attempt is kept in that state, and an unknown or taken one is due to be looked for. One that is taken
	// becomes Refused when it is released once more, since the charge that took its number turned out to be another order's.
	Release(ctx context.Context, r Release) error
	// Created records what Ping++ answered for a reserved number, found by Scope and Number, ends the reservation, and marks the
	// order's earlier unpaid attempts as superseded: they are due to be looked up at once, and whoever does that reverses them. It never
	// takes back a payment that an event has reported first. It works after somebody took the reservation over too, since the charge is
	// real: if the order has a later charge by then, or another attempt has paid it, this one comes superseded, which is filled in. Its price is then the order's last quote, unless a later
	// one came in between. ErrNotFound for a number that was never reserved; an error when it has another charge's id.
	Created(ctx context.Context, c *Charge) error
	// Charge returns one attempt by Ping++'s charge id, or ErrNotFound.
	Charge(ctx context.Context, scope Scope, id string) (*Charge, error)
	// Attempts returns all attempts of an order by the merchant's number, oldest first; none is no error.
	Attempts(ctx context.Context, scope Scope, orderNo string) ([]Charge, error)
	// Payable returns a payer's charges, of whatever order, that may still be paid: neither paid nor reversed nor lapsed by now; oldest first.
	Payable(ctx context.Context, scope Scope, payer string, now time.Time) ([]Charge, error)
	// ClaimQueries leases attempts of one kind whose NextQuery has come: charges that Ping++ has answered with and that are neither paid nor
	// reversed, and Unknown and Taken attempts, which have no id. First ones come newest first, so that old ones that nobody pays cannot hold up those
	// that are being paid; all others oldest first. Before it claims later ones, an attempt whose reservation ran out a minute ago becomes Unknown.
	ClaimQueries(ctx context.Context, c QueryClaim) ([]Charge, error)
	// Queried records the outcome of a look-up and ends its lease, which is named by its end: no later one of the charge ends then. What was looked up
	// under a lease that another has taken over since, or has ended, changes nothing, and neither does what was looked up under none while one is: but
	// for a reversal, which Ping++ knows of. That is no error.
	Queried(ctx context.Context, q Queried) error
	// ChargesCreated lists the attempts that Ping++ answered with, created in [from, to), in the order of their ids, after the id given.
	ChargesCreated(ctx context.Context, scope Scope, from, to time.Time, after string, limit int) ([]Charge, error)
	// NoteClient records what the client says it saw; it proves nothing. ErrNotFound for an unknown charge.
	NoteClient(ctx context.Context, scope Scope, id string, n ClientNote) error
}

// Logins remembers exchanged login codes, since WeChat lets a code be used only once.
type Logins interface {
	// Login returns the sealed identity that was saved under a key and has not expired by now, or ErrNotFound.
	Login(ctx context.Context, key []byte, now int64) (identity []byte, err error)
	// SaveLogin keeps a sealed identity under the keyed hash of its code, and drops a few that have expired.
	SaveLogin(ctx context.Context, l Login) error
}

// Login is one exchanged code. The ledger sees neither the code nor the openid.
type Login struct {
	Key      []byte // keyed hash of WeChat app and code
	Identity []byte // sealed by the caller
	Now      int64  // Unix milliseconds
	Expires  int64  // Unix milliseconds
}

// Topic names something that can be watched.
type Topic string

// EventsTopic changes when an event of the scope becomes pending without being leased, or pending again with another due time, and when a pause of the
// scope ends.
func EventsTopic(s Scope) Topic { return Topic("events " + s.Key()) }

// ChargeTopic changes when the charge's record does: created, paid, refunded, reversed, superseded, noted by the client; and when one of
// its refunds does.
func ChargeTopic(s Scope, id string) Topic { return Topic("charge " + s.Key() + " " + id) }

// OrderTopic changes when the order's reservation ends by Release or Created, and when the order is paid.
func OrderTopic(s Scope, orderNo string) Topic { return Topic("order " + s.Key() + " " + orderNo) }

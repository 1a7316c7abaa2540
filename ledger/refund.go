package ledger

import (
	"context"
	"errors"
	"time"
)

// RefundState is how far a refund has come.
type RefundState string

// The states of a refund.
const (
	RefundAsked     RefundState = "asked"     // Ping++ is being asked for it, or has been: it may exist there or not
	RefundPending   RefundState = "pending"   // Ping++ has it, and the channel is at it
	RefundSucceeded RefundState = "succeeded" // the money is back
	RefundFailed    RefundState = "failed"    // it came to nothing
)

// Errors of ReserveRefund that callers tell apart.
var (
	ErrRefundDiffers = errors.New("ledger: this refund number was used with other parameters")
	ErrRefundExceeds = errors.New("ledger: more than what is left of the charge")
	ErrRefundTaken   = errors.New("ledger: what Ping++ calls by this id is another refund of ours") // of RefundMade
)

// Refund is money that goes back, or is to go back, from a charge.
type Refund struct {
	Scope
	RefundNo      string // the merchant's number, unique in the scope for ever; empty for a refund made elsewhere, known by its event. One whose event carries a number that is free has that
	ChargeID      string // Ping++'s, ch_…
	OrderNo       string // the merchant's order number
	Through       string // the Ping++ order that the charge belongs to, once that is known; else empty
	Amount        int64  // fen
	Whole         bool   // no amount was asked for: it is what was left
	Description   string
	FundingSource string // which of the merchant's funds it comes from, in Ping++'s word; empty: Ping++'s default
	State         RefundState
	ID            string // Ping++'s, re_…; empty until it answered
	FailureCode   string
	FailureMsg    string
	Created       time.Time // when it was first asked for
	TimeSucceeded time.Time
	Asked         time.Time // when Ping++ was last asked to make it
	Asks          int       // how often Ping++ was asked, and may have made it; 0 for one that was not asked for through this ledger
	Unclear       string    // why a person has to look at it, in a word, while its outcome is not known; else empty
	NextQuery     time.Time // when it will be looked up next; zero: not any more
}

// Final says that nothing will become of the refund any more.
func (r *Refund) Final() bool { return r.State == RefundSucceeded || r.State == RefundFailed }

// RefundReservation asks for the right to make a refund.
type RefundReservation struct {
	Scope       Scope
	RefundNo    string
	ChargeID    string
	OrderNo     string // the merchant's
	Amount      int64  // fen; 0: everything that is left
	Description string

	FundingSource string

	Paid  int64     // fen that the charge was paid, as Ping++ says
	Owner string    // who asks; unique among all processes, requests and claims
	Now   time.Time // and when the lease ends:
	Until time.Time
}

// RefundLease names a refund that its holder works on.
type RefundLease struct {
	Scope    Scope
	RefundNo string
	Owner    string
}

// RefundAsk says that Ping++ is about to be asked for a refund.
type RefundAsk struct {
	Through string // the Ping++ order to ask through, if any
	Asks    int    // how often Ping++ may have made the refund, with this time
	Now     time.Time
	Until   time.Time // when the lease ends
}

// RefundPause says how a refund whose outcome is not known goes on.
type RefundPause struct {
	Next    time.Time // when it is looked up; zero: nothing came of it, the record goes, its number and amount are free again
	Asks    int       // how often Ping++ may have made it
	Unclear string    // see Refund
}

// RefundChange is what an event says about a refund.
type RefundChange struct {
	ID            string
	RefundNo      string // metadata.pay_refund_no; finds a refund whose id we have not been told, and is used from then on
	Amount        int64  // fen
	State         RefundState
	FailureCode   string
	FailureMsg    string
	TimeSucceeded time.Time
}

// Refunds is what the merchant has asked us to give back, and what else went back. The sum of a charge's refunds that have not
// failed never exceeds what was paid: an amount is reserved in the same write in which it is compared.
type Refunds interface {
	// ReserveRefund records a refund before Ping++ is asked for it. A number that is new is recorded as RefundAsked with its
	// amount reserved, leased to the owner, and comes back with fresh true: Ping++ has not been asked. ErrRefundExceeds when the
	// amount, or anything at all, is more than what is left of the charge.
	//
	// A number that is recorded comes back as it stands, with fresh false, however little is left; ErrRefundDiffers when charge, amount,
	// description or funding source are not the recorded ones; of one that is only known by its event the last two, and whether it was whole, are not
	// known. While its outcome is not known the owner is leased it: Ping++ may have been asked.
	//
	// ErrReserved while somebody else holds this refund, or another one of the charge whose outcome is not known: a charge's
	// refunds are made one after the other.
	ReserveRefund(ctx context.Context, r RefundReservation) (re *Refund, fresh bool, err error)
	// AskRefund records, for the holder of the lease, that Ping++ is about to be asked again; it prolongs the lease. ErrNotFound when the
	// lease is no longer held.
	AskRefund(ctx context.Context, l RefundLease, a RefundAsk) error
	// RefundMade records Ping++'s id of a refund, and when to look it up, and ends the lease. It works after the lease was lost, since the
	// refund is real. What an event has said first stays, also when it was taken for a refund made elsewhere: there is one record of an id.
	// ErrRefundTaken, and nothing changes, when the id is that of another refund of ours; another error when the refund has another id already.
	RefundMade(ctx context.Context, l RefundLease, id string, next time.Time) error
	// ReleaseRefund ends the lease of a refund that was not made, as far as is known. ErrNotFound when the lease is no longer held.
	ReleaseRefund(ctx context.Context, l RefundLease, p RefundPause) error
	// Refund returns a refund by the merchant's number, or ErrNotFound.
	Refund(ctx context.Context, scope Scope, refundNo string) (*Refund, error)
	// RefundsOf returns all refunds of an order by the merchant's number, oldest first, those made elsewhere too; none is no error.
	RefundsOf(ctx context.Context, scope Scope, orderNo string) ([]Refund, error)
	// RefundsOfCharge returns all refunds of a charge in the order in which they were recorded, those made elsewhere too; none is no error.
	RefundsOfCharge(ctx context.Context, scope Scope, chargeID string) ([]Refund, error)
	// ClaimRefunds leases refunds that are not final and whose NextQuery has come, oldest first.
	ClaimRefunds(ctx context.Context, c QueryClaim) ([]Refund, error)
	// RefundQueried ends the lease of a look-up that brought nothing new, and says when the next is due; zero: never.
	RefundQueried(ctx context.Context, l RefundLease, next time.Time) error
}

package ledger

import (
	"context"
	"time"
)

// ShipmentsTopic changes when a report is to be told to WeChat at once.
func ShipmentsTopic(s Scope) Topic { return Topic("shipments " + s.Key()) }

// Shipments is what WeChat has to know about payments whose money it keeps. A payment has a shipment from when its event is recorded with Ships set, or it is
// reported or found by FindUnshipped; payments of sites that report nothing have none, and cost nothing.
type Shipments interface {
	// ReportShipping records what was shipped before WeChat is told, and makes that due. The same content again is the same report: it comes back as it
	// stands with fresh false, unless it failed; then it is tried again. Other content takes the place of what WeChat surely does not have; once WeChat
	// has, or may have, a complete report, other content is its correction, of which there is one. Of parts that are not complete there may be many.
	// A [*ShippingRefusal] says why something cannot be reported; ErrNotFound when nothing is known of the order or the charge.
	ReportShipping(ctx context.Context, r ShippingReport) (s *Shipment, fresh bool, err error)
	// ReportAgain does what a person decided: the report that failed, or other content, is told to WeChat now. It is written to the audit log, as a
	// decision about the payment's event. ErrState when there is nothing to report, or WeChat has it.
	ReportAgain(ctx context.Context, d ShippingDecision) (*Shipment, error)
	// Shipments returns those of an order, the first charge's first; none is no error.
	Shipments(ctx context.Context, s Scope, orderNo string) ([]Shipment, error)
	// Shipment returns that of a charge, or ErrNotFound.
	Shipment(ctx context.Context, s Scope, chargeID string) (*Shipment, error)
	// ShippingAttempts returns what WeChat was asked about a charge's shipment, oldest first; of more than two hundred the last two hundred. Asking in the
	// daily round is listed when it brought something new.
	ShippingAttempts(ctx context.Context, s Scope, chargeID string) ([]ShippingAttempt, error)

	// ClaimShipments leases shipments that are due and that nobody has leased, the first due first: those whose report is open, or, in the daily round,
	// the other ones whose money is frozen, of which get_order is asked. [Shipment.Step] says what is to be done.
	ClaimShipments(ctx context.Context, c ShipmentClaim) ([]Shipment, error)
	// PostShipping records, for the holder of the lease, that WeChat is about to be told: the attempt is on disk as one that WeChat may have accepted. It
	// returns what is to be posted, which may be newer than what was claimed, and prolongs the lease until the time given. ErrNotFound when the lease is
	// another's by now, ErrState when its Step is no post: then nothing may be posted.
	PostShipping(ctx context.Context, l ShipmentLease, now, until time.Time) (*Shipment, error)
	// ShippingAnswered records what became of an attempt, ends the lease, and says when WeChat is asked next. ErrNotFound when the lease is another's by
	// now: whoever has it asks get_order.
	ShippingAnswered(ctx context.Context, l ShipmentLease, a ShippingAnswer) (*Shipment, error)

	// FindUnshipped gives payments a shipment that have none and whose money WeChat keeps if it manages the program: live ones by [ShippingChannel], created
	// at or after a time; get_order is due of them at once. Of those created before Doubted nobody knows whether WeChat wants a report: they are none of its
	// business (ShipmentUnmanaged) until get_order says so, which is due of the newest first. It looks through a page of them, and says how many it found and where to go on; next is empty at the end.
	FindUnshipped(ctx context.Context, f ShippingSearch) (found int, next string, err error)
	// ListShipments lists shipments by when they were paid, newest first.
	ListShipments(ctx context.Context, f ShipmentFilter) (Page[Shipment], error)
	// ShippingDue says what WeChat has no complete report of: what runs out of its time until a time, what has, and of what the report failed.
	ShippingDue(ctx context.Context, s Scope, now, until time.Time) (*ShippingDue, error)
}

// ShippingReport is what a merchant reports about an order.
type ShippingReport struct {
	Scope    Scope
	OrderNo  string
	ChargeID string // which of its charges; empty: the one that has paid it
	Shipping Shipping
	Now      time.Time
	First    bool // only where nothing was reported: else that comes back as it stands
}

// ShippingDecision is a person's, about the shipment of a charge.
type ShippingDecision struct {
	Scope    Scope
	ChargeID string
	Shipping *Shipping // nil: what was reported last
	Now      time.Time
	By       string // as in [Decision], like the others
	Said     string
	Reason   string
}

// ShipmentClaim asks for shipments that are due.
type ShipmentClaim struct {
	Scope Scope
	Daily bool   // those of the daily round
	Owner string // who asks; unique among all processes. Each lease has an epoch besides
	Now   time.Time
	Until time.Time // when the lease ends
	Limit int
}

// ShipmentLease names a shipment that its holder works on.
type ShipmentLease struct {
	Scope    Scope
	ChargeID string
	Owner    string
	Epoch    int // of the claim
}

// ShippingAnswer is what became of an attempt.
type ShippingAnswer struct {
	Step    ShippingStep
	Result  ShippingResult
	Problem ShippingProblem // unless it is accepted or told
	At      time.Time       // when it began
	Took    time.Duration
	Had     bool // with ShippingAccepted: WeChat had exactly this before, which takes nothing of what it takes

	// What get_order says, with ShippingTold.
	OrderState int       // 1 to ship, 2 shipped, 3 receipt confirmed, 4 done, 5 refunded, 6 to be settled; any other decides nothing
	Finished   int       // finish_shipping_count: complete reports that WeChat has
	Has        bool      // it has what is [Shipment.Posted], or where nothing is, Of
	Of         *Shipping // what was to be posted when it was asked; nil: nothing
}

// ShippingSearch is a page of charges to look through.
type ShippingSearch struct {
	Scope   Scope
	Since   time.Time // created at or after
	Doubted time.Time // created before: it may be that nobody has to report them; zero: none are doubted
	Now     time.Time
	Cursor  string // next of the page before
	Limit   int    // of those that are found: default 50, at most 1000
}

// ShipmentFilter chooses shipments of a scope; its other fields choose all when they are zero.
type ShipmentFilter struct {
	Scope  Scope
	States []ShipmentState
	Stage  ReportStage
	Since  time.Time // paid at or after
	Until  time.Time // paid before
	Cursor string
	Limit  int // default 50, at most 1000
}

// MostDue is how many ShippingDue counts of those that are waiting, and of those that failed: that many means that there may be more.
const MostDue = 3000

// ShippingDue is what WeChat has no complete report of.
type ShippingDue struct {
	Soon, SoonFen int64     // payments, and fen of them, whose time runs out, up to MostDue of each state
	Late, LateFen int64     // those whose time has run out; likewise
	Next          time.Time // when the first of the former runs out; zero: there is none

	// Payments whose report WeChat will not accept as it is, whenever they were paid, up to MostDue: they wait for a person. They are among the others too.
	Failed, FailedFen int64
	FailedOrder       string          // of the one of these that was paid last, its order's number
	Why               ShippingProblem // and why its report failed
}

// Shipped is a shipment on its order's page.
type Shipped struct {
	Shipment Shipment
	Attempts []ShippingAttempt // as ShippingAttempts has them
}

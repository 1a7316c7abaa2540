package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ShippingChannel is the channel whose payments WeChat keeps until it is told how they were shipped, if the program is one that it manages.
const ShippingChannel = "wx_lite"

// ShippingTerm is how long after a payment WeChat waits for that.
const ShippingTerm = 48 * time.Hour

// ShippingSpan is how long it may wait at most, if the buyer agreed to that: presales aside, nothing older can still be in time.
const ShippingSpan = 15 * 24 * time.Hour

// MostParcels is how many parcels a shipment may have in all its parts; of one report it takes what WeChat takes.
const MostParcels = 150

// ShippingNotice is how long before that is over somebody has to hear of it.
const ShippingNotice = 12 * time.Hour

// ShipmentState is how far the money of a payment has come that WeChat keeps.
type ShipmentState string

// The states of a shipment. A report that WeChat has not accepted yet, and parts of one that is not complete, leave it waiting.
const (
	ShipmentWaiting   ShipmentState = "waiting"     // WeChat has no complete report yet
	ShipmentReported  ShipmentState = "reported"    // WeChat has one
	ShipmentConfirmed ShipmentState = "confirmed"   // the buyer has it, or WeChat takes that for granted; the money is on its way
	ShipmentSettled   ShipmentState = "settled"     // the merchant has the money
	ShipmentRefunded  ShipmentState = "refunded"    // the payer has it back, or the charge was reversed
	ShipmentFailed    ShipmentState = "failed"      // WeChat will not accept what was reported: waits for a person
	ShipmentUnmanaged ShipmentState = "not_managed" // WeChat does not keep the money, or has not said yet that it does: see [ShippingSearch]
)

// ShipmentStates are all, in the order of a shipment's life.
var ShipmentStates = []ShipmentState{ShipmentWaiting, ShipmentFailed, ShipmentReported, ShipmentConfirmed, ShipmentSettled, ShipmentRefunded, ShipmentUnmanaged}

// Frozen says that WeChat keeps the money, as far as is known.
func (s ShipmentState) Frozen() bool {
	return s == ShipmentWaiting || s == ShipmentFailed || s == ShipmentReported || s == ShipmentConfirmed
}

// ShippingType is how something gets to the buyer.
type ShippingType string

// The types.
const (
	ShipExpress ShippingType = "express" // by parcels
	ShipLocal   ShippingType = "local"   // within the city
	ShipVirtual ShippingType = "virtual" // nothing that can be carried
	ShipPickup  ShippingType = "pickup"  // the buyer fetches it
)

// Shipping is what a merchant reports about a payment: its content. It is kept as JSON.
type Shipping struct {
	Type     ShippingType `json:"type"`
	Items    string       `json:"items"`             // what was bought, in words for the buyer
	Parcels  []Parcel     `json:"parcels,omitempty"` // of express
	Complete bool         `json:"complete"`          // nothing more is to follow; only express comes in parts
}

// Parcel is one of an express shipping.
type Parcel struct {
	Company    string `json:"company"` // WeChat's code
	TrackingNo string `json:"tracking_no"`
	Items      string `json:"items,omitempty"`   // empty: those of the shipping
	Contact    string `json:"contact,omitempty"` // masked by the caller
}

// Same says that two reports have the same content.
func (s *Shipping) Same(o *Shipping) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Type == o.Type && s.Items == o.Items && s.Complete == o.Complete && slices.EqualFunc(s.Parcels, o.Parcels, Parcel.Same)
}

// Same says that two parcels have the same content. A contact that one of them leaves out is none that its company needs, and of the others the last four
// digits count, by which a company finds the parcel: the same telephone number can be written in several ways.
func (p Parcel) Same(o Parcel) bool {
	same := p.Contact == "" || o.Contact == "" || lastFour(p.Contact) == lastFour(o.Contact)
	p.Contact, o.Contact = "", ""
	return same && p == o
}

func lastFour(contact string) string {
	digits := strings.ReplaceAll(contact, "-", "")
	return digits[max(0, len(digits)-4):]
}

// Check says what no report may be.
func (s *Shipping) Check() error {
	switch {
	case s.Type != ShipExpress && s.Type != ShipLocal && s.Type != ShipVirtual && s.Type != ShipPickup:
		return fmt.Errorf("the type %q is none; use express, local, virtual or pickup", s.Type)
	case s.Items == "":
		return fmt.Errorf("items is empty; say what was bought")
	case s.Type == ShipExpress && len(s.Parcels) == 0:
		return fmt.Errorf("express needs parcels")
	case s.Type != ShipExpress && !s.Complete:
		return fmt.Errorf("%s comes in no parts; only express may be incomplete", s.Type)
	}
	return nil
}

// ReportStage is how far the last report of a shipment has come.
type ReportStage string

// The stages.
const (
	ReportNone   ReportStage = ""       // nothing was reported
	ReportOpen   ReportStage = "open"   // to be told to WeChat, or perhaps told
	ReportDone   ReportStage = "done"   // WeChat has it
	ReportFailed ReportStage = "failed" // WeChat will not accept it, or was asked often enough: see [Shipment.Problem]
)

// Shipment is what WeChat has to know, and has been told, about a payment. It is known by its charge.
type Shipment struct {
	Scope
	ChargeID      string
	OrderNo       string // the merchant's
	TransactionNo string // WeChat's number of the payment; empty: Ping++ has not told it yet
	Payer         string // the openid of who paid
	PayerAppID    string // the WeChat appid that it belongs to
	Amount        int64  // fen that were paid
	Refunded      int64  // fen of them that the payer has back: WeChat keeps the rest
	TimePaid      time.Time

	State    ShipmentState
	Stage    ReportStage
	Shipping *Shipping       // what was reported: the last report, with the parts before it that it joined; nil: nothing
	Told     int             // how many of its parcels WeChat has accepted in parts: the first ones
	Ended    *Shipping       // the report that came last of all parts, as it was made; nil: none was, or no part came before it
	Recorded time.Time       // when the last report was
	Reported time.Time       // when WeChat last accepted something
	Uploads  int             // how many complete reports WeChat has: it takes two, the second being the one correction
	Posted   *Shipping       // what was posted, and may have been accepted or not: get_order is to be asked; nil: nothing
	Problem  ShippingProblem // of the last attempt that did not succeed, while the report is not done; ProblemDiffers of one that gave way to what was entered elsewhere
	Attempts int             // how often WeChat was asked about it, over its whole life

	// How often the report was tried in vain since it is open: in all, those for which WeChat did not know the payment, and those of which nobody
	// knew whether WeChat has accepted it.
	Tries, Missed, Unclear int

	Last  ShippingResult // of the last attempt that ended, since the report is open
	Due   time.Time      // when WeChat is to be asked next; zero: not any more
	Epoch int            // how often it was claimed
}

// Deadline is when WeChat stops waiting for a report.
func (s *Shipment) Deadline() time.Time { return s.TimePaid.Add(ShippingTerm) }

// Step is what is to be done next: a report that may have been posted is not posted again before get_order was asked.
func (s *Shipment) Step() ShippingStep {
	if s.Stage == ReportOpen && s.Posted == nil {
		return ShippingPost
	}
	return ShippingAsk
}

// ShippingStep is what WeChat is asked for.
type ShippingStep string

// The steps.
const (
	ShippingPost ShippingStep = "post" // upload_shipping_info
	ShippingAsk  ShippingStep = "ask"  // get_order
)

// ShippingResult is what became of an attempt.
type ShippingResult string

// The results.
const (
	ShippingAsking    ShippingResult = "asking"    // under way, or its process ended: WeChat may have accepted it
	ShippingAccepted  ShippingResult = "accepted"  // of a post: WeChat has it, or had it
	ShippingTold      ShippingResult = "told"      // get_order answered
	ShippingNotFound  ShippingResult = "not_found" // WeChat does not know the payment, which is normal for minutes
	ShippingTransient ShippingResult = "transient" // surely not accepted, and may be later: WeChat is busy, or could not be reached
	ShippingAgain     ShippingResult = "again"     // surely not accepted, and worth one more attempt
	ShippingUnknown   ShippingResult = "unknown"   // nobody knows: the answer was lost, or says that something else decides
	ShippingFinal     ShippingResult = "final"     // will never be accepted
	ShippingUnmanaged ShippingResult = "unmanaged" // the program is none that WeChat manages
)

// ShippingProblem is why something was not accepted.
type ShippingProblem struct {
	Code string // WeChat's errcode, or one of ours; empty: there is no problem
	Text string // a sentence for the operator
	ZH   string // the same in Chinese; empty: nobody has written it
}

// In is the sentence in a language, zh or en.
func (p ShippingProblem) In(language string) string {
	if language == "zh" && p.ZH != "" {
		return p.ZH
	}
	return p.Text
}

// Codes of problems that the ledger itself sees.
const (
	ProblemInvalid   = "invalid"   // the backend's or the configuration's own report is none
	ProblemUnclear   = "unclear"   // WeChat never said whether it had accepted it
	ProblemDiffers   = "differs"   // WeChat has another report, which did not come from here
	ProblemCorrected = "corrected" // the one correction is used up
	ProblemOver      = "over"      // the money went its way before
)

// ShippingAttempt is what WeChat was once asked, and what came of it.
type ShippingAttempt struct {
	N        int // 1 is the first
	At       time.Time
	Took     time.Duration
	Step     ShippingStep
	Result   ShippingResult
	Problem  ShippingProblem
	State    ShipmentState // of the shipment after it; empty while it is under way
	Shipping *Shipping     // what was posted; nil for an ask
}

// ShippingReason is why something cannot be reported.
type ShippingReason string

// The reasons.
const (
	RefuseTestMode  ShippingReason = "test_mode" // WeChat knows nothing of test payments
	RefuseChannel   ShippingReason = "channel"   // it was not paid in a mini program, or not through this ledger
	RefuseNotPaid   ShippingReason = "not_paid"
	RefuseHeld      ShippingReason = "held" // a person is to decide about the payment, or has decided against it
	RefuseReversed  ShippingReason = "reversed"
	RefuseRefunded  ShippingReason = "refunded"  // whole
	RefuseCorrected ShippingReason = "corrected" // it was reported and corrected: WeChat takes no third report
	RefuseComplete  ShippingReason = "complete"  // a part, where there is a complete report: nothing is added to one
	RefuseParcels   ShippingReason = "parcels"   // more of them than anybody sends
	RefuseOver      ShippingReason = "over"      // receipt is confirmed, or the money is settled
)

// ShippingRefusal is the error for what cannot be reported.
type ShippingRefusal struct {
	Reason  ShippingReason
	OrderNo string
}

func (r *ShippingRefusal) Error() string {
	return "ledger: the shipping of order " + r.OrderNo + " cannot be reported: " + r.Reason.Text()
}

// Text is the reason in words.
func (r ShippingReason) Text() string { return refusals[r] }

var refusals = map[ShippingReason]string{
	RefuseTestMode:  "WeChat knows nothing of payments in test mode",
	RefuseChannel:   "it was not paid by wx_lite through this ledger",
	RefuseNotPaid:   "it is not paid",
	RefuseHeld:      "its payment is held; release it first",
	RefuseReversed:  "its charge is reversed",
	RefuseRefunded:  "it is refunded whole",
	RefuseCorrected: "WeChat has a report and its correction, and takes no more",
	RefuseComplete:  "there is a complete report, to which no part can be added; report all parcels at once, in its place or as its correction",
	RefuseParcels:   fmt.Sprintf("its parts have more than %d parcels", MostParcels),
	RefuseOver:      "its receipt is confirmed, or its money is settled",
}

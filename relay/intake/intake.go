// Package intake is how events come into the ledger: by webhook, or made of what Ping++ answers.
package intake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// Keys of the metadata at Ping++ that are ours.
const (
	MetaOrderNo  = "pay_order_no"  // under which our charges carry the merchant's order number
	MetaRefundNo = "pay_refund_no" // under which our refunds carry the merchant's: it is how one whose answer was lost is found again
)

// Intake is the one path by which an event enters the ledger, however we learned of it.
type Intake struct {
	Scope  ledger.Scope
	Ledger func(context.Context) (ledger.Ledger, error) // opens it on first use
	Types  []string                                     // the event types to deliver, others are recorded only; empty: all
	Now    func() time.Time

	// Deliver delivers a payment that fails a money check at once, with X-Pay-Mismatch, instead of holding it for a person.
	Deliver bool

	// Ships says that shipping is reported for live payments by wx_lite: see [ledger.Event].
	Ships bool

	// Ask looks a charge up at Ping++, whether we know it or not, and if it is paid accepts its payment here before it returns.
	// It is called for a refund whose payment is not recorded, and that is not to be learned on the way: it would take the place of its
	// event, which Ping++ has signed. An error means that Ping++ could not say, and the refund is not accepted. Nil: not available, such
	// a refund is delivered without its payment.
	Ask func(ctx context.Context, chargeID string, arriving *pingpp.Refund) error

	// Observe is told of every event accepted: recorded, held, no_app, duplicate or same_effect. May be nil.
	Observe func(source ledger.Source, result string)

	// Recorded is told of each event that is new, once it is on the disk and its state is known. May be nil.
	Recorded func(*ledger.Event)

	// Span is told that an event is to be accepted, and returns the context for that and what is called at its end. May be nil.
	Span func(ctx context.Context, a Arrival) (context.Context, func(error))

	Logger *zap.Logger // nil: none

	recorder atomic.Pointer[Recorder]
}

// Recorder records an event in the ledger, as [ledger.Events] has it in Append.
type Recorder interface {
	Append(context.Context, *ledger.Event) (ledger.Appended, error)
}

// DeliverBy names the relay that delivers the intake's events, for as long as it runs: it records them in the ledger itself, so that what it takes on
// at once need not be claimed. Before that they are recorded for whoever claims them.
func (in *Intake) DeliverBy(r Recorder) { in.recorder.Store(&r) }

// Arrival is an event that has been verified and bound to the intake's scope.
type Arrival struct {
	Event       *pingpp.Event
	Charge      *ledger.Charge // the charge that it is about (for a refund: the one refunded), as far as known; else nil
	OrderNo     string         // the merchant's order number where the caller knows better; usually empty
	Source      ledger.Source
	Host        string // the public host that the event came in by; a known charge's own host goes before
	Signature   string // X-Pingplusplus-Signature as received; empty when queried
	TraceParent string // W3C traceparent as received; dropped if it is not of that form
	Returned    bool   // of a payment: its charge was reversed on purpose
	NoApp       bool   // nothing says whose it is: it is recorded, not delivered
}

// Accept records an event and queues its delivery, in one write. When it returns without an error, the event is on disk.
// An error means that it may not be: the other side has to come again.
func (in *Intake) Accept(ctx context.Context, a Arrival) (did ledger.Appended, err error) {
	if a.Event == nil || a.Event.ID == "" || a.Event.Type == "" {
		return "", errors.New("relay: an event without id or type cannot be recorded")
	}
	if in.Span != nil {
		spanned, end := in.Span(ctx, a)
		defer func() { end(err) }()
		ctx = spanned
	}
	l, err := in.Ledger(ctx)
	if err != nil {
		return "", err
	}
	if a.Event.Refund != nil && a.Event.Unreadable == nil && in.Ask != nil {
		if a.Charge, err = in.paymentFirst(ctx, l, a); err != nil {
			return "", fmt.Errorf("relay: event %s is about a refund, and the payment of charge %s is not known: %w", a.Event.ID, a.Event.ChargeID, err)
		}
	}
	e := in.event(a)
	var to Recorder = l
	if r := in.recorder.Load(); r != nil {
		to = *r
	}
	did, err = to.Append(ctx, e)
	if err != nil {
		return "", fmt.Errorf("relay: recording event %s: %w", a.Event.ID, err)
	}
	if why := a.Event.Unreadable; why != nil && did == ledger.Recorded && in.Logger != nil {
		in.Logger.Error("money at risk", zap.String("order_no", e.OrderNo), zap.String("charge", e.ChargeID), zap.String("event", e.ID),
			zap.String("type", e.Type), zap.String("reasons", ledger.ReasonUnreadable), zap.NamedError("why", why),
			zap.String("advice", "look at the event's body and at the charge in Ping++'s dashboard, then release or discard the event"))
	}
	in.report(did, e)
	in.refunded(did, e)
	if did == ledger.Recorded && in.Recorded != nil {
		in.Recorded(e)
	}
	return did, nil
}

// paymentFirst sees to it that the payment of a refund is recorded before the refund, so that the backend hears of them in
// that order. It returns the charge as it is known then.
func (in *Intake) paymentFirst(ctx context.Context, l ledger.Ledger, a Arrival) (*ledger.Charge, error) {
	for asked := false; ; asked = true {
		charge, err := l.Charge(ctx, in.Scope, a.Event.ChargeID)
		switch {
		case err == nil && (charge.Paid || asked):
			return charge, nil
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return nil, err
		case asked:
			return a.Charge, nil
		}
		if err := in.Ask(ctx, a.Event.ChargeID, a.Event.Refund); err != nil {
			return nil, err
		}
	}
}

// report tells what became of an event. A payment that fails a money check is the operator's matter at once.
func (in *Intake) report(did ledger.Appended, e *ledger.Event) {
	result := string(did)
	if failed := e.Mismatch(); did == ledger.Recorded && failed != "" && failed != ledger.ReasonUnreadable && in.Logger != nil {
		level, advice := zapcore.ErrorLevel, "compare the order with the charge at Ping++, then release or discard the event"
		switch e.State {
		case ledger.Held:
		case ledger.Discarded:
			level, advice = zapcore.InfoLevel, "nothing is to be done: its money went back, and the backend is not told of it"
		default:
			level, advice = zapcore.WarnLevel, "it is delivered with X-Pay-Mismatch, as events { mismatch deliver } says"
		}
		fields := []zap.Field{zap.String("order_no", e.OrderNo), zap.String("charge", e.ChargeID), zap.String("event", e.ID),
			zap.String("reasons", failed), zap.String("advice", advice)}
		if e.Payment != nil {
			fields = append(fields, zap.Int64("amount", e.Payment.Amount), zap.String("currency", e.Payment.Currency))
		}
		in.Logger.Log(level, map[bool]string{false: "money at risk", true: "payment whose money went back"}[e.State == ledger.Discarded], fields...)
	}
	if in.Observe == nil {
		return
	}
	switch {
	case did == ledger.Recorded && e.State == ledger.Held:
		result = "held"
	case did == ledger.Recorded && slices.Contains(e.Reasons, ledger.ReasonNoApp):
		result = ledger.ReasonNoApp
	}
	in.Observe(e.Source, result)
}

// refunded tells how a refund ended, whether a webhook or a look-up says so.
func (in *Intake) refunded(did ledger.Appended, e *ledger.Event) {
	if e.Refund == nil || did != ledger.Recorded || in.Logger == nil {
		return
	}
	level, message := zapcore.InfoLevel, "refund succeeded"
	fields := []zap.Field{zap.String("order_no", e.OrderNo), zap.String("charge", e.ChargeID), zap.String("event", e.ID),
		zap.String("refund_no", e.Refund.RefundNo), zap.String("refund", e.Refund.ID), zap.Int64("amount", e.Refund.Amount)}
	if e.Refund.State == ledger.RefundFailed {
		level, message = zapcore.WarnLevel, "refund failed"
		fields = append(fields, zap.String("why", strings.TrimSpace(e.Refund.FailureCode+" "+e.Refund.FailureMsg)))
	}
	in.Logger.Log(level, message, fields...)
}

func (in *Intake) event(a Arrival) *ledger.Event {
	ev, now := a.Event, in.Now()
	e := &ledger.Event{
		Scope: in.Scope, ID: ev.ID, Type: ev.Type, ObjectID: ev.ObjectID, ChargeID: ev.ChargeID,
		OrderNo: orderNo(a), Rank: rank(ev.Type), Source: a.Source,
		Created: now, Received: now, Due: now,
		Host: a.Host, Signature: a.Signature, TraceParent: traceParent(a.TraceParent), Body: ev.Raw,
		State: ledger.Pending, Change: change(ev), Payment: payment(ev), Refund: refundChange(ev), Deliver: in.Deliver, Returned: a.Returned, Ships: in.Ships,
	}
	e.Lane = e.OrderNo
	if ev.Created > 0 {
		e.Created = time.Unix(ev.Created, 0)
	}
	if ev.Charge != nil || ev.Refund != nil { // an order's own number is no charge's
		e.Number = ev.OrderNo
	}
	if a.Charge != nil {
		if e.Number == "" {
			e.Number = a.Charge.Number
		}
		if a.Charge.Host != "" {
			e.Host = a.Charge.Host
		}
	}
	switch {
	case ev.Unreadable != nil:
		// Whatever events { types } and mismatch say: the money is at risk all the same, and there is nothing to compare. What it
		// would do to its charge is not known.
		e.State, e.Reasons = ledger.Held, []string{ledger.ReasonUnreadable}
		e.Change, e.Payment, e.Refund, e.Deliver = nil, nil, nil, false
	case a.NoApp:
		e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonNoApp}
	case len(in.Types) > 0 && !slices.Contains(in.Types, ev.Type):
		e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonType}
	}
	return e
}

// orderNo finds the merchant's order number: Ping++'s own has a suffix from an order's second attempt on.
func orderNo(a Arrival) string {
	if a.OrderNo != "" {
		return a.OrderNo
	}
	if a.Charge != nil && a.Charge.OrderNo != "" {
		return a.Charge.OrderNo
	}
	if ch := a.Event.Charge; ch != nil && ch.Metadata[MetaOrderNo] != "" {
		return ch.Metadata[MetaOrderNo]
	}
	return a.Event.OrderNo
}

// rank is an event's place in the life of a payment: money comes before it goes back.
func rank(eventType string) int {
	if strings.HasPrefix(eventType, "refund.") || strings.HasPrefix(eventType, "order_refund.") || eventType == "order.refunded" {
		return 1
	}
	return 0
}

// change is what an event says about its charge. Type and object must agree before money is booked.
func change(ev *pingpp.Event) *ledger.ChargeChange {
	switch {
	case isPayment(ev):
		return &ledger.ChargeChange{Paid: true, TimePaid: timePaid(ev), Reversed: ev.Charge.Reversed}
	case ev.Type == "refund.succeeded" && ev.Refund != nil && (ev.Refund.Succeed || ev.Refund.Status == "succeeded"):
		return &ledger.ChargeChange{Refund: ev.Refund.Amount}
	}
	return nil
}

// payment is what the money checks look at.
func payment(ev *pingpp.Event) *ledger.Payment {
	if ev.Type != "charge.succeeded" || ev.Charge == nil {
		return nil
	}
	return &ledger.Payment{Amount: ev.Charge.Amount, Currency: ev.Charge.Currency, Time: timePaid(ev), TransactionNo: ev.Charge.TransactionNo}
}

func isPayment(ev *pingpp.Event) bool {
	return ev.Type == "charge.succeeded" && ev.Charge != nil && ev.Charge.Paid
}

func timePaid(ev *pingpp.Event) time.Time {
	if ev.Charge.TimePaid != 0 {
		return time.Unix(ev.Charge.TimePaid, 0)
	}
	return time.Unix(ev.Created, 0)
}

var traceParentForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceParent returns a W3C traceparent, or nothing for what does not look like one: it is kept, and comes from outside.
func traceParent(s string) string {
	if !traceParentForm.MatchString(s) {
		return ""
	}
	return s
}

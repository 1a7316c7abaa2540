package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// books is a ledger that says what a test wants of it.
type books struct {
	ledger.Ledger
	did      ledger.Appended
	err      error               // of Append
	decide   func(*ledger.Event) // what the ledger makes of the event; may be nil
	charges  []any               // what Charge says, one after the other: a charge, or an error
	appended *ledger.Event       // the last one
}

func (b *books) Append(_ context.Context, e *ledger.Event) (ledger.Appended, error) {
	b.appended = e
	if b.decide != nil {
		b.decide(e)
	}
	return b.did, b.err
}

func (b *books) Charge(context.Context, ledger.Scope, string) (*ledger.Charge, error) {
	next := b.charges[0]
	b.charges = b.charges[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(*ledger.Charge), nil
}

// accepting is an intake over books, with all that it tells.
type accepting struct {
	*Intake
	books    *books
	lines    *observer.ObservedLogs
	observed []string
	recorded []string
}

func newAccepting(b *books) *accepting {
	core, lines := observer.New(zap.DebugLevel)
	a := &accepting{books: b, lines: lines}
	a.Intake = &Intake{
		Scope: relaytest.Scope, Now: relaytest.NewClock().Now, Ledger: func(context.Context) (ledger.Ledger, error) { return b, nil }, Logger: zap.New(core),
		Observe:  func(source ledger.Source, result string) { a.observed = append(a.observed, string(source)+" "+result) },
		Recorded: func(e *ledger.Event) { a.recorded = append(a.recorded, e.ID) },
	}
	return a
}

func chargeEvent(t *testing.T) *pingpp.Event {
	return parse(t, "evt_1", "charge.succeeded", fmt.Sprintf(chargeJSON, "{}"))
}

// What is told of an event, by what the ledger says of it.
func TestToldOfEvents(t *testing.T) {
	mismatch := func(s ledger.State, reasons ...string) func(*ledger.Event) {
		return func(e *ledger.Event) { e.State, e.Reasons = s, reasons }
	}
	for name, c := range map[string]struct {
		did      ledger.Appended
		decide   func(*ledger.Event)
		arrives  func(*Arrival)
		observed string
		line     string // level, message, and what is advised; empty: none
		amount   any
	}{
		"a payment":              {ledger.Recorded, nil, nil, "webhook recorded", "", nil},
		"again":                  {ledger.Duplicate, nil, nil, "webhook duplicate", "", nil},
		"the same by query":      {ledger.SameEffect, nil, nil, "webhook same_effect", "", nil},
		"held":                   {ledger.Recorded, mismatch(ledger.Held, "amount"), nil, "webhook held", "error money at risk: compare the order with the charge at Ping++, then release or discard the event", int64(100)},
		"held, again":            {ledger.Duplicate, mismatch(ledger.Held, "amount"), nil, "webhook duplicate", "", nil},
		"delivered all the same": {ledger.Recorded, mismatch(ledger.Pending, "amount"), nil, "webhook recorded", "warn money at risk: it is delivered with X-Pay-Mismatch, as events { mismatch deliver } says", int64(100)},
		"its money went back": {ledger.Recorded, mismatch(ledger.Discarded, "paid_twice"), nil, "webhook recorded",
			"info payment whose money went back: nothing is to be done: its money went back, and the backend is not told of it", int64(100)},
		"held, and no payment": {ledger.Recorded, func(e *ledger.Event) { e.State, e.Reasons, e.Payment = ledger.Held, []string{"amount"}, nil }, nil, "webhook held",
			"error money at risk: compare the order with the charge at Ping++, then release or discard the event", nil},
		"nobody's":        {ledger.Recorded, nil, func(a *Arrival) { a.NoApp = true }, "webhook no_app", "", nil},
		"nobody's, again": {ledger.Duplicate, nil, func(a *Arrival) { a.NoApp = true }, "webhook duplicate", "", nil},
		"filtered":        {ledger.Recorded, mismatch(ledger.Filtered, "type"), nil, "webhook recorded", "", nil},
		"unreadable": {ledger.Recorded, nil, func(a *Arrival) { a.Event.Unreadable = errors.New("no amount") }, "webhook held",
			"error money at risk: look at the event's body and at the charge in Ping++'s dashboard, then release or discard the event", nil},
		"unreadable, again": {ledger.Duplicate, nil, func(a *Arrival) { a.Event.Unreadable = errors.New("no amount") }, "webhook duplicate", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := newAccepting(&books{did: c.did, decide: c.decide})
			a := Arrival{Event: chargeEvent(t), Source: ledger.Webhook}
			if c.arrives != nil {
				c.arrives(&a)
			}
			if did, err := in.Accept(t.Context(), a); did != c.did || err != nil {
				t.Fatal(did, err)
			}
			if !slices.Equal(in.observed, []string{c.observed}) {
				t.Errorf("observed %q", in.observed)
			}
			if told := len(in.recorded) == 1; told != (c.did == ledger.Recorded) {
				t.Errorf("told of %q", in.recorded)
			}
			line, amount := "", any(nil)
			for _, l := range in.lines.All() {
				m := l.ContextMap()
				line, amount = line+fmt.Sprintf("%s %s: %s", l.Level, l.Message, m["advice"]), m["amount"]
				if m["event"] != "evt_1" || m["order_no"] != "o1x7" || m["charge"] != "ch_1" || m["reasons"] != strings.Join(in.books.appended.Reasons, ",") || amount != nil && m["currency"] != "cny" {
					t.Errorf("%v", m)
				}
			}
			if line != c.line || amount != c.amount {
				t.Errorf("%q of %v, want %q of %v", line, amount, c.line, c.amount)
			}
			in.Logger, in.Observe, in.Recorded = nil, nil, nil // nobody wants to know
			if did, err := in.Accept(t.Context(), a); did != c.did || err != nil {
				t.Error(did, err)
			}
		})
	}
}

// What is not recorded is an error, and nobody is told of it; a span is, with the context that it gave.
func TestNotAccepted(t *testing.T) {
	broken := errors.New("the disk is full")
	for name, c := range map[string]struct {
		change func(*accepting, *Arrival)
		want   string // the error; empty: none
		spans  int
	}{
		"whole":       {func(*accepting, *Arrival) {}, "", 1},
		"no event":    {func(_ *accepting, a *Arrival) { a.Event = nil }, "relay: an event without id or type cannot be recorded", 0},
		"no id":       {func(_ *accepting, a *Arrival) { a.Event.ID = "" }, "relay: an event without id or type cannot be recorded", 0},
		"no type":     {func(_ *accepting, a *Arrival) { a.Event.Type = "" }, "relay: an event without id or type cannot be recorded", 0},
		"not written": {func(in *accepting, _ *Arrival) { in.books.err = broken }, "relay: recording event evt_1: the disk is full", 1},
		"no ledger": {func(in *accepting, _ *Arrival) {
			in.Ledger = func(context.Context) (ledger.Ledger, error) { return nil, broken }
		}, "the disk is full", 1},
	} {
		t.Run(name, func(t *testing.T) {
			type key struct{}
			in := newAccepting(&books{did: ledger.Recorded})
			a := Arrival{Event: chargeEvent(t), Source: ledger.Webhook}
			c.change(in, &a)
			spans, open := 0, in.Ledger
			in.Span = func(ctx context.Context, of Arrival) (context.Context, func(error)) {
				return context.WithValue(ctx, key{}, of.Event.ID), func(err error) {
					if spans++; (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
						t.Errorf("the span ends with %v", err)
					}
				}
			}
			in.Ledger = func(ctx context.Context) (ledger.Ledger, error) {
				if ctx.Value(key{}) != "evt_1" {
					t.Error("not the span's context")
				}
				return open(ctx)
			}
			_, err := in.Accept(t.Context(), a)
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want || spans != c.spans {
				t.Errorf("%v, and %d spans have ended", err, spans)
			}
			if told := len(in.observed) + len(in.recorded); told > 0 != (c.want == "") {
				t.Errorf("%q, %q", in.observed, in.recorded)
			}
		})
	}
}

// Ping++ is asked for the payment of a refund that is not recorded, once; and the refund waits as long as it cannot say.
func TestPaymentBeforeItsRefund(t *testing.T) {
	paid := &ledger.Charge{ID: "ch_1", OrderNo: "o1", Number: "o1x7", Host: "pay.example.com", Paid: true}
	unpaid := &ledger.Charge{ID: "ch_1", OrderNo: "o2", Number: "o2x7", Host: "two.example.com"}
	arrived := &ledger.Charge{ID: "ch_1", OrderNo: "o3", Number: "o3x7", Host: "three.example.com"}
	broken := errors.New("the disk is full")
	const unknown = "relay: event evt_1 is about a refund, and the payment of charge ch_1 is not known: "
	for name, c := range map[string]struct {
		charges []any
		ask     error
		asked   int
		order   string // of the event that is recorded
		want    string // the error
	}{
		"known":                {[]any{paid}, nil, 0, "o1", ""},
		"learned":              {[]any{unpaid, paid}, nil, 1, "o1", ""},
		"learned, and new":     {[]any{ledger.ErrNotFound, paid}, nil, 1, "o1", ""},
		"not paid either":      {[]any{unpaid, unpaid}, nil, 1, "o2", ""},
		"not there either":     {[]any{ledger.ErrNotFound, ledger.ErrNotFound}, nil, 1, "o3", ""},
		"gone":                 {[]any{unpaid, ledger.ErrNotFound}, nil, 1, "o3", ""},
		"Ping++ does not say":  {[]any{unpaid}, errors.New("timeout"), 1, "", unknown + "timeout"},
		"the ledger is broken": {[]any{broken}, nil, 0, "", unknown + "the disk is full"},
		"it breaks meanwhile":  {[]any{unpaid, broken}, nil, 1, "", unknown + "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			in, asked := newAccepting(&books{did: ledger.Recorded, charges: c.charges}), 0
			in.Ask = func(_ context.Context, id string, re *pingpp.Refund) error {
				if asked++; id != "ch_1" || re.ID != "re_1" || asked > 9 {
					t.Fatalf("asked for %s, %+v, %d times", id, re, asked)
				}
				return c.ask
			}
			_, err := in.Accept(t.Context(), Arrival{Event: parse(t, "evt_1", "refund.succeeded", fmt.Sprintf(refundJSON, "")), Charge: arrived, Source: ledger.Webhook, Host: "hook.example.com"})
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want || asked != c.asked {
				t.Errorf("%v after %d questions, want %q after %d", err, asked, c.want, c.asked)
			}
			if e := in.books.appended; c.order != "" && (e.OrderNo != c.order || e.Number != c.order+"x7" || !strings.HasSuffix(e.Host, ".example.com") || e.Host == "hook.example.com") {
				t.Errorf("%+v", e)
			}
		})
	}
	// Nobody is asked about an event that is no refund, or cannot be read, or where nobody can be asked.
	for name, change := range map[string]func(*accepting, *Arrival){
		"a payment":     func(_ *accepting, a *Arrival) { a.Event = chargeEvent(t) },
		"unreadable":    func(_ *accepting, a *Arrival) { a.Event.Unreadable = errors.New("no amount") },
		"nobody to ask": func(in *accepting, _ *Arrival) { in.Ask = nil },
	} {
		in := newAccepting(&books{did: ledger.Recorded})
		in.Ask = func(context.Context, string, *pingpp.Refund) error { t.Errorf("%s: asked", name); return nil }
		a := Arrival{Event: parse(t, "evt_1", "refund.succeeded", fmt.Sprintf(refundJSON, "")), Charge: arrived, Source: ledger.Webhook}
		change(in, &a)
		if did, err := in.Accept(t.Context(), a); did != ledger.Recorded || err != nil {
			t.Errorf("%s: %s %v", name, did, err)
		}
	}
}

// What an event is made of where it says little itself.
func TestEventMadeOfArrival(t *testing.T) {
	in := newAccepting(&books{})
	in.Types, in.Deliver = []string{"charge.succeeded"}, true
	at := in.Now()
	for name, c := range map[string]struct {
		a    Arrival
		want func(*ledger.Event) bool
	}{
		"a payment": {Arrival{Event: chargeEvent(t), Returned: true, Host: "hook.example.com"}, func(e *ledger.Event) bool {
			return e.Deliver && e.Returned && e.Payment != nil && e.Payment.Amount == 100 && e.Payment.Currency == "cny" && e.Payment.Time.Equal(time.Unix(1790000000, 0)) &&
				e.State == ledger.Pending && e.ObjectID == "ch_1" && e.Due.Equal(at) && e.Lane == "o1x7" && e.Host == "hook.example.com"
		}},
		"unreadable": {Arrival{Event: func() *pingpp.Event { ev := chargeEvent(t); ev.Unreadable = errors.New("x"); return ev }()}, func(e *ledger.Event) bool {
			return !e.Deliver && e.Payment == nil && e.Change == nil && e.Refund == nil && e.State == ledger.Held
		}},
		"a type that is not wanted": {Arrival{Event: parse(t, "evt_1", "refund.succeeded", fmt.Sprintf(refundJSON, "n1"))}, func(e *ledger.Event) bool {
			return e.State == ledger.Filtered && e.Reasons[0] == ledger.ReasonType && e.Refund != nil && e.Refund.ID == "re_1" && e.Refund.Amount == 40 && e.Number == "n1"
		}},
		"nobody's, of a type that is not wanted": {Arrival{Event: parse(t, "evt_1", "order.succeeded", orderJSON), NoApp: true}, func(e *ledger.Event) bool {
			return e.State == ledger.Filtered && e.Reasons[0] == ledger.ReasonNoApp && e.Number == "" && e.OrderNo == "mo1"
		}},
		"our charge on another host, by another number": {Arrival{Event: chargeEvent(t), Charge: &ledger.Charge{Number: "other", OrderNo: "o9"}, Host: "hook.example.com"}, func(e *ledger.Event) bool {
			return e.Number == "o1x7" && e.Host == "hook.example.com" && e.OrderNo == "o9" && e.Lane == "o9"
		}},
		"by a name of the caller's": {Arrival{Event: chargeEvent(t), Charge: &ledger.Charge{OrderNo: "o9", Host: "own.example.com"}, OrderNo: "o8", Host: "hook.example.com"}, func(e *ledger.Event) bool {
			return e.OrderNo == "o8" && e.Host == "own.example.com"
		}},
		"of a charge without an order": {Arrival{Event: chargeEvent(t), Charge: &ledger.Charge{}}, func(e *ledger.Event) bool { return e.OrderNo == "o1x7" }},
		"made at no time": {Arrival{Event: &pingpp.Event{ID: "evt_1", Type: "charge.succeeded", Charge: &pingpp.Charge{Paid: true}}}, func(e *ledger.Event) bool {
			return e.Created.Equal(at) && e.Payment.Time.Equal(time.Unix(0, 0))
		}},
	} {
		if e := in.event(c.a); !c.want(e) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

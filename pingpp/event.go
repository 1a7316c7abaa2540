package pingpp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Event is what a webhook brings, or [Client.GetEvent]: something happened to an object.
type Event struct {
	ID       string // evt_…; evt_h_ and a hash of the bytes where they hold no id that can be used
	Type     string // charge.succeeded, refund.succeeded, …; UnknownType where it cannot be read
	Created  int64  // Unix seconds; 0 where it cannot be read
	Livemode bool

	// ModeUnknown says that neither the event nor its object says which mode it belongs to; Livemode means nothing then.
	ModeUnknown bool

	ObjectType string // data.object.object: charge, refund, order, app_daily_summary, …; may be empty
	ObjectID   string // data.object.id; empty for summaries, which have none
	App        string // the app that the object belongs to, or else the event's scope if that is an app; empty when neither says
	ReceiptApp string // the app that receives an order's money; may be empty
	ChargeID   string // the charge it is about, if it names one
	OrderNo    string // the Ping++ order number of that charge; of an order or its refund the merchant_order_no; else empty

	Object json.RawMessage // data.object, byte for byte; nil when there is none
	Charge *Charge         // of a charge that can be read
	Refund *Refund         // of a refund that can be read
	Raw    []byte          // the whole body, byte for byte

	// Unreadable says why an event about a payment or a refund cannot be acted on: what decides about money is missing, says two
	// things, or is not of its form. What could be read of it is in the other fields. Nil for all others.
	Unreadable error
}

// UnknownType stands for the type of an event that does not say it.
const UnknownType = "unknown"

var errNotEvent = errors.New("not an event: it has neither a type nor data")

// ParseEvent reads a webhook's body, whose signature has been verified before. It takes every event, whatever its form: what it
// cannot read stays empty, and where money hangs on that, Unreadable says so. An error means that the body is no event at all: not
// one JSON object, or one that is something else, such as an answer of Ping++'s API, which is signed too. The event keeps slices
// of body.
func ParseEvent(body []byte) (*Event, error) {
	e, err := parseEvent(body)
	if err != nil {
		return nil, fmt.Errorf("pingpp: event: %w", err)
	}
	return e, nil
}

func parseEvent(body []byte) (*Event, error) {
	text := bytes.TrimPrefix(body, []byte("\uFEFF"))
	if err := checkJSON(text); err != nil {
		return nil, err
	}
	o, twice, err := splitLast(document(text))
	if err != nil {
		return nil, err
	}
	kind := loose(o.get("object"))
	if !o.has("type") && !o.has("data") || kind != "" && kind != "event" && !(o.has("type") && o.has("data")) {
		return nil, errNotEvent
	}
	e := &Event{Raw: body}
	e.doubt(o.settle("the event", twice))
	e.ID, e.Type, e.Created = lenient{o}.id("id"), lenient{o}.text("type"), lenient{o}.moment("created")
	if e.ID == "" {
		sum := sha256.Sum256(body)
		e.ID = "evt_h_" + hex.EncodeToString(sum[:16])
	}
	if !validType(e.Type) {
		e.Type = UnknownType
	}
	data, twice := nested(o, "data")
	e.doubt(data.settle("data", twice))
	about, twice := nested(data, "object")
	e.doubt(about.settle("data.object", twice))
	if about != nil {
		e.Object = data.get("object").raw
	}
	e.readMode(o, about)
	e.readObject(about)
	scope := lenient{o}.id("scope")
	if e.App == "" && strings.HasPrefix(scope, "app_") {
		e.App = scope
	}
	if !e.aboutMoney() {
		e.Unreadable = nil
	}
	return e, nil
}

// doubt keeps the first reason why the event may not say what it means.
func (e *Event) doubt(why error) {
	if e.Unreadable == nil {
		e.Unreadable = why
	}
}

// settle takes out what an object says twice, since nobody can tell which is meant.
func (o *object) settle(name string, twice []string) error {
	if len(twice) == 0 {
		return nil
	}
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return slices.Contains(twice, m.key) })
	return fmt.Errorf("%s has the key %q twice", name, clean(twice[0], maxWord))
}

// nested returns a member that is an object, nil for one that is none.
func nested(o *object, key string) (in *object, twice []string) {
	if o.has(key) {
		in, twice, _ = splitLast(o.get(key))
	}
	return in, twice
}

// readMode goes by the event, and where it does not say by its object.
func (e *Event) readMode(o, about *object) {
	mode := func(o *object) (live, known bool) {
		r := reader{object: o}
		live = r.mustFlag("livemode")
		return live, r.err == nil
	}
	live, known := mode(o)
	objectLive, objectKnown := mode(about)
	switch {
	case !known && !objectKnown:
		e.ModeUnknown = true
		e.doubt(errors.New("event.livemode is not true or false"))
	case !known:
		e.Livemode = objectLive
	default:
		e.Livemode = live
		if objectKnown && objectLive != live {
			e.doubt(errors.New("data.object.livemode is not that of its event"))
		}
	}
}

// aboutMoney says that a backend acts on the event with goods or money.
func (e *Event) aboutMoney() bool {
	kind, _, _ := strings.Cut(e.Type, ".")
	if e.Type == UnknownType {
		kind = e.ObjectType
	}
	return kind == "charge" || kind == "refund" || kind == "order"
}

func (e *Event) readObject(o *object) {
	soft := lenient{o}
	e.ObjectType, e.ObjectID, e.App = soft.text("object"), soft.id("id"), cmp.Or(soft.ref("app"), soft.id("app_id")) // app_id: summaries
	kind, _, _ := strings.Cut(e.Type, ".")
	if (kind == "charge" || kind == "refund" || kind == "order") && e.ObjectType != kind {
		e.doubt(fmt.Errorf("data.object is not a %s", kind))
	}
	switch e.ObjectType {
	case "charge":
		e.ChargeID, e.OrderNo = e.ObjectID, soft.text("order_no")
		ch, err := readCharge(o, e.Object)
		switch {
		case err != nil:
			e.doubt(err)
		case e.Type == "charge.succeeded" && !ch.Paid:
			e.doubt(errors.New("charge.paid is false, and the event says that it succeeded"))
		}
		e.Charge = ch
	case "refund":
		e.ChargeID, e.OrderNo = soft.ref("charge"), soft.text("charge_order_no")
		re, err := readRefund(o, e.Object)
		if err != nil {
			e.doubt(err)
		}
		e.Refund = re
	case "order":
		// No more than the delivery needs: an order's amounts decide nothing here.
		r := reader{object: o, name: "order"}
		r.mustID("id")
		r.must("merchant_order_no")
		e.doubt(r.err)
		e.ReceiptApp = soft.ref("receipt_app")
		e.readOrderNo(soft)
	case "order_refund":
		e.readOrderNo(soft)
	default:
		e.ChargeID = soft.ref("charge")
		if expanded, _ := nested(o, "charge"); expanded != nil { // recharges
			e.OrderNo = (lenient{expanded}).text("order_no")
		}
	}
}

func (e *Event) readOrderNo(soft lenient) {
	e.ChargeID, e.OrderNo = soft.ref("charge"), soft.text("merchant_order_no")
}

// lenient reads members of which none is needed: what is not of its form is like nothing.
type lenient struct{ *object }

func (l lenient) read(take func(r *reader) string) string {
	r := reader{object: l.object}
	s := take(&r)
	if r.err != nil {
		return ""
	}
	return s
}

func (l lenient) text(key string) string {
	return l.read(func(r *reader) string { return r.text(key) })
}
func (l lenient) id(key string) string  { return l.read(func(r *reader) string { return r.id(key) }) }
func (l lenient) ref(key string) string { return l.read(func(r *reader) string { return r.ref(key) }) }

func (l lenient) moment(key string) int64 { return (&reader{object: l.object}).moment(key) }

// validType says whether s has the form of an event type: it may go into a header and a log line.
func validType(s string) bool {
	for i := range len(s) {
		b := s[i]
		if b != '.' && b != '_' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// GetEvent asks for an event by its id. Raw is the answer as it came: it carries no webhook's signature, and is trusted for
// the connection and the key it came by. Any error is an *[Error]: of kind NotFound when Ping++ has no such event, and
// Foreign when it belongs to the other mode or names another app. An object that names no app, as a refund, is yet to be
// bound to one through its charge.
func (c *Client) GetEvent(ctx context.Context, id string) (*Event, error) {
	r := request{op: "get event", method: http.MethodGet, target: "/v1/events/" + id}
	return fetch(ctx, c, r, func(raw []byte) (*Event, error) {
		e, err := parseEvent(raw)
		switch {
		case err != nil:
		case e.ID != id:
			err = mismatch("id", e.ID, id)
		case !e.ModeUnknown && e.Livemode != c.live || e.App != "" && !e.Concerns(c.app):
			err = errForeign
		}
		return e, err
	}, id)
}

// Concerns says whether the event's object names an app as its own: the one that it belongs to or, of an order, the one that
// receives the money.
func (e *Event) Concerns(app string) bool { return app != "" && (e.App == app || e.ReceiptApp == app) }

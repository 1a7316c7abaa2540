package pingpp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Event is what a webhook brings, or [Client.GetEvent]: something happened to an object.
type Event struct {
	ID       string // evt_…
	Type     string // charge.succeeded, refund.succeeded, …
	Created  int64  // Unix seconds
	Livemode bool

	ObjectType string // data.object.object: charge, refund, order, app_daily_summary, …; may be empty
	ObjectID   string // data.object.id; empty for summaries, which have none
	App        string // the app that the object belongs to; empty when it does not say, as a refund
	ReceiptApp string // the app that receives an order's money; may be empty
	ChargeID   string // the charge it is about, if it names one
	OrderNo    string // the Ping++ order number of that charge; an order's merchant_order_no; else empty

	Object json.RawMessage // data.object, byte for byte
	Charge *Charge         // when ObjectType is charge
	Refund *Refund         // when ObjectType is refund
	Raw    []byte          // the whole body, byte for byte
}

// ParseEvent reads a webhook's body, whose signature has been verified before. An error means that the body is no event:
// empty, not one JSON object, a key twice, the id, type, livemode or data.object missing or not of their form, or a charge
// or refund in it that cannot be read. The event keeps slices of body.
func ParseEvent(body []byte) (*Event, error) {
	e, err := parseEvent(body)
	if err != nil {
		return nil, fmt.Errorf("pingpp: event: %w", err)
	}
	return e, nil
}

func parseEvent(body []byte) (*Event, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	r := reader{object: o, name: "event"}
	e := &Event{
		ID: r.mustID("id"), Type: r.must("type"), Created: r.number("created"), Livemode: r.mustFlag("livemode"), Raw: body,
	}
	if !validType(e.Type) {
		r.fail("type", "an event type like charge.succeeded")
	}
	if r.has("object") && r.text("object") != "event" {
		r.fail("object", `"event"`)
	}
	if r.err != nil {
		return nil, r.err
	}
	data, err := member(o, "data")
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	object, err := member(data, "object")
	if err != nil {
		return nil, fmt.Errorf("data.object: %w", err)
	}
	e.Object = data["object"]
	if err := e.readObject(object); err != nil {
		return nil, err
	}
	return e, nil
}

func member(o object, key string) (object, error) {
	if !o.has(key) {
		return nil, errNotObject
	}
	return split(o[key])
}

func (e *Event) readObject(o object) error {
	r := reader{object: o, name: "data.object"}
	e.ObjectType = r.text("object")
	e.App = r.ref("app")
	if e.App == "" {
		e.App = r.id("app_id") // summaries
	}
	switch e.ObjectType {
	case "charge":
		ch, err := readCharge(o, e.Object)
		if err != nil {
			return err
		}
		if ch.Livemode != e.Livemode {
			r.fail("livemode", "that of its event")
		}
		e.Charge, e.ObjectID, e.ChargeID, e.OrderNo = ch, ch.ID, ch.ID, ch.OrderNo
	case "refund":
		re, err := readRefund(o, e.Object)
		if err != nil {
			return err
		}
		e.Refund, e.ObjectID, e.ChargeID, e.OrderNo = re, re.ID, re.ChargeID, re.OrderNo
	case "order":
		// No more than the delivery needs: an order's amounts decide nothing here, so one that cannot be read loses no event.
		e.ObjectID, e.ChargeID, e.OrderNo = r.mustID("id"), r.ref("charge"), r.must("merchant_order_no")
		e.ReceiptApp = r.ref("receipt_app")
	default:
		e.ObjectID = r.id("id")
	}
	return r.err
}

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
	r := request{op: "get event", method: http.MethodGet, target: "/v1/events/" + id, secrets: c.secrets(nil)}
	raw, failed := c.ask(ctx, r, id)
	if failed != nil {
		return nil, failed
	}
	e, err := parseEvent(raw)
	if err == nil && e.ID != id {
		err = mismatch("id", e.ID, id)
	}
	if err != nil {
		return nil, r.malformed(http.StatusOK, err)
	}
	if e.Livemode != c.live || e.App != "" && !e.Concerns(c.app) {
		return nil, r.foreign()
	}
	return e, nil
}

// Concerns says whether the event's object names an app as its own: the one that it belongs to or, of an order, the one that
// receives the money.
func (e *Event) Concerns(app string) bool { return app != "" && (e.App == app || e.ReceiptApp == app) }

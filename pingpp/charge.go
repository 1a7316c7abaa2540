package pingpp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// ChargeParams is what a charge is made of. All fields up to Body are required.
type ChargeParams struct {
	OrderNo  string // unique for the merchant; how long it may be depends on the channel (WeChat: 2 to 32 characters)
	Channel  string // wx_lite, wx_pub, alipay_wap, …
	Amount   int64  // fen, more than 0
	Currency string // cny
	ClientIP string // the payer's address
	Subject  string // at most 32 characters
	Body     string // at most 128 characters

	// Extra is what the channel needs besides, for example open_id for wx_lite. Empty: not sent.
	Extra map[string]any

	// TimeExpire is when the charge lapses, in Unix seconds; 0: not sent, and Ping++'s default holds (WeChat: 2 hours).
	TimeExpire int64

	// Metadata comes back in the charge and in its events: at most 10 flat pairs, 1000 characters in all.
	Metadata map[string]any

	Description string // at most 255 characters; empty: not sent
}

// Charge is a payment at Ping++.
type Charge struct {
	ID             string // ch_…
	App            string // the app's id, also when the answer had the whole app
	Channel        string
	OrderNo        string
	ClientIP       string
	Currency       string
	Subject, Body  string
	Created        int64 // Unix seconds, as all times here
	Livemode       bool
	Paid           bool
	Refunded       bool  // there is a refund, whatever became of it
	Reversed       bool  // canceled; false in objects of before 2017
	Amount         int64 // fen
	AmountSettle   int64 // fen
	AmountRefunded int64 // fen
	TimePaid       int64 // 0 while it is not paid
	TimeExpire     int64
	TransactionNo  string // the channel's number, once it is paid
	FailureCode    string
	FailureMsg     string
	Metadata       map[string]string // values that are no strings as their JSON text

	Credential json.RawMessage // what the client needs to pay; empty or {} after payment and in events
	Extra      json.RawMessage
	Raw        json.RawMessage // the charge as it came, byte for byte
}

// ParseCharge reads a charge object. Fields that decide about money must be there and say one thing: a number may come as text or
// with a fraction of zero, a yes or no as 1 or 0, an order number as a number. App may be an id or the expanded app; extra, metadata
// and credential may be [], and null or "" stands for zero. The charge keeps slices of raw.
func ParseCharge(raw []byte) (*Charge, error) {
	ch, err := parseCharge(raw)
	if err != nil {
		return nil, fmt.Errorf("pingpp: %w", err)
	}
	return ch, nil
}

func parseCharge(raw []byte) (*Charge, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	return readCharge(o, raw)
}

func readCharge(o *object, raw []byte) (*Charge, error) {
	r := reader{object: o, name: "charge"}
	ch := &Charge{
		ID: r.mustID("id"), App: r.ref("app"), Channel: r.must("channel"), OrderNo: r.must("order_no"),
		Currency: r.must("currency"), Amount: r.mustMoney("amount"),
		Livemode: r.mustFlag("livemode"), Paid: r.mustFlag("paid"), Refunded: r.flag("refunded"), Reversed: r.flag("reversed"),
		AmountSettle: r.count("amount_settle"), AmountRefunded: r.money("amount_refunded"),
		Created: r.moment("created"), TimePaid: r.moment("time_paid"), TimeExpire: r.moment("time_expire"),
		ClientIP: r.note("client_ip"), Subject: r.note("subject"), Body: r.note("body"),
		TransactionNo: r.note("transaction_no"), FailureCode: r.note("failure_code"), FailureMsg: r.note("failure_msg"),
		Metadata: r.pairs("metadata"), Credential: o.get("credential").raw, Extra: o.get("extra").raw, Raw: raw,
	}
	if kind := r.text("object"); kind != "charge" {
		r.fail("object", `"charge"`)
	}
	if ch.App == "" {
		r.fail("app", "an app")
	}
	if r.err != nil {
		return nil, r.err
	}
	return ch, nil
}

// Expires is TimeExpire as a time; zero where Ping++ names none.
func (ch *Charge) Expires() time.Time {
	if ch.TimeExpire == 0 {
		return time.Time{}
	}
	return time.Unix(ch.TimeExpire, 0)
}

// chargeBody is the request's JSON. The order of the fields is the one that Ping++'s own examples have.
type chargeBody struct {
	OrderNo string `json:"order_no"`
	App     struct {
		ID string `json:"id"`
	} `json:"app"`
	Channel     string         `json:"channel"`
	Amount      int64          `json:"amount"`
	Currency    string         `json:"currency"`
	ClientIP    string         `json:"client_ip"`
	Subject     string         `json:"subject"`
	Body        string         `json:"body"`
	Extra       map[string]any `json:"extra,omitempty"`
	TimeExpire  int64          `json:"time_expire,omitempty"`
	Metadata    map[string]any `json:"metadata,omitempty"`
	Description string         `json:"description,omitempty"`
}

// CreateCharge creates a charge and returns it if it is the one that p describes. Any error is an *[Error]; when its
// Unknown is true, the charge may exist at Ping++. The request is sent again only when it surely came to nothing.
func (c *Client) CreateCharge(ctx context.Context, p *ChargeParams) (*Charge, error) {
	r := request{op: "create charge", method: http.MethodPost, target: "/v1/charges"}
	if r.body, r.err = c.encodeCharge(p); p != nil {
		r.payer = p.Extra
	}
	return fetch(ctx, c, r, func(raw []byte) (*Charge, error) {
		ch, err := parseCharge(raw)
		if err == nil {
			err = c.matches(p, ch)
		}
		return ch, err
	})
}

func (c *Client) encodeCharge(p *ChargeParams) ([]byte, error) {
	if p == nil {
		return nil, errors.New("no parameters")
	}
	if err := checkPurchase(p.Amount, p.TimeExpire, [2]string{"order number", p.OrderNo}, [2]string{"channel", p.Channel}, [2]string{"currency", p.Currency},
		[2]string{"client address", p.ClientIP}, [2]string{"subject", p.Subject}, [2]string{"body", p.Body}); err != nil {
		return nil, err
	}
	b := chargeBody{
		OrderNo: p.OrderNo, Channel: p.Channel, Amount: p.Amount, Currency: p.Currency, ClientIP: p.ClientIP, Subject: p.Subject,
		Body: p.Body, Extra: p.Extra, TimeExpire: p.TimeExpire, Metadata: p.Metadata, Description: p.Description,
	}
	b.App.ID = c.app
	return encodeBody(b)
}

// encodeBody writes a request's JSON.
func encodeBody(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // a subject with & stays readable in Ping++'s dashboard logs
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// matches refuses a charge other than the one asked for: whoever pays it would pay something else.
func (c *Client) matches(p *ChargeParams, ch *Charge) error {
	return agree(is{"app", ch.App, c.app}, is{"livemode", ch.Livemode, c.live}, is{"order_no", ch.OrderNo, p.OrderNo}, is{"channel", ch.Channel, p.Channel},
		is{"amount", ch.Amount, p.Amount}, is{"currency", strings.ToLower(ch.Currency), strings.ToLower(p.Currency)})
}

// GetCharge asks for a charge by its id. Any error is an *[Error]: of kind NotFound when Ping++ has no such charge, and
// Foreign when it belongs to another app or the other mode.
func (c *Client) GetCharge(ctx context.Context, id string) (*Charge, error) {
	return c.askCharge(ctx, request{op: "get charge", method: http.MethodGet, target: "/v1/charges/" + id}, id)
}

// ReverseCharge cancels a charge, so that nobody can pay it any more, and returns it reversed. Which charges allow it depends
// on the channel: WeChat and Alipay take unpaid ones, and Ping++ advises not to reverse a WeChat charge right after its
// creation. Any error is an *[Error]; a charge that was paid meanwhile is refused (Code charge_unexpected_status). When
// Unknown is true the charge may be reversed or not: ask with [Client.GetCharge]. The request is sent again only when it
// surely came to nothing.
func (c *Client) ReverseCharge(ctx context.Context, id string) (*Charge, error) {
	r := request{op: "reverse charge", method: http.MethodPost, target: "/v1/charges/" + id + "/reverse", body: []byte("{}")}
	return c.askCharge(ctx, r, id, func(ch *Charge) error { return agree(is{"reversed", ch.Reversed, true}) })
}

// askCharge sends a request about one charge of the app's own.
func (c *Client) askCharge(ctx context.Context, r request, id string, checks ...func(*Charge) error) (*Charge, error) {
	return fetchOne(ctx, c, r, id, c.parseOwnCharge, func(ch *Charge) string { return ch.ID }, checks...)
}

// parseOwnCharge reads a charge and refuses one that is not the app's.
func (c *Client) parseOwnCharge(raw []byte) (*Charge, error) {
	ch, err := parseCharge(raw)
	if err == nil && (ch.App != c.app || ch.Livemode != c.live) {
		err = errForeign
	}
	return ch, err
}

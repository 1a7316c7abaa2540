package pingpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// OrderParams is what a Ping++ order is made of. All fields up to Body are required.
type OrderParams struct {
	MerchantOrderNo string // 8 to 20 letters and digits, unique for the merchant
	Amount          int64  // fen, more than 0
	Currency        string // cny
	ClientIP        string // the payer's address
	Subject         string // at most 32 characters
	Body            string // at most 128 characters

	UID         string         // the user at Ping++ that the order belongs to; empty: not sent
	ReceiptApp  string         // the app that receives the money; empty: not sent, and it is the client's own
	ServiceApp  string         // the app that does the service; empty: not sent
	TimeExpire  int64          // Unix seconds; 0: not sent
	Metadata    map[string]any // at most 10 flat pairs, 1000 characters in all
	Description string         // at most 255 characters; empty: not sent
}

// PayOrderParams is how an order is to be paid. Channel and ChargeAmount are required.
type PayOrderParams struct {
	Channel       string         // wx_lite, wx_pub, …
	ChargeAmount  int64          // fen, at most what is left to pay
	ChargeOrderNo string         // the charge's own order number; empty: not sent, and Ping++ chooses
	Extra         map[string]any // what the channel needs, as for a charge
	TimeExpire    int64          // of the charge, Unix seconds; 0: not sent
}

// Order is an order at Ping++, which charges of several channels may pay.
type Order struct {
	ID              string // digits
	App             string
	ReceiptApp      string // the app that receives the money; may be empty
	MerchantOrderNo string
	Status          string // created, paid, refunded or canceled
	Created         int64  // Unix seconds, as all times here
	Livemode        bool
	Paid            bool
	Refunded        bool
	Amount          int64 // fen, as all amounts here
	ActualAmount    int64 // the amount less the coupon's
	AmountPaid      int64
	AmountRefunded  int64
	Currency        string
	TimePaid        int64 // 0 while it is not paid
	TimeExpire      int64
	ChargeID        string // the charge that pays or paid it; empty before the first
	Metadata        map[string]string

	ChargeEssentials json.RawMessage // what the client needs to pay: channel, credential, extra
	Raw              json.RawMessage // the order as it came, byte for byte
}

// parseOrder reads an order object, as strictly as [ParseCharge] does a charge. The order keeps slices of raw.
func parseOrder(raw []byte) (*Order, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	r := reader{object: o, name: "order"}
	or := &Order{
		ID: r.mustID("id"), App: r.ref("app"), ReceiptApp: r.ref("receipt_app"), MerchantOrderNo: r.must("merchant_order_no"),
		Status: r.must("status"), Created: r.number("created"), Livemode: r.mustFlag("livemode"), Paid: r.mustFlag("paid"),
		Refunded: r.flag("refunded"), Amount: r.mustMoney("amount"), ActualAmount: r.money("actual_amount"),
		AmountPaid: r.money("amount_paid"), AmountRefunded: r.money("amount_refunded"), Currency: r.must("currency"),
		TimePaid: r.number("time_paid"), TimeExpire: r.number("time_expire"), ChargeID: r.ref("charge"),
		Metadata: r.pairs("metadata"), ChargeEssentials: o.get("charge_essentials").raw, Raw: raw,
	}
	if kind := r.text("object"); kind != "order" {
		r.fail("object", `"order"`)
	}
	if or.App == "" {
		r.fail("app", "an app")
	}
	if r.err != nil {
		return nil, r.err
	}
	return or, nil
}

// orderBody is the request's JSON. An order's app is plain text, unlike a charge's.
type orderBody struct {
	App             string         `json:"app"`
	MerchantOrderNo string         `json:"merchant_order_no"`
	UID             string         `json:"uid,omitempty"`
	Amount          int64          `json:"amount"`
	Currency        string         `json:"currency"`
	ClientIP        string         `json:"client_ip"`
	Subject         string         `json:"subject"`
	Body            string         `json:"body"`
	ReceiptApp      string         `json:"receipt_app,omitempty"`
	ServiceApp      string         `json:"service_app,omitempty"`
	TimeExpire      int64          `json:"time_expire,omitempty"`
	Metadata        map[string]any `json:"metadata,omitempty"`
	Description     string         `json:"description,omitempty"`
}

// CreateOrder creates an order and returns it if it is the one that p describes; it can be paid then with [Client.PayOrder].
// Any error is an *[Error]; when its Unknown is true, the order may exist at Ping++. The request is sent again only when it
// surely came to nothing.
func (c *Client) CreateOrder(ctx context.Context, p *OrderParams) (*Order, error) {
	r := request{op: "create order", method: http.MethodPost, target: "/v1/orders"}
	r.body, r.err = c.encodeOrder(p)
	return fetch(ctx, c, r, func(raw []byte) (*Order, error) {
		or, err := parseOrder(raw)
		if err == nil {
			err = c.matchesOrder(p, or)
		}
		return or, err
	})
}

func (c *Client) encodeOrder(p *OrderParams) ([]byte, error) {
	if p == nil {
		return nil, errors.New("no parameters")
	}
	if err := checkPurchase(p.Amount, p.TimeExpire, [2]string{"merchant order number", p.MerchantOrderNo}, [2]string{"currency", p.Currency},
		[2]string{"client address", p.ClientIP}, [2]string{"subject", p.Subject}, [2]string{"body", p.Body}); err != nil {
		return nil, err
	}
	return encodeBody(orderBody{
		App: c.app, MerchantOrderNo: p.MerchantOrderNo, UID: p.UID, Amount: p.Amount, Currency: p.Currency, ClientIP: p.ClientIP,
		Subject: p.Subject, Body: p.Body, ReceiptApp: p.ReceiptApp, ServiceApp: p.ServiceApp, TimeExpire: p.TimeExpire,
		Metadata: p.Metadata, Description: p.Description,
	})
}

func (c *Client) matchesOrder(p *OrderParams, or *Order) error {
	return agree(is{"app", or.App, c.app}, is{"livemode", or.Livemode, c.live}, is{"merchant_order_no", or.MerchantOrderNo, p.MerchantOrderNo},
		is{"amount", or.Amount, p.Amount}, is{"currency", strings.ToLower(or.Currency), strings.ToLower(p.Currency)})
}

// GetOrder asks for an order by its id. Any error is an *[Error]: of kind NotFound when Ping++ has no such order, and Foreign
// when it belongs to another app or the other mode.
func (c *Client) GetOrder(ctx context.Context, id string) (*Order, error) {
	return c.askOrder(ctx, request{op: "get order", method: http.MethodGet, target: "/v1/orders/" + id}, id)
}

// payOrderBody is the request's JSON.
type payOrderBody struct {
	Channel       string         `json:"channel"`
	ChargeAmount  int64          `json:"charge_amount"`
	ChargeOrderNo string         `json:"charge_order_no,omitempty"`
	Extra         map[string]any `json:"extra,omitempty"`
	TimeExpire    int64          `json:"time_expire,omitempty"`
}

// PayOrder makes the charge by which an order is to be paid, and returns the order with the charge's id and, in
// ChargeEssentials, what the client needs to pay it. Any error is an *[Error]; when its Unknown is true, the charge may exist
// at Ping++. The request is sent again only when it surely came to nothing.
func (c *Client) PayOrder(ctx context.Context, id string, p *PayOrderParams) (*Order, error) {
	r := request{op: "pay order", method: http.MethodPost, target: "/v1/orders/" + id + "/pay"}
	switch {
	case p == nil:
		r.err = errors.New("no parameters")
	case p.Channel == "":
		r.err = errors.New("the channel is empty")
	case p.ChargeAmount <= 0:
		r.err = fmt.Errorf("the charge's amount is %d fen: it must be more than 0", p.ChargeAmount)
	default:
		r.payer = p.Extra
		r.body, r.err = encodeBody(payOrderBody(*p))
	}
	return c.askOrder(ctx, r, id, func(or *Order) error {
		if or.ChargeID == "" {
			return errors.New("the order names no charge")
		}
		return nil
	})
}

// CancelOrder cancels an unpaid order, so that nobody can pay it any more, and returns it canceled. Any error is an
// *[Error]; when its Unknown is true the order may be canceled or not: ask with [Client.GetOrder].
func (c *Client) CancelOrder(ctx context.Context, id string) (*Order, error) {
	r := request{op: "cancel order", method: http.MethodPut, target: "/v1/orders/" + id, body: []byte(`{"status":"canceled"}`)}
	return c.askOrder(ctx, r, id, func(or *Order) error { return agree(is{"status", clean(or.Status, maxWord), "canceled"}) })
}

// askOrder sends a request about one order that is the app's own.
func (c *Client) askOrder(ctx context.Context, r request, id string, checks ...func(*Order) error) (*Order, error) {
	return fetchOne(ctx, c, r, id, c.parseOwnOrder, func(or *Order) string { return or.ID }, checks...)
}

// parseOwnOrder reads an order and refuses one that is neither made by the app nor for it.
func (c *Client) parseOwnOrder(raw []byte) (*Order, error) {
	or, err := parseOrder(raw)
	if err == nil && !c.owns(or) {
		err = errForeign
	}
	return or, err
}

// owns says whether an order is in the client's mode, and made by its app or for it.
func (c *Client) owns(or *Order) bool {
	return or.Livemode == c.live && (or.App == c.app || or.ReceiptApp == c.app)
}

// ListOrdersParams narrows a list of orders. Every field may be left at its zero value, which is not sent.
type ListOrdersParams struct {
	Page    int // from 1
	PerPage int // 1 to 100; Ping++'s default is 20
	Paid    *bool

	CreatedGTE, CreatedLTE int64 // Unix seconds
}

// OrderList is one page of orders, newest first.
type OrderList struct {
	Data    []*Order
	HasMore bool // ask again with the next Page
	Raw     json.RawMessage
}

// ListOrders lists the app's orders. Any error is an *[Error]; a page with one order that cannot be read, or that is not the
// app's, is refused whole, so that nobody takes the rest for all there is.
func (c *Client) ListOrders(ctx context.Context, p ListOrdersParams) (*OrderList, error) {
	q, err := OrderPage{p.Page, p.PerPage}.query()
	q.Set("app", c.app)
	for name, n := range map[string]int64{"created[gte]": p.CreatedGTE, "created[lte]": p.CreatedLTE} {
		if n != 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if p.Paid != nil {
		q.Set("paid", strconv.FormatBool(*p.Paid))
	}
	l, err := list(ctx, c, "list orders", "/v1/orders", q, err, c.parseOwnOrder)
	return (*OrderList)(l), err
}

// OrderPage picks a page of an order's charges or refunds, which have numbers. What is left at its zero value is not sent.
type OrderPage struct {
	Page    int // from 1
	PerPage int // 1 to 100; 0: Ping++'s default
}

func (p OrderPage) query() (url.Values, error) {
	q := url.Values{}
	if p.Page < 0 || p.PerPage < 0 || p.PerPage > 100 {
		return q, fmt.Errorf("the page is %d, with %d items: give a page from 1, and 1 to 100 items a page, or 0 for Ping++'s default", p.Page, p.PerPage)
	}
	for name, n := range map[string]int{"page": p.Page, "per_page": p.PerPage} {
		if n > 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	return q, nil
}

// ListOrderCharges lists the charges of an order, paid or not, newest first. Any error is an *[Error].
func (c *Client) ListOrderCharges(ctx context.Context, id string, p OrderPage) (*ChargeList, error) {
	q, err := p.query()
	l, err := list(ctx, c, "list order charges", "/v1/orders/"+id+"/charges", q, err, c.parseOwnCharge, id)
	return (*ChargeList)(l), err
}

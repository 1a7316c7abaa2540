package trade

import (
	"net/url"
	"regexp"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/store"
)

// orderExpire is how long an order can be paid unless it says otherwise.
const orderExpire = 24 * time.Hour

// order is Ping++'s order object; the fields stand in the order of its JSON.
type order struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Created          int64             `json:"created"`
	Livemode         bool              `json:"livemode"`
	Paid             bool              `json:"paid"`
	Refunded         bool              `json:"refunded"`
	Status           string            `json:"status"` // created, paid, refunded, canceled
	App              string            `json:"app"`
	UID              *string           `json:"uid"`
	AvailableBalance int64             `json:"available_balance"`
	MerchantOrderNo  string            `json:"merchant_order_no"`
	Amount           int64             `json:"amount"`        // fen, as all amounts here
	ActualAmount     int64             `json:"actual_amount"` // there are no coupons here
	AmountPaid       int64             `json:"amount_paid"`
	AmountRefunded   int64             `json:"amount_refunded"`
	CouponAmount     int64             `json:"coupon_amount"`
	Currency         string            `json:"currency"`
	Subject          string            `json:"subject"`
	Body             string            `json:"body"`
	ClientIP         string            `json:"client_ip"`
	TimePaid         *int64            `json:"time_paid"`
	TimeExpire       int64             `json:"time_expire"`
	Coupon           *string           `json:"coupon"`
	Charge           *string           `json:"charge"` // the latest
	Description      *string           `json:"description"`
	Metadata         rawjson.Object    `json:"metadata"`
	ChargeEssentials rawjson.Object    `json:"charge_essentials"`
	ReceiptApp       string            `json:"receipt_app"`
	ServiceApp       string            `json:"service_app"`
	AvailableMethods []string          `json:"available_methods"`
	Charges          list[orderCharge] `json:"charges"`

	request   string
	royalties int64 // fen, the sum of royalty_users
	made      store.Of[*Charge]
	refunds   store.Of[*Refund]
}

// orderCharge is a charge as it stands in its order: without its refunds.
type orderCharge struct {
	*Charge
	Refunds *int `json:"refunds"` // null
}

// boughtKey is what a merchant knows an order by.
type boughtKey struct {
	live            bool
	merchantOrderNo string
}

var (
	knownOrderParams = []string{"app", "uid", "merchant_order_no", "amount", "currency", "client_ip", "subject", "body", "receipt_app", "service_app",
		"time_expire", "metadata", "description", "royalty_users"}
	knownPayParams         = []string{"channel", "charge_amount", "charge_order_no", "extra", "time_expire"}
	knownOrderRefundParams = []string{"charge", "charge_amount", "description", "metadata", "refund_mode", "funding_source", "royalty_users"}

	merchantOrderNoShape = regexp.MustCompile(`^[0-9A-Za-z]{8,20}$`)
)

func (o *order) expired(now time.Time) bool { return now.Unix() >= o.TimeExpire }

// shown is the order as it is answered now, a copy. What its client needs to pay is in charge_essentials.
func (o *order) shown(now time.Time) *order {
	out := *o
	out.ChargeEssentials, out.AvailableMethods = rawjson.Object{}, []string{}
	out.Charges = o.chargePage(numbered{1, 10}, now)
	if o.Charge != nil {
		last, _ := o.made.Get(*o.Charge)
		c := last.shown(now)
		e := &out.ChargeEssentials
		e.Set("channel", c.Channel)
		e.Set("transaction_no", c.TransactionNo)
		e.Set("credential", c.Credential)
		e.Set("extra", c.Extra)
		e.Set("failure_code", c.FailureCode)
		e.Set("failure_msg", c.FailureMsg)
	}
	return &out
}

// chargePage is a page of the order's charges, under the address that they have within the order.
func (o *order) chargePage(n numbered, now time.Time) list[orderCharge] {
	found, more := numberedPage(&o.made, n)
	out := list[orderCharge]{Object: "list", URL: "/v1/charges", HasMore: more, Data: []orderCharge{}}
	for _, c := range found {
		out.Data = append(out.Data, orderCharge{Charge: c.shown(now)})
	}
	return out
}

// Create answers POST /v1/orders.
func (or *Orders) Create(body []byte, live bool) (any, *apierr.Error) {
	now := or.now()
	o, refusal := or.read(body, now)
	if refusal != nil {
		return nil, refusal
	}
	or.mu.Lock()
	defer or.mu.Unlock()
	key := boughtKey{live, o.MerchantOrderNo}
	if or.bought[key] != nil {
		return nil, apierr.BadParam("merchant_order_no", "商户订单号重复。", "The merchant_order_no was used before.")
	}
	o.Livemode, o.request = live, or.newRequest()
	for o.ID == "" || or.kept.Has(o.ID) {
		o.ID = "20" + events.ModeDigit(live) + dice.Dated(now, "060102") + or.dice.Draw(dice.Digits, 10)
	}
	or.bought[key] = o
	for _, old := range or.kept.Add(o.ID, o) {
		delete(or.bought, boughtKey{old.Livemode, old.MerchantOrderNo})
	}
	or.log.Info("order created", zap.String("order", o.ID), zap.String("merchant_order_no", o.MerchantOrderNo), zap.Int64("amount", o.Amount))
	return o.shown(now), nil
}

// read checks the parameters of a new order. An order's app is plain text, unlike a charge's.
func (or *Orders) read(body []byte, now time.Time) (*order, *apierr.Error) {
	in, refusal := parseParams(body, knownOrderParams)
	if refusal != nil {
		return nil, refusal
	}
	app, refusal := requiredText(in, "app")
	if refusal != nil {
		return nil, refusal
	}
	if app != or.app {
		return nil, apierr.NotFound("app", app, "app")
	}
	no, refusal := requiredText(in, "merchant_order_no")
	if refusal != nil {
		return nil, refusal
	}
	if !merchantOrderNoShape.MatchString(no) {
		return nil, apierr.BadParam("merchant_order_no", "merchant_order_no 必须是 8 到 20 位字母或数字。", "merchant_order_no must consist of 8 to 20 letters and digits.")
	}
	o := &order{Object: "order", Created: now.Unix(), Status: "created", App: app, MerchantOrderNo: no, TimeExpire: now.Add(orderExpire).Unix(),
		ReceiptApp: app, ServiceApp: app}
	if refusal := o.readTerms(in, now); refusal != nil {
		return nil, refusal
	}
	for _, f := range []struct {
		name string
		into *string
	}{{"receipt_app", &o.ReceiptApp}, {"service_app", &o.ServiceApp}} {
		if raw, ok := in.Get(f.name); ok && !rawjson.IsNull(raw) {
			if *f.into, ok = rawjson.Text(raw); !ok || *f.into == "" {
				return nil, apierr.NotA(f.name, "字符串", "a string")
			}
		}
	}
	if raw, ok := in.Get("uid"); ok && !rawjson.IsNull(raw) {
		uid, ok := rawjson.Text(raw)
		if !ok {
			return nil, apierr.NotA("uid", "字符串", "a string")
		}
		o.UID = &uid
	}
	return o, nil
}

// readTerms checks what an order says and what may be changed of it until it is paid: as a charge's, where a charge has the same.
func (o *order) readTerms(in rawjson.Object, now time.Time) *apierr.Error {
	p := &params{channel: &channel.Channel{Currencies: []string{"cny"}}}
	in.Set("order_no", o.MerchantOrderNo)
	for _, check := range []func(rawjson.Object, *params, time.Time) *apierr.Error{readTexts, readAmount, readClientIP, readMetadata} {
		if refusal := check(in, p, now); refusal != nil {
			return refusal
		}
	}
	o.Amount, o.ActualAmount, o.Currency, o.Subject, o.Body, o.ClientIP = p.amount, p.amount, p.currency, p.subject, p.body, p.clientIP
	o.Description, o.Metadata = p.description, p.metadata
	if raw, ok := in.Get("time_expire"); ok && !rawjson.IsNull(raw) {
		at, ok := rawjson.Integer(raw)
		if !ok || at <= now.Unix() {
			return apierr.BadParam("time_expire", "time_expire 必须是将来的 Unix 时间戳。", "time_expire must be a Unix timestamp in the future.")
		}
		o.TimeExpire = at
	}
	sum, given, refusal := readRoyalties(in, "amount")
	if refusal != nil {
		return refusal
	}
	if given {
		o.royalties = sum
	}
	if o.royalties > o.Amount {
		return apierr.BadParam("royalty_users", "分润总金额不能超过订单金额。", "The royalties are more than the order's amount.")
	}
	return nil
}

// find finds an order in the mode of the key that asks.
func (or *Orders) find(id string, live bool) (*order, *apierr.Error) {
	o, ok := or.kept.Get(id)
	if !ok || o.Livemode != live {
		return nil, apierr.NotFound("order", id, "id")
	}
	return o, nil
}

// Get answers GET /v1/orders/{id}.
func (or *Orders) Get(id string, live bool) (any, *apierr.Error) {
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	return o.shown(or.now()), nil
}

// List answers GET /v1/orders, by pages that have numbers.
func (or *Orders) List(query url.Values, live bool) (any, *apierr.Error) {
	or.mu.Lock()
	defer or.mu.Unlock()
	f := &filter{live: live, to: 1<<63 - 1, flags: map[string]bool{}}
	n := firstPage
	if query.Get("app") != or.app {
		return nil, apierr.NotFound("app", query.Get("app"), "app")
	}
	for name, values := range query {
		value := values[len(values)-1]
		var refusal *apierr.Error
		switch name {
		case "app":
		case "page", "per_page":
			refusal = n.read(name, value)
		case "paid", "refunded":
			if value != "true" && value != "false" {
				refusal = apierr.NotA(name, " true 或 false", "true or false")
			}
			f.flags[name] = value == "true"
		case "created", "created[gt]", "created[gte]", "created[lt]", "created[lte]":
			refusal = f.readCreated(name, value)
		default:
			refusal = apierr.UnknownParam(name)
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	now := or.now()
	out := list[*order]{Object: "list", URL: "/v1/orders", Data: []*order{}}
	skip := n.skip()
	for o := range or.kept.Newest() {
		paid, byPaid := f.flags["paid"]
		refunded, byRefunded := f.flags["refunded"]
		if o.Livemode != live || o.Created < f.from || o.Created > f.to || byPaid && o.Paid != paid || byRefunded && o.Refunded != refunded {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if len(out.Data) == n.size {
			out.HasMore = true
			break
		}
		out.Data = append(out.Data, o.shown(now))
	}
	return out, nil
}

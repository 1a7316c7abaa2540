package sandbox

import (
	"net/url"
	"regexp"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/store"
	"go.uber.org/zap"
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
	made      store.Of[*charge]
	refunds   store.Of[*refund]
}

// orderCharge is a charge as it stands in its order: without its refunds.
type orderCharge struct {
	*charge
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
		out.Data = append(out.Data, orderCharge{charge: c.shown(now)})
	}
	return out
}

// createOrder answers POST /v1/orders.
func (s *Sandbox) createOrder(body []byte, live bool) (any, *apiError) {
	now := s.cfg.Now()
	o, refusal := s.readOrder(body, now)
	if refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := boughtKey{live, o.MerchantOrderNo}
	if s.bought[key] != nil {
		return nil, badParam("merchant_order_no", "商户订单号重复。", "The merchant_order_no was used before.")
	}
	o.Livemode, o.request = live, s.newRequest()
	for o.ID == "" || s.knownOrder(o.ID) {
		o.ID = "20" + modeDigit(live) + now.In(beijing).Format("060102") + s.dice.Draw(dice.Digits, 10)
	}
	s.bought[key] = o
	for _, old := range s.orderObjects.Add(o.ID, o) {
		delete(s.bought, boughtKey{old.Livemode, old.MerchantOrderNo})
	}
	s.log.Info("order created", zap.String("order", o.ID), zap.String("merchant_order_no", o.MerchantOrderNo), zap.Int64("amount", o.Amount))
	return o.shown(now), nil
}

func (s *Sandbox) knownOrder(id string) bool {
	_, ok := s.orderObjects.Get(id)
	return ok
}

// readOrder checks the parameters of a new order. An order's app is plain text, unlike a charge's.
func (s *Sandbox) readOrder(body []byte, now time.Time) (*order, *apiError) {
	in, refusal := parseParams(body, knownOrderParams)
	if refusal != nil {
		return nil, refusal
	}
	app, refusal := requiredText(in, "app")
	if refusal != nil {
		return nil, refusal
	}
	if app != s.cfg.App {
		return nil, notFound("app", app, "app")
	}
	no, refusal := requiredText(in, "merchant_order_no")
	if refusal != nil {
		return nil, refusal
	}
	if !merchantOrderNoShape.MatchString(no) {
		return nil, badParam("merchant_order_no", "merchant_order_no 必须是 8 到 20 位字母或数字。", "merchant_order_no must consist of 8 to 20 letters and digits.")
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
				return nil, notA(f.name, "字符串", "a string")
			}
		}
	}
	if raw, ok := in.Get("uid"); ok && !rawjson.IsNull(raw) {
		uid, ok := rawjson.Text(raw)
		if !ok {
			return nil, notA("uid", "字符串", "a string")
		}
		o.UID = &uid
	}
	return o, nil
}

// readTerms checks what an order says and what may be changed of it until it is paid: as a charge's, where a charge has the same.
func (o *order) readTerms(in rawjson.Object, now time.Time) *apiError {
	p := &params{channel: &channel{currencies: []string{"cny"}}}
	in.Set("order_no", o.MerchantOrderNo)
	for _, check := range []func(rawjson.Object, *params, time.Time) *apiError{readTexts, readAmount, readClientIP, readMetadata} {
		if refusal := check(in, p, now); refusal != nil {
			return refusal
		}
	}
	o.Amount, o.ActualAmount, o.Currency, o.Subject, o.Body, o.ClientIP = p.amount, p.amount, p.currency, p.subject, p.body, p.clientIP
	o.Description, o.Metadata = p.description, p.metadata
	if raw, ok := in.Get("time_expire"); ok && !rawjson.IsNull(raw) {
		at, ok := rawjson.Integer(raw)
		if !ok || at <= now.Unix() {
			return badParam("time_expire", "time_expire 必须是将来的 Unix 时间戳。", "time_expire must be a Unix timestamp in the future.")
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
		return badParam("royalty_users", "分润总金额不能超过订单金额。", "The royalties are more than the order's amount.")
	}
	return nil
}

// findOrder finds an order in the mode of the key that asks.
func (s *Sandbox) findOrder(id string, live bool) (*order, *apiError) {
	o, ok := s.orderObjects.Get(id)
	if !ok || o.Livemode != live {
		return nil, notFound("order", id, "id")
	}
	return o, nil
}

// getOrder answers GET /v1/orders/{id}.
func (s *Sandbox) getOrder(id string, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	return o.shown(s.cfg.Now()), nil
}

// payOrder answers POST /v1/orders/{id}/pay: it makes the charge, which then is paid like any other.
func (s *Sandbox) payOrder(id string, body []byte, live bool, base string) (any, *apiError) {
	now := s.cfg.Now()
	in, refusal := parseParams(body, knownPayParams)
	if refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if o.Status != "created" || o.expired(now) {
		return nil, badStatus("charge_unexpected_status", "订单状态为 "+o.Status+" 或已过期，不能支付。", "The order is "+o.Status+" or has expired and cannot be paid.")
	}
	p, refusal := s.readOrderCharge(o, in, now)
	if refusal != nil {
		return nil, refusal
	}
	p.base = base
	key := orderKey{live, p.channel.family, p.orderNo}
	c, refusal := s.repeated(key, p, now)
	switch {
	case refusal != nil:
		return nil, refusal
	case c != nil && c.order != o:
		return nil, channelRefusal(c.Channel, key.family.usedBad)
	case c == nil:
		c = s.addCharge(key, p, live, now)
		c.order = o
		o.made.Add(c.ID, c)
	}
	o.Charge = &c.ID
	return o.shown(now), nil
}

// readOrderCharge makes a charge's parameters of the order's and of those to pay it with.
func (s *Sandbox) readOrderCharge(o *order, in rawjson.Object, now time.Time) (*params, *apiError) {
	raw, ok := in.Get("charge_amount")
	if !ok || rawjson.IsNull(raw) {
		return nil, missingParam("charge_amount")
	}
	amount, ok := rawjson.Integer(raw)
	if !ok || amount <= 0 || amount > o.ActualAmount-o.AmountPaid {
		return nil, badParam("charge_amount", "charge_amount 必须大于 0 且不超过待支付金额。", "charge_amount must be more than 0 and at most what is left to pay.")
	}
	all := rawjson.Object{}
	for name, v := range map[string]any{"order_no": o.MerchantOrderNo, "app": map[string]string{"id": s.cfg.App}, "amount": amount, "client_ip": o.ClientIP,
		"currency": o.Currency, "subject": o.Subject, "body": o.Body} {
		all.Set(name, v)
	}
	for _, m := range in {
		switch m.Key {
		case "charge_amount":
		case "charge_order_no":
			all.SetRaw("order_no", m.Value)
		default:
			all.SetRaw(m.Key, m.Value)
		}
	}
	return s.readParams(rawjson.Encode(all), now)
}

// cancelOrder answers PUT /v1/orders/{id} with a status. A user that is named must be the order's.
func (s *Sandbox) cancelOrder(id string, body []byte, live bool) (any, *apiError) {
	in, refusal := parseParams(body, []string{"status", "user"})
	if refusal != nil {
		return nil, refusal
	}
	status, refusal := requiredText(in, "status")
	if refusal != nil {
		return nil, refusal
	}
	if status != "canceled" {
		return nil, badParam("status", "status 只能是 canceled。", "status can only be canceled.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if raw, ok := in.Get("user"); ok && !rawjson.IsNull(raw) {
		if user, ok := rawjson.Text(raw); !ok || o.UID == nil || *o.UID != user {
			return nil, badParam("user", "user 与订单的 uid 不一致。", "The user is not the uid of the order.")
		}
	}
	if o.Status != "created" || o.AmountPaid > 0 {
		return nil, badStatus("charge_unexpected_status", "订单状态为 "+o.Status+"，不能取消。", "The order is "+o.Status+" and cannot be canceled.")
	}
	o.Status = "canceled"
	for c := range o.made.Newest() {
		c.Reversed = true
	}
	s.log.Info("order canceled", zap.String("order", o.ID))
	return o.shown(s.cfg.Now()), nil
}

// listOrders answers GET /v1/orders, by pages that have numbers.
func (s *Sandbox) listOrders(query url.Values, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &filter{live: live, to: 1<<63 - 1, flags: map[string]bool{}}
	n := firstPage
	if query.Get("app") != s.cfg.App {
		return nil, notFound("app", query.Get("app"), "app")
	}
	for name, values := range query {
		value := values[len(values)-1]
		var refusal *apiError
		switch name {
		case "app":
		case "page", "per_page":
			refusal = n.read(name, value)
		case "paid", "refunded":
			if value != "true" && value != "false" {
				refusal = notA(name, " true 或 false", "true or false")
			}
			f.flags[name] = value == "true"
		case "created", "created[gt]", "created[gte]", "created[lt]", "created[lte]":
			refusal = f.readCreated(name, value)
		default:
			refusal = unknownParam(name)
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	now := s.cfg.Now()
	out := list[*order]{Object: "list", URL: "/v1/orders", Data: []*order{}}
	skip := n.skip()
	for o := range s.orderObjects.Newest() {
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

// orderCharges answers GET /v1/orders/{id}/charges[/{id}].
func (s *Sandbox) orderCharges(id, chargeID string, query url.Values, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	now := s.cfg.Now()
	if chargeID != "" {
		c, ok := o.made.Get(chargeID)
		if !ok {
			return nil, notFound("charge", chargeID, "id")
		}
		return orderCharge{charge: c.shown(now)}, nil
	}
	n, refusal := readNumbered(query)
	if refusal != nil {
		return nil, refusal
	}
	out := o.chargePage(n, now)
	out.URL = "/v1/orders/" + o.ID + "/charges"
	return out, nil
}

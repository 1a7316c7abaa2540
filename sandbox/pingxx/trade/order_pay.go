package trade

import (
	"net/url"
	"time"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// Pay answers POST /v1/orders/{id}/pay: it makes the charge, which then is paid like any other.
func (or *Orders) Pay(id string, body []byte, live bool, base string) (any, *apierr.Error) {
	now := or.now()
	in, refusal := parseParams(body, knownPayParams)
	if refusal != nil {
		return nil, refusal
	}
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if o.Status != "created" || o.expired(now) {
		return nil, apierr.BadStatus("charge_unexpected_status", "订单状态为 "+o.Status+" 或已过期，不能支付。", "The order is "+o.Status+" or has expired and cannot be paid.")
	}
	p, refusal := or.readCharge(o, in, now)
	if refusal != nil {
		return nil, refusal
	}
	p.base = base
	key := orderKey{live, p.channel.Family, p.orderNo}
	c, refusal := or.charges.repeated(key, p, now)
	switch {
	case refusal != nil:
		return nil, refusal
	case c != nil && c.order != o:
		return nil, apierr.OfChannel(c.Channel, key.family.UsedBad)
	case c == nil:
		c = or.charges.add(key, p, live, now)
		c.order = o
		o.made.Add(c.ID, c)
	}
	o.Charge = &c.ID
	return o.shown(now), nil
}

// readCharge makes a charge's parameters of the order's and of those to pay it with.
func (or *Orders) readCharge(o *order, in rawjson.Object, now time.Time) (*params, *apierr.Error) {
	raw, ok := in.Get("charge_amount")
	if !ok || rawjson.IsNull(raw) {
		return nil, apierr.MissingParam("charge_amount")
	}
	amount, ok := rawjson.Integer(raw)
	if !ok || amount <= 0 || amount > o.ActualAmount-o.AmountPaid {
		return nil, apierr.BadParam("charge_amount", "charge_amount 必须大于 0 且不超过待支付金额。", "charge_amount must be more than 0 and at most what is left to pay.")
	}
	all := rawjson.Object{}
	for name, v := range map[string]any{"order_no": o.MerchantOrderNo, "app": map[string]string{"id": or.app}, "amount": amount, "client_ip": o.ClientIP,
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
	return or.charges.readParams(rawjson.Encode(all), now)
}

// Charges answers GET /v1/orders/{id}/charges[/{id}].
func (or *Orders) Charges(id, chargeID string, query url.Values, live bool) (any, *apierr.Error) {
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	now := or.now()
	if chargeID != "" {
		c, ok := o.made.Get(chargeID)
		if !ok {
			return nil, apierr.NotFound("charge", chargeID, "id")
		}
		return orderCharge{Charge: c.shown(now)}, nil
	}
	n, refusal := readNumbered(query)
	if refusal != nil {
		return nil, refusal
	}
	out := o.chargePage(n, now)
	out.URL = "/v1/orders/" + o.ID + "/charges"
	return out, nil
}

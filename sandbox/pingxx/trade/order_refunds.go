package trade

import (
	"net/url"
	"slices"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
)

// Refund answers POST /v1/orders/{id}/order_refunds: a list, with one refund for each charge.
func (or *Orders) Refund(id string, body []byte, live bool) (any, *apierr.Error) {
	in, refusal := parseParams(body, knownOrderRefundParams)
	if refusal != nil {
		return nil, refusal
	}
	if raw, ok := in.Get("refund_mode"); ok && !rawjson.IsNull(raw) {
		if mode, _ := rawjson.Text(raw); mode != "to_source" { // there are no balances here
			return nil, apierr.BadParam("refund_mode", "refund_mode 只能是 to_source。", "refund_mode can be to_source.")
		}
	}
	if _, _, refusal := readRoyalties(in, "amount_refunded"); refusal != nil {
		return nil, refusal
	}
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	p, charges, refusal := o.readRefund(in)
	if refusal != nil {
		return nil, refusal
	}
	var made []*Refund
	for _, c := range charges {
		re, refusal := or.refunds.refund(c, p, "")
		if refusal != nil {
			return nil, refusal
		}
		made = append(made, re)
	}
	return listOfRefunds("/v1/orders/"+o.ID+"/order_refunds", made, false), nil
}

// ofOrderRefunds are the parameters that a charge's refund has not.
var ofOrderRefunds = []string{"charge", "charge_amount", "refund_mode", "royalty_users"}

// readRefund reads the parameters of a refund and which charges it concerns: the one named, or all that are paid.
func (o *order) readRefund(in rawjson.Object) (p refundParams, charges []*Charge, refusal *apierr.Error) {
	rest := slices.Clone(in)
	rest = slices.DeleteFunc(rest, func(m rawjson.Member) bool { return slices.Contains(ofOrderRefunds, m.Key) })
	if raw, ok := in.Get("charge_amount"); ok {
		rest.SetRaw("amount", raw)
	}
	if p, refusal = readRefundParams(rawjson.Encode(rest)); refusal != nil {
		if refusal.Param == "amount" {
			refusal.Param = "charge_amount"
		}
		return p, nil, refusal
	}
	raw, ok := in.Get("charge")
	if ok && !rawjson.IsNull(raw) {
		id, _ := rawjson.Text(raw)
		c, ok := o.made.Get(id)
		if !ok {
			return p, nil, apierr.NotFound("charge", id, "charge")
		}
		return p, []*Charge{c}, nil
	}
	if p.amount != 0 {
		return p, nil, apierr.MissingParam("charge")
	}
	for c := range o.made.Newest() {
		if c.Paid {
			charges = append(charges, c)
		}
	}
	if len(charges) == 0 {
		return p, nil, apierr.BadStatus("charge_unexpected_status", "订单未支付，不能退款。", "The order is not paid and cannot be refunded.")
	}
	return p, charges, nil
}

// Refunds answers GET /v1/orders/{id}/order_refunds[/{id}].
func (or *Orders) Refunds(id, refundID string, query url.Values, live bool) (any, *apierr.Error) {
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if refundID != "" {
		re, ok := o.refunds.Get(refundID)
		if !ok {
			return nil, apierr.NotFound("refund", refundID, "id")
		}
		return re.shown(), nil
	}
	n, refusal := readNumbered(query)
	if refusal != nil {
		return nil, refusal
	}
	found, more := numberedPage(&o.refunds, n)
	return listOfRefunds("/v1/orders/"+o.ID+"/order_refunds", found, more), nil
}

package sandbox

import (
	"net/url"
	"slices"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/zap"
)

// orderPaid books the payment of a charge on its order; order.succeeded follows charge.succeeded.
func (s *Sandbox) orderPaid(c *charge, now time.Time) {
	o := c.order
	if o == nil {
		return
	}
	if o.AmountPaid += c.Amount; o.AmountPaid < o.ActualAmount || o.Paid {
		return
	}
	unix := now.Unix()
	o.Paid, o.Status, o.TimePaid, o.Charge = true, "paid", &unix, &c.ID
	s.log.Info("order paid", zap.String("order", o.ID), zap.String("merchant_order_no", o.MerchantOrderNo))
	s.emit(newEvent{kind: "order.succeeded", object: o.shown(now), live: o.Livemode, request: &o.request, charge: c.ID})
}

// orderRefunded books a refund that has succeeded on the order of its charge; order.refunded says nothing about which refund.
func (s *Sandbox) orderRefunded(re *refund, now time.Time) {
	o := re.of.order
	if o == nil {
		return
	}
	o.AmountRefunded += re.Amount
	o.Refunded, o.Status = true, "refunded"
	s.emit(newEvent{kind: "order.refunded", object: o.shown(now), live: o.Livemode, request: &re.request, charge: re.of.ID})
}

// createOrderRefunds answers POST /v1/orders/{id}/order_refunds: a list, with one refund for each charge.
func (s *Sandbox) createOrderRefunds(id string, body []byte, live bool) (any, *apiError) {
	in, refusal := parseParams(body, knownOrderRefundParams)
	if refusal != nil {
		return nil, refusal
	}
	if raw, ok := in.Get("refund_mode"); ok && !rawjson.IsNull(raw) {
		if mode, _ := rawjson.Text(raw); mode != "to_source" { // there are no balances here
			return nil, badParam("refund_mode", "refund_mode 只能是 to_source。", "refund_mode can be to_source.")
		}
	}
	if _, _, refusal := readRoyalties(in, "amount_refunded"); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	p, charges, refusal := o.readRefund(in)
	if refusal != nil {
		return nil, refusal
	}
	var made []*refund
	for _, c := range charges {
		re, refusal := s.refund(c, p, "")
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
func (o *order) readRefund(in rawjson.Object) (p refundParams, charges []*charge, refusal *apiError) {
	rest := slices.Clone(in)
	rest = slices.DeleteFunc(rest, func(m rawjson.Member) bool { return slices.Contains(ofOrderRefunds, m.Key) })
	if raw, ok := in.Get("charge_amount"); ok {
		rest.SetRaw("amount", raw)
	}
	if p, refusal = readRefundParams(rawjson.Encode(rest)); refusal != nil {
		if refusal.param == "amount" {
			refusal.param = "charge_amount"
		}
		return p, nil, refusal
	}
	raw, ok := in.Get("charge")
	if ok && !rawjson.IsNull(raw) {
		id, _ := rawjson.Text(raw)
		c, ok := o.made.Get(id)
		if !ok {
			return p, nil, notFound("charge", id, "charge")
		}
		return p, []*charge{c}, nil
	}
	if p.amount != 0 {
		return p, nil, missingParam("charge")
	}
	for c := range o.made.Newest() {
		if c.Paid {
			charges = append(charges, c)
		}
	}
	if len(charges) == 0 {
		return p, nil, badStatus("charge_unexpected_status", "订单未支付，不能退款。", "The order is not paid and cannot be refunded.")
	}
	return p, charges, nil
}

// orderRefunds answers GET /v1/orders/{id}/order_refunds[/{id}].
func (s *Sandbox) orderRefunds(id, refundID string, query url.Values, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if refundID != "" {
		re, ok := o.refunds.Get(refundID)
		if !ok {
			return nil, notFound("refund", refundID, "id")
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

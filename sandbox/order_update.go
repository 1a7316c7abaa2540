package sandbox

import (
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// What may change of an order that is not paid.
var knownUpdateParams = []string{"amount", "currency", "subject", "body", "client_ip", "time_expire", "metadata", "description", "royalty_users"}

// putOrder answers PUT /v1/orders/{id}: with a status it cancels the order, else it changes what the order says.
func (s *Sandbox) putOrder(id string, body []byte, live bool) (any, *apiError) {
	in, refusal := parseParams(body, append([]string{"status", "user"}, knownUpdateParams...))
	if refusal != nil {
		return nil, refusal
	}
	if _, cancels := in.Get("status"); cancels || len(in) == 0 {
		return s.cancelOrder(id, body, live)
	}
	if _, ok := in.Get("user"); ok {
		return nil, unknownParam("user")
	}
	return s.updateOrder(id, in, live)
}

func (s *Sandbox) updateOrder(id string, in rawjson.Object, live bool) (any, *apiError) {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	o, refusal := s.findOrder(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if o.Status != "created" || o.AmountPaid > 0 || o.expired(now) {
		return nil, badStatus("charge_unexpected_status", "订单状态为 "+o.Status+" 或已过期，不能修改。", "The order is "+o.Status+" or has expired and cannot be changed.")
	}
	terms := rawjson.Object{}
	for name, v := range map[string]any{"amount": o.Amount, "currency": o.Currency, "subject": o.Subject, "body": o.Body, "client_ip": o.ClientIP,
		"time_expire": o.TimeExpire, "metadata": o.Metadata, "description": o.Description} {
		terms.Set(name, v)
	}
	for _, m := range in {
		terms.SetRaw(m.Key, m.Value)
	}
	changed := *o
	if refusal := changed.readTerms(terms, now); refusal != nil {
		return nil, refusal
	}
	*o = changed
	s.log.Info("order changed", zap.String("order", o.ID), zap.Int64("amount", o.Amount))
	return o.shown(now), nil
}

package trade

import (
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// What may change of an order that is not paid.
var knownUpdateParams = []string{"amount", "currency", "subject", "body", "client_ip", "time_expire", "metadata", "description", "royalty_users"}

// Put answers PUT /v1/orders/{id}: with a status it cancels the order, else it changes what the order says.
func (or *Orders) Put(id string, body []byte, live bool) (any, *apierr.Error) {
	in, refusal := parseParams(body, append([]string{"status", "user"}, knownUpdateParams...))
	if refusal != nil {
		return nil, refusal
	}
	if _, cancels := in.Get("status"); cancels || len(in) == 0 {
		return or.cancel(id, body, live)
	}
	if _, ok := in.Get("user"); ok {
		return nil, apierr.UnknownParam("user")
	}
	return or.update(id, in, live)
}

func (or *Orders) update(id string, in rawjson.Object, live bool) (any, *apierr.Error) {
	now := or.now()
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if o.Status != "created" || o.AmountPaid > 0 || o.expired(now) {
		return nil, apierr.BadStatus("charge_unexpected_status", "订单状态为 "+o.Status+" 或已过期，不能修改。", "The order is "+o.Status+" or has expired and cannot be changed.")
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
	or.log.Info("order changed", zap.String("order", o.ID), zap.Int64("amount", o.Amount))
	return o.shown(now), nil
}

// cancel answers PUT /v1/orders/{id} with a status. A user that is named must be the order's.
func (or *Orders) cancel(id string, body []byte, live bool) (any, *apierr.Error) {
	in, refusal := parseParams(body, []string{"status", "user"})
	if refusal != nil {
		return nil, refusal
	}
	status, refusal := requiredText(in, "status")
	if refusal != nil {
		return nil, refusal
	}
	if status != "canceled" {
		return nil, apierr.BadParam("status", "status 只能是 canceled。", "status can only be canceled.")
	}
	or.mu.Lock()
	defer or.mu.Unlock()
	o, refusal := or.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	if raw, ok := in.Get("user"); ok && !rawjson.IsNull(raw) {
		if user, ok := rawjson.Text(raw); !ok || o.UID == nil || *o.UID != user {
			return nil, apierr.BadParam("user", "user 与订单的 uid 不一致。", "The user is not the uid of the order.")
		}
	}
	if o.Status != "created" || o.AmountPaid > 0 {
		return nil, apierr.BadStatus("charge_unexpected_status", "订单状态为 "+o.Status+"，不能取消。", "The order is "+o.Status+" and cannot be canceled.")
	}
	o.Status = "canceled"
	for c := range o.made.Newest() {
		c.Reversed = true
	}
	or.log.Info("order canceled", zap.String("order", o.ID))
	return o.shown(or.now()), nil
}

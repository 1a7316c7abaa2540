package caddymodule

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// newReporters makes one for each live app of which a block has shipping.
func (a *App) newReporters(l ledger.Ledger) ([]*shipping.Reporter, error) {
	var reporters []*shipping.Reporter
	for _, scope := range a.scopes() {
		if a.receiptsOf(scope) == nil {
			continue
		}
		programs := make(map[string]*wechat.Orders)
		for _, s := range a.sites {
			if s.scope == scope && s.shipping != nil {
				programs[s.shipping.program.AppID] = s.shipping.orders
			}
		}
		r, err := shipping.New(shipping.Config{
			Scope: scope, Ledger: l, Programs: programs, Storage: a.shared, Owner: a.owner, Auto: a.receiptsOf(scope),
			Observe: func(result ledger.ShippingResult) { metrics.shipping.WithLabelValues(string(result)).Inc() },
			Due:     func(s *ledger.Shipment, over bool) { a.announce.shippingDue(s, over, false) },
			Failed:  func(s *ledger.Shipment) { a.announce.shippingDue(s, false, true) },
			Span:    spanShipping,
			Logger:  a.logger.With(zap.String("app", scope.App), zap.String("mode", string(scope.Mode))),
		})
		if err != nil {
			return nil, fmt.Errorf("pay: shipping of %s: %w", scope.Key(), err)
		}
		reporters = append(reporters, r)
	}
	return reporters, nil
}

// receiptsOf says what is reported once the backend has acknowledged a payment of an app and mode; nil: nothing ever is.
func (a *App) receiptsOf(scope ledger.Scope) *shipping.Receipts {
	rules := a.shippingOf(scope)
	if rules == nil || scope.Mode != ledger.Live {
		return nil
	}
	return &shipping.Receipts{Type: rules.auto, Items: rules.items}
}

// spanShipping begins the span of a question to WeChat about a payment, which no request asks.
func spanShipping(ctx context.Context, s *ledger.Shipment) (context.Context, func(why string)) {
	provider := tracers.Load()
	if provider == nil {
		return ctx, func(string) {}
	}
	ctx, span := (*provider).Tracer(tracerName).Start(ctx, spanShip, trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(
		attribute.String("pay.order_no", s.OrderNo), attribute.String("pay.charge", s.ChargeID), attribute.String("pay.step", string(s.Step()))))
	return ctx, func(why string) {
		if why != "" {
			span.SetStatus(codes.Error, why)
		}
		span.End()
	}
}

// shippingDue announces that the report of a payment failed, or that the payment runs out of the time in which WeChat waits for it, or has.
func (a *announcer) shippingDue(s *ledger.Shipment, over, failed bool) {
	m := map[string]any{"order_no": s.OrderNo, "charge": s.ChargeID, "amount": s.Amount, "state": string(s.State),
		"deadline": s.Deadline().Unix(), "over": over, "failed": failed, "code": s.Problem.Code}
	if s.Problem.Code != "" {
		m["why"] = redact.OpenIDs(s.Problem.Text, redact.ShortID)
	}
	a.tell(eventShippingDue, s.Scope, m)
}

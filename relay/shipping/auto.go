package shipping

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// acknowledged is how many of an order's events are looked through for the one that reports a payment.
const acknowledged = 50

// catchUp reports, once a day, what is reported by itself of payments that wait: their backend has acknowledged them before that was so, or while no site
// reported shipping.
func (r *Reporter) catchUp(ctx context.Context) {
	if r.cfg.Auto == nil || r.cfg.Auto.Type == "" || !r.elapsed(&r.caught, findEvery) {
		return
	}
	f := ledger.ShipmentFilter{Scope: r.cfg.Scope, States: []ledger.ShipmentState{ledger.ShipmentWaiting}, Limit: duePage}
	for more := true; more && ctx.Err() == nil; more = f.Cursor != "" {
		p, err := r.cfg.Ledger.ListShipments(ctx, f)
		if err != nil {
			r.caught = r.cfg.Now().Add(lookEvery - findEvery)
			r.cfg.Logger.Warn("cannot look for payments that are to be reported by themselves, trying again", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
			return
		}
		for i := range p.Rows {
			r.auto(ctx, &p.Rows[i])
		}
		f.Cursor = p.Next
	}
}

// auto reports a payment by itself that waits, of which nothing was reported, and which the backend has acknowledged. What cannot be recorded now is looked for
// again a day later.
func (r *Reporter) auto(ctx context.Context, s *ledger.Shipment) {
	if r.cfg.Auto == nil || r.cfg.Auto.Type == "" || s.State != ledger.ShipmentWaiting || s.Stage != ledger.ReportNone {
		return
	}
	fresh, err := r.autoReport(ctx, s)
	fields := []zap.Field{zap.String("order_no", s.OrderNo), zap.String("charge", s.ChargeID)}
	var refused *ledger.ShippingRefusal
	switch {
	case fresh:
		r.cfg.Logger.Info("shipping recorded for WeChat by itself, of a payment that was acknowledged before", fields...)
	case errors.As(err, &refused): // it is held, for example
	case err != nil && ctx.Err() == nil:
		r.cfg.Logger.Warn("a payment cannot be reported by itself, trying again", append(fields, zap.Error(err))...)
	}
}

func (r *Reporter) autoReport(ctx context.Context, s *ledger.Shipment) (fresh bool, err error) {
	es, err := r.cfg.Ledger.Events(ctx, ledger.Filter{Scope: s.Scope, OrderNo: s.OrderNo, States: []ledger.State{ledger.Delivered}, Limit: acknowledged})
	if err != nil {
		return false, err
	}
	for i := range es {
		if es[i].ChargeID != s.ChargeID || es[i].Type != "charge.succeeded" && es[i].Type != "order.succeeded" {
			continue
		}
		e, err := r.cfg.Ledger.Event(ctx, s.Scope, es[i].ID) // with its body
		if err != nil {
			return false, err
		}
		content, problem := r.cfg.Auto.Of(e, nil)
		if problem.Code != "" {
			return false, errors.New(problem.Text)
		}
		_, fresh, err = r.cfg.Ledger.ReportShipping(ctx, ledger.ShippingReport{Scope: s.Scope, OrderNo: s.OrderNo, ChargeID: s.ChargeID, Shipping: *content, Now: r.cfg.Now(), First: true})
		return fresh, err
	}
	return false, nil
}

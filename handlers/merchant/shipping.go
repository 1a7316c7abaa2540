package merchant

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

// shippingView is what WeChat has to know, and has been told, of the payment of an order.
type shippingView struct {
	OrderNo    string          `json:"order_no"`
	Charge     string          `json:"charge"`           // the payment that it is about: ch_…
	Status     string          `json:"status"`           // waiting, reported, confirmed, settled, refunded, failed or not_managed
	Type       *string         `json:"type"`             // of the last report, as the three that follow; null while there is none
	Items      *string         `json:"items"`            // as WeChat gets them
	Parcels    []ledger.Parcel `json:"parcels"`          // with WeChat's codes and masked contacts
	Complete   *bool           `json:"complete"`         // nothing more is to follow
	ReportedAt *int64          `json:"reported_at"`      // Unix seconds: when WeChat last accepted something
	Deadline   int64           `json:"deadline"`         // Unix seconds: when WeChat stops waiting for a report
	Error      *shippingError  `json:"error"`            // why the last report was not accepted yet, or will not be
	Paused     *shippingPause  `json:"paused,omitempty"` // why WeChat is told nothing of the mini program now; absent: it is
}

type shippingPause struct {
	shippingError
	Since int64 `json:"since"` // Unix seconds
	Until int64 `json:"until"` // Unix seconds
}

type shippingError struct {
	Code   string `json:"code"` // WeChat's errcode, or a word of ours
	Detail string `json:"detail"`
}

// view shows a shipment in the language that a request asks for.
func (a *API) view(s *ledger.Shipment, r *http.Request) *shippingView {
	language := "zh"
	if problem.PrefersEnglish(r.Header.Get("Accept-Language")) {
		language = "en"
	}
	v := &shippingView{OrderNo: s.OrderNo, Charge: s.ChargeID, Status: string(s.State), Parcels: []ledger.Parcel{}, ReportedAt: charge.Unix(s.Reported), Deadline: s.Deadline().Unix()}
	if r := s.Shipping; r != nil {
		v.Type, v.Items, v.Complete = charge.Optional(string(r.Type)), charge.Optional(r.Items), &r.Complete
		v.Parcels = append(v.Parcels, r.Parcels...)
	}
	if s.Problem.Code != "" {
		v.Error = &shippingError{s.Problem.Code, s.Problem.In(language)}
	}
	if p := a.paused(s); p != nil {
		v.Paused = &shippingPause{shippingError{p.Code, p.In(language)}, p.Since.Unix(), p.Until.Unix()}
		if s.Stage == ledger.ReportOpen && v.Error == nil {
			v.Error = &v.Paused.shippingError
		}
	}
	return v
}

// paused is why WeChat is not asked about a payment now; nil: it is, or need not be.
func (a *API) paused(s *ledger.Shipment) *shipping.Pause {
	if a.Pauses == nil || s.Due.IsZero() {
		return nil
	}
	return shipping.PauseOf(a.Pauses(), s.PayerAppID)
}

// ReportShipping serves POST /pay/orders/{order_no}/shipping: 202 when the report is recorded and WeChat is being told, 200 when WeChat has it.
func (a *API) ReportShipping(w http.ResponseWriter, r *http.Request, orderNo string) error {
	content, err := a.readShipping(r)
	if err != nil {
		return err
	}
	s, err := a.recordShipping(r.Context(), orderNo, content)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if s.Stage == ledger.ReportOpen {
		status = http.StatusAccepted
	}
	w.Header().Set("X-Pay-Order-No", orderNo)
	w.Header().Add("Vary", "Accept-Language")
	reply.JSON(w, status, a.view(s, r))
	return nil
}

func (a *API) recordShipping(ctx context.Context, orderNo string, content *ledger.Shipping) (*ledger.Shipment, error) {
	l, err := a.Ledger(ctx)
	if err != nil {
		return nil, shippingUnavailable(err)
	}
	s, fresh, err := l.ReportShipping(ctx, ledger.ShippingReport{Scope: a.Scope, OrderNo: orderNo, Shipping: *content, Now: a.Now()})
	if refusal, ok := errors.AsType[*ledger.ShippingRefusal](err); ok {
		en, zh := shipping.Refused(refusal.Reason)
		return nil, &problem.Problem{Code: "shipping_refused", Members: map[string]any{"reason": string(refusal.Reason)}, EN: en, ZH: zh, Cause: err}
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, neverBegun()
	}
	if err != nil {
		return nil, shippingUnavailable(err)
	}
	if fresh {
		a.Logger.Info("shipping recorded for WeChat", zap.String("order_no", orderNo), zap.String("charge", s.ChargeID), zap.String("type", string(content.Type)),
			zap.Int("parcels", len(content.Parcels)), zap.Bool("complete", content.Complete))
	}
	return s, nil
}

func shippingUnavailable(err error) *problem.Problem {
	return problem.Retry("shipping_unavailable", 2*time.Second, err)
}

func (a *API) readShipping(r *http.Request) (*ledger.Shipping, error) {
	raw, err := body.JSON(r, shipping.MaxBytes, a.Bodies)
	if err != nil {
		return nil, err
	}
	content, err := shipping.Parse(raw)
	if wrong, ok := errors.AsType[*shipping.Error](err); ok {
		if wrong.Field == "" {
			return nil, &problem.Problem{Code: "json_invalid", EN: wrong.EN, ZH: wrong.ZH, Cause: err}
		}
		return nil, &problem.Problem{Code: "shipping_invalid", Members: map[string]any{"field": wrong.Field}, EN: wrong.EN, ZH: wrong.ZH, Cause: err}
	}
	return content, err
}

// Shipping serves GET /pay/orders/{order_no}/shipping.
func (a *API) Shipping(w http.ResponseWriter, r *http.Request, orderNo string) error {
	ctx := r.Context()
	l, err := a.Ledger(ctx)
	if err != nil {
		return err
	}
	attempts, err := l.Attempts(ctx, a.Scope, orderNo)
	if err != nil {
		return err
	}
	v, err := a.shippingOf(r, l, orderNo, attempts)
	switch {
	case err != nil:
		return err
	case v == nil && len(attempts) == 0:
		return neverBegun()
	case v == nil:
		return &problem.Problem{Code: "not_found", EN: "WeChat keeps no money of this order, as far as is known: it is not paid by wx_lite in live mode, or was more than 15 days before the app had shipping.",
			ZH: "目前没有该订单的发货记录：它尚未以 wx_lite（正式模式）支付，或支付于该应用启用 shipping 的 15 天之前。"}
	}
	w.Header().Set("X-Pay-Order-No", orderNo)
	w.Header().Add("Vary", "Accept-Language")
	reply.JSON(w, http.StatusOK, v)
	return nil
}

// shippingOf shows the shipment of an order; nil: there is none. Where it was paid more than once that is the one which the next report is about.
func (a *API) shippingOf(r *http.Request, l ledger.Ledger, orderNo string, attempts []ledger.Charge) (*shippingView, error) {
	shipments, err := l.Shipments(r.Context(), a.Scope, orderNo)
	if err != nil || len(shipments) == 0 {
		return nil, err
	}
	paid := make(map[string]bool)
	for i := range attempts {
		paid[attempts[i].ID] = attempts[i].Status(a.Now()) == ledger.StatusPaid // neither held nor back with the payer
	}
	for i := range shipments {
		if paid[shipments[i].ChargeID] {
			return a.view(&shipments[i], r), nil
		}
	}
	return a.view(&shipments[0], r), nil
}

func neverBegun() *problem.Problem {
	return &problem.Problem{Code: "order_not_found", EN: "No payment of this order was ever begun.", ZH: "该订单从未发起过支付。"}
}

package merchant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// Reverse serves POST /pay/charges/{id}/reverse: nobody can pay the charge any more. It answers the charge as
// GET /pay/charges/{id} does; a charge that is reversed already is the same success.
func (a *API) Reverse(w http.ResponseWriter, r *http.Request, chargeID string) error {
	ctx := context.WithoutCancel(r.Context()) // what has begun is brought to its end
	l, err := a.Ledger(ctx)
	if err != nil {
		return err
	}
	found, err := a.Pingpp.GetCharge(ctx, chargeID)
	if err != nil {
		return lookUpProblem(err)
	}
	reversed := !found.Reversed
	if reversed {
		if err := a.mayReverse(found); err != nil {
			return err
		}
		if found, err = a.reverseAtPingpp(ctx, found); err != nil {
			return err
		}
	}
	c, err := a.recordReversal(ctx, l, found)
	if err != nil {
		return err
	}
	if reversed {
		a.Logger.Info("charge reversed for the merchant", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID), zap.String("channel", c.Channel), zap.Int64("amount", c.Amount))
	}
	w.Header().Set("X-Pay-Order-No", c.OrderNo)
	v := charge.Of(c, a.Now())
	if v.OrderPaid, err = charge.OrderPaid(ctx, l, c); err != nil {
		return err
	}
	reply.JSON(w, http.StatusOK, v)
	return nil
}

// mayReverse applies the channel's rules, so that its own refusal need not be understood.
func (a *API) mayReverse(c *pingpp.Charge) error {
	now, created := a.Now(), time.Unix(c.Created, 0)
	switch {
	case c.Paid && !pingpp.ReversiblePaid(c.Channel, time.Unix(c.TimePaid, 0), now):
		return paidMeanwhile(c)
	case !pingpp.Reversible(c.Channel):
		return &problem.Problem{Code: "channel_unsupported", EN: fmt.Sprintf("The channel %.60s cannot reverse charges; they lapse by themselves.", c.Channel), ZH: fmt.Sprintf("渠道 %.60s 不支持撤销，支付单会自动过期。", c.Channel)}
	case now.Sub(created) < pingpp.ReverseAfter(c.Channel):
		p := problem.Retry("charge_in_progress", created.Add(pingpp.ReverseAfter(c.Channel)).Sub(now), nil)
		p.EN, p.ZH = "WeChat does not take a reversal right after the charge was created. Try again after Retry-After.", "微信支付不允许在下单后立即撤销，请在 Retry-After 之后重试。"
		return p
	}
	return nil
}

func paidMeanwhile(c *pingpp.Charge) *problem.Problem {
	return &problem.Problem{Code: "order_already_paid", Members: map[string]any{"charge_id": c.ID}, EN: "The charge is paid and can only be refunded.", ZH: "该支付单已支付，只能退款。"}
}

// reverseAtPingpp reverses a charge. Where that fails it may have been reversed or paid all the same, so it is read again.
func (a *API) reverseAtPingpp(ctx context.Context, c *pingpp.Charge) (*pingpp.Charge, error) {
	reversed, err := a.Pingpp.ReverseCharge(ctx, c.ID)
	if err == nil {
		return reversed, nil
	}
	found, gerr := a.Pingpp.GetCharge(ctx, c.ID)
	switch {
	case gerr == nil && found.Reversed:
		return found, nil
	case gerr == nil && found.Paid && !c.Paid:
		return nil, paidMeanwhile(found)
	}
	p := problem.OfPingpp(err)
	if perr, ok := errors.AsType[*pingpp.Error](err); ok && perr.Message != "" {
		p.Members = map[string]any{"failure_code": perr.Code, "failure_msg": perr.Message}
	}
	return nil, p
}

// recordReversal records it on our own charge, which is returned; of one that is not ours Ping++'s word is.
func (a *API) recordReversal(ctx context.Context, l ledger.Ledger, found *pingpp.Charge) (*ledger.Charge, error) {
	err := a.Reconciler.Reversals.Record(ctx, l, found)
	if err == nil {
		return l.Charge(ctx, a.Scope, found.ID)
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return nil, fmt.Errorf("charge %s was reversed but could not be recorded: %w", found.ID, err)
	}
	return &ledger.Charge{
		Scope: a.Scope, ID: found.ID, OrderNo: found.OrderNo, Channel: found.Channel, Amount: found.Amount, Currency: found.Currency,
		Paid: found.Paid, TimePaid: time.Unix(found.TimePaid, 0), AmountRefunded: found.AmountRefunded, Reversed: true,
		TimeExpire: found.Expires(),
	}, nil
}

package trade

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
)

// settle ends a pending refund. Ping++ documents no event for one that fails.
func (rs *Refunds) settle(re *Refund, succeed bool) {
	c, now := re.of, rs.now()
	defer func() {
		rs.log.Info("refund settled", zap.String("refund", re.ID), zap.String("charge", c.ID), zap.String("status", re.Status))
	}()
	if !succeed {
		code, message := "refund_refused_msg", apierr.OfChannel(c.Channel, "基本账户余额不足，请充值后重新发起").ZH
		re.Status, re.FailureCode, re.FailureMsg = "failed", &code, &message
		return
	}
	unix, number := now.Unix(), channel.RefundNo(rs.dice, now)
	re.Status, re.Succeed, re.TimeSucceed, re.TransactionNo = "succeeded", true, &unix, &number
	c.AmountRefunded += re.Amount
	rs.tellRefunded(c)
	rs.events.Emit(events.New{Type: "refund.succeeded", Object: re.shown(), Livemode: c.Livemode, Request: &re.request, Charge: c.ID})
	rs.orderRefunded(re, now)
}

// settleDue settles the refunds whose time has come and tells when the next look is worth it.
func (rs *Refunds) settleDue() (wait time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for len(rs.settling) > 0 {
		re := rs.settling[0]
		if wait := time.Until(re.due); wait > 0 {
			return wait
		}
		rs.settling[0] = nil
		rs.settling = rs.settling[1:]
		if re.Status == "pending" { // no lever was faster
			rs.settle(re, !re.fails)
		}
	}
	return time.Hour // a new refund pokes
}

// work settles refunds when they are due, until the sandbox closes.
func (rs *Refunds) work(ctx context.Context) {
	defer close(rs.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(rs.settleDue())
		select {
		case <-ctx.Done():
			return
		case <-rs.wake:
		case <-timer.C:
		}
	}
}

// poke tells the worker to look at the refunds again.
func (rs *Refunds) poke() {
	select {
	case rs.wake <- struct{}{}:
	default:
	}
}

// Errors of Settle, for errors.Is.
var (
	ErrUnknownRefund = errors.New("no such refund")
	ErrNotPending    = errors.New("the refund is not pending")
)

// Settle ends a pending refund now. It returns ErrUnknownRefund or ErrNotPending when it cannot.
func (rs *Refunds) Settle(id string, succeed bool) (*Refund, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	re, ok := rs.charges.refunds[id]
	switch {
	case !ok:
		return nil, ErrUnknownRefund
	case re.Status != "pending":
		return nil, ErrNotPending
	}
	rs.settle(re, succeed)
	return re.shown(), nil
}

// ByHand refunds a charge as a person does in Ping++'s dashboard; its bounds are the API's. An amount of 0 is all that is left, an
// empty status what becomes of every refund. It returns ErrUnknownCharge when there is no such charge.
func (rs *Refunds) ByHand(chargeID string, amount int64, description, status string) (*Refund, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c, ok := rs.charges.kept.Get(chargeID)
	if !ok {
		return nil, ErrUnknownCharge
	}
	re, refusal := rs.refund(c, refundParams{amount: amount, description: description}, status)
	if refusal != nil {
		return nil, errors.New(refusal.EN)
	}
	return re.shown(), nil
}

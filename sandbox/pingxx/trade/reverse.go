package trade

import (
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"

	"go.uber.org/zap"
)

// reverseWait is how long WeChat wants a charge left alone before it is reversed.
const reverseWait = time.Minute

const day = 24 * time.Hour

// Reverse answers POST /v1/charges/{id}/reverse. What the body says is no matter: Ping++'s own SDKs send nothing, {}
// or []. Not every channel's charges are reversed; and of those that are paid only what a till has scanned, for a while: the money goes back.
func (cs *Charges) Reverse(id string, live bool) (any, *apierr.Error) {
	now := cs.now()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, refusal := cs.find(id, live)
	switch {
	case refusal != nil:
		return nil, refusal
	case c.Reversed:
		return nil, apierr.BadStatus("charge_closed", "charge 已撤销。", "The charge is already reversed.")
	case c.Paid && (!reversiblePaid(c.Channel, time.Unix(*c.TimePaid, 0), now) || c.Refunded):
		return nil, apierr.BadStatus("charge_unexpected_status", "charge 已支付，渠道 "+c.Channel+" 不能撤销。", "The charge is paid: the channel "+c.Channel+" cannot reverse it.")
	case !channel.Find(c.Channel).Reversible:
		return nil, apierr.BadParam("channel", "渠道 "+c.Channel+" 不支持撤销。", "The channel "+c.Channel+" does not support reversing.")
	case strings.Contains(c.Channel, "wx") && now.Sub(time.Unix(c.Created, 0)) < reverseWait:
		return nil, apierr.OfChannel(c.Channel, "下单后请勿立即撤销，请稍后再试")
	}
	c.Reversed = true
	cs.log.Info("charge reversed", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo), zap.Bool("paid", c.Paid))
	return c.shown(now), nil
}

// reversiblePaid says whether the channel reverses a charge that was paid at a time.
func reversiblePaid(channel string, paid, now time.Time) bool {
	sameDay := func(begins time.Duration) bool {
		return dice.Dated(paid.Add(-begins), time.DateOnly) == dice.Dated(now.Add(-begins), time.DateOnly)
	}
	switch {
	case channel == "upacp_scan":
		return sameDay(23 * time.Hour)
	case strings.HasPrefix(channel, "isv_"):
		return sameDay(0)
	case strings.HasSuffix(channel, "wx_pub_scan"):
		return now.Sub(paid) < 7*day
	case strings.HasSuffix(channel, "alipay_scan"):
		return now.Sub(paid) < day
	}
	return false
}

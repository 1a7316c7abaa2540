package sandbox

import (
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"github.com/caddypay/caddypay/sandbox/dice"
	"go.uber.org/zap"
)

const (
	refundWait   = 10 * time.Second // until a pending refund is settled, before scaling
	shownRefunds = 10               // within a charge
	maxRefunds   = 50               // WeChat's bound for one payment
	refundWithin = 365 * 24 * time.Hour
)

// refund is Ping++'s refund object; the fields stand in the order of its JSON.
type refund struct {
	ID            string         `json:"id"`
	Object        string         `json:"object"`
	OrderNo       string         `json:"order_no"` // the id without re_
	Amount        int64          `json:"amount"`   // fen
	Currency      string         `json:"currency"`
	Created       int64          `json:"created"`
	Succeed       bool           `json:"succeed"`
	Status        string         `json:"status"` // pending, succeeded, failed
	TimeSucceed   *int64         `json:"time_succeed"`
	Description   string         `json:"description"`
	FailureCode   *string        `json:"failure_code"`
	FailureMsg    *string        `json:"failure_msg"`
	Metadata      rawjson.Object `json:"metadata"`
	Charge        string         `json:"charge"`
	ChargeOrderNo string         `json:"charge_order_no"`
	TransactionNo *string        `json:"transaction_no"`
	FundingSource string         `json:"funding_source,omitempty"`
	Extra         rawjson.Object `json:"extra"`

	of      *charge
	request string    // id of the API request that made it
	due     time.Time // when it is settled by itself
	fails   bool      // and how
}

// shown is a copy: the refund itself changes.
func (re *refund) shown() *refund {
	out := *re
	return &out
}

// refundParams are the checked parameters of a new refund.
type refundParams struct {
	amount        int64 // fen; 0 is what is left
	description   string
	metadata      rawjson.Object
	fundingSource string
}

var (
	knownRefundParams = []string{"amount", "description", "metadata", "funding_source", "extra"}
	fundingSources    = []string{"unsettled_funds", "recharge_funds"}
)

func readRefundParams(body []byte) (p refundParams, refusal *apiError) {
	in, refusal := parseParams(body, knownRefundParams)
	if refusal != nil {
		return p, refusal
	}
	if p.description, refusal = requiredText(in, "description"); refusal != nil {
		return p, refusal
	}
	if utf8.RuneCountInString(p.description) > maxDescription {
		return p, tooLong("description", maxDescription)
	}
	if p.amount, _, refusal = amountOf(in); refusal != nil {
		return p, refusal
	}
	if p.metadata, refusal = metadataOf(in); refusal != nil {
		return p, refusal
	}
	if raw, ok := in.Get("funding_source"); ok && !rawjson.IsNull(raw) {
		if p.fundingSource, _ = rawjson.Text(raw); !slices.Contains(fundingSources, p.fundingSource) {
			return p, badParam("funding_source", "funding_source 只能是 unsettled_funds 或 recharge_funds。", "funding_source can be unsettled_funds or recharge_funds.")
		}
	}
	if raw, ok := in.Get("extra"); ok && !rawjson.IsNull(raw) {
		extra, err := rawjson.ParsePairs(raw)
		if err != nil {
			return p, badParam("extra", "extra 必须是键值对。", "extra must consist of key/value pairs.")
		}
		if len(extra) > 0 { // its members are for channels that the sandbox has not
			return p, unknownParam("extra[" + extra[0].Key + "]")
		}
	}
	return p, nil
}

// Some channels take a shorter description than Ping++ does, in bytes.
var shortDescriptions = map[string]int{"cmb_wallet": 99, "jdpay_wap": 128, "paypal": 30}

// createRefund answers POST /v1/charges/{id}/refunds.
func (s *Sandbox) createRefund(chargeID string, body []byte, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, refusal := s.findCharge(chargeID, live)
	if refusal != nil {
		return nil, refusal
	}
	p, refusal := readRefundParams(body)
	if refusal != nil {
		return nil, refusal
	}
	if c.order != nil {
		return nil, badStatus("charge_request_invalid", "请使用商品订单号进行操作。", "Use the id of the order for this.")
	}
	re, refusal := s.refund(c, p, "")
	if refusal != nil {
		return nil, refusal
	}
	return re.shown(), nil
}

// refund makes a refund of a charge, with a status to have at once or, if that is empty, as its fault would have it:
// pending, and then succeeded.
func (s *Sandbox) refund(c *charge, p refundParams, status string) (*refund, *apiError) {
	if most, short := shortDescriptions[c.Channel]; short && len(p.description) > most {
		return nil, tooLong("description", most)
	}
	now := s.cfg.Now()
	amount, refusal := c.refundable(p.amount, now)
	if refusal != nil {
		return nil, refusal
	}
	re := &refund{
		Object: "refund", Amount: amount, Currency: c.Currency, Created: now.Unix(), Status: "pending",
		Description: p.description, Metadata: p.metadata, Charge: c.ID, ChargeOrderNo: c.OrderNo, FundingSource: p.fundingSource,
		of: c, request: s.newRequest(), due: time.Now().Add(s.scaled(refundWait)),
	}
	if f, lost := s.takeFault(opRefund, refundLosses); lost {
		if f.name != "no_description" {
			re.Metadata = nil
		}
		if f.name != "no_metadata" {
			re.Description = ""
		}
	}
	for re.ID == "" || s.refunds[re.ID] != nil {
		re.OrderNo = s.dice.Draw(dice.Alnum, 24)
		re.ID = "re_" + re.OrderNo
	}
	c.made.Add(re.ID, re)
	if c.order != nil {
		c.order.refunds.Add(re.ID, re)
	}
	s.refunds[re.ID] = re
	c.Refunded = true
	s.log.Info("refund created", zap.String("refund", re.ID), zap.String("charge", c.ID), zap.Int64("amount", amount))

	fate := status
	if fate == "" {
		f, _ := s.takeFault(opRefund, refundFates)
		fate = f.name
	}
	switch fate {
	case "succeeded", "failed":
		s.settleRefund(re, fate == "succeeded")
	case "stuck":
	default:
		re.fails = fate == "failed_later"
		s.settling = append(s.settling, re)
		s.poke()
	}
	return re, nil
}

// refundable checks an amount, 0 being all that is left, against what the charge has left to refund.
func (c *charge) refundable(amount int64, now time.Time) (int64, *apiError) {
	if !c.Paid {
		return 0, badStatus("charge_unexpected_status", "charge 未支付，不能退款。", "The charge is not paid and cannot be refunded.")
	}
	if c.Reversed {
		return 0, badStatus("charge_unexpected_status", "charge 已撤销，不能退款。", "The charge is reversed and cannot be refunded.")
	}
	if now.Sub(time.Unix(*c.TimePaid, 0)) > refundWithin {
		return 0, badParam("Refund_time", "超出渠道 "+c.Channel+" 的退款期限。", "Too late for a refund through the channel "+c.Channel+".")
	}
	left, n := c.Amount, 0
	for re := range c.made.Newest() {
		if n++; re.Status != "failed" {
			left -= re.Amount
		}
	}
	switch {
	case left == 0:
		return 0, badParam("", "该 charge 已全额退款。", "The charge has already been fully refunded.")
	case n >= maxRefunds:
		return 0, channelRefusal(c.Channel, "订单退款次数超过限制")
	case amount > left:
		return 0, badParam("amount", "退款金额超过可退金额。", "The amount is more than what is left to refund.")
	case amount == 0:
		return left, nil
	}
	return amount, nil
}

// settleRefund ends a pending refund. Ping++ documents no event for one that fails.
func (s *Sandbox) settleRefund(re *refund, succeed bool) {
	c, now := re.of, s.cfg.Now()
	defer func() {
		s.log.Info("refund settled", zap.String("refund", re.ID), zap.String("charge", c.ID), zap.String("status", re.Status))
	}()
	if !succeed {
		code, message := "refund_refused_msg", channelRefusal(c.Channel, "基本账户余额不足，请充值后重新发起").zh
		re.Status, re.FailureCode, re.FailureMsg = "failed", &code, &message
		return
	}
	unix, number := now.Unix(), wechatRefundNo(s, now)
	re.Status, re.Succeed, re.TimeSucceed, re.TransactionNo = "succeeded", true, &unix, &number
	c.AmountRefunded += re.Amount
	s.emit(newEvent{kind: "refund.succeeded", object: re.shown(), live: c.Livemode, request: &re.request, charge: c.ID})
	s.orderRefunded(re, now)
}

// settleDue settles the refunds whose time has come and tells when the next look is worth it.
func (s *Sandbox) settleDue() (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.settling) > 0 {
		re := s.settling[0]
		if wait := time.Until(re.due); wait > 0 {
			return wait
		}
		s.settling[0] = nil
		s.settling = s.settling[1:]
		if re.Status == "pending" { // no lever was faster
			s.settleRefund(re, !re.fails)
		}
	}
	return time.Hour // a new refund pokes
}

// getRefund answers GET /v1/charges/{id}/refunds/{id}.
func (s *Sandbox) getRefund(chargeID, id string, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, refusal := s.findCharge(chargeID, live)
	if refusal != nil {
		return nil, refusal
	}
	re, ok := c.made.Get(id)
	if !ok {
		return nil, notFound("refund", id, "id")
	}
	return re.shown(), nil
}

// listRefunds answers GET /v1/charges/{id}/refunds.
func (s *Sandbox) listRefunds(chargeID string, query url.Values, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, refusal := s.findCharge(chargeID, live)
	if refusal != nil {
		return nil, refusal
	}
	p, refusal := readPaging(query, "refund", c.made.Has)
	if refusal != nil {
		return nil, refusal
	}
	return c.refundPage(p), nil
}

func (c *charge) refundPage(p paging) list[*refund] {
	found, more := page(&c.made, p, func(*refund) bool { return true })
	return listOfRefunds("/v1/charges/"+c.ID+"/refunds", found, more)
}

func listOfRefunds(url string, found []*refund, more bool) list[*refund] {
	out := list[*refund]{Object: "list", URL: url, HasMore: more, Data: []*refund{}}
	for _, re := range found {
		out.Data = append(out.Data, re.shown())
	}
	return out
}

package trade

import (
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
)

const (
	refundWait   = 10 * time.Second // until a pending refund is settled, before scaling
	shownRefunds = 10               // within a charge
	maxRefunds   = 50               // WeChat's bound for one payment
	refundWithin = 365 * 24 * time.Hour
)

// Refund is Ping++'s refund object; the fields stand in the order of its JSON.
type Refund struct {
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

	of      *Charge
	request string    // id of the API request that made it
	due     time.Time // when it is settled by itself
	fails   bool      // and how
}

// shown is a copy: the refund itself changes.
func (re *Refund) shown() *Refund {
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

func readRefundParams(body []byte) (p refundParams, refusal *apierr.Error) {
	in, refusal := parseParams(body, knownRefundParams)
	if refusal != nil {
		return p, refusal
	}
	if p.description, refusal = requiredText(in, "description"); refusal != nil {
		return p, refusal
	}
	if utf8.RuneCountInString(p.description) > maxDescription {
		return p, apierr.TooLong("description", maxDescription)
	}
	if p.amount, _, refusal = amountOf(in); refusal != nil {
		return p, refusal
	}
	if p.metadata, refusal = metadataOf(in); refusal != nil {
		return p, refusal
	}
	if raw, ok := in.Get("funding_source"); ok && !rawjson.IsNull(raw) {
		if p.fundingSource, _ = rawjson.Text(raw); !slices.Contains(fundingSources, p.fundingSource) {
			return p, apierr.BadParam("funding_source", "funding_source 只能是 unsettled_funds 或 recharge_funds。", "funding_source can be unsettled_funds or recharge_funds.")
		}
	}
	if raw, ok := in.Get("extra"); ok && !rawjson.IsNull(raw) {
		extra, err := rawjson.ParsePairs(raw)
		if err != nil {
			return p, apierr.BadParam("extra", "extra 必须是键值对。", "extra must consist of key/value pairs.")
		}
		if len(extra) > 0 { // its members are for channels that the sandbox has not
			return p, apierr.UnknownParam("extra[" + extra[0].Key + "]")
		}
	}
	return p, nil
}

// Some channels take a shorter description than Ping++ does, in bytes.
var shortDescriptions = map[string]int{"cmb_wallet": 99, "jdpay_wap": 128, "paypal": 30}

// Create answers POST /v1/charges/{id}/refunds.
func (rs *Refunds) Create(chargeID string, body []byte, live bool) (any, *apierr.Error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c, refusal := rs.charges.find(chargeID, live)
	if refusal != nil {
		return nil, refusal
	}
	p, refusal := readRefundParams(body)
	if refusal != nil {
		return nil, refusal
	}
	if c.order != nil {
		return nil, apierr.BadStatus("charge_request_invalid", "请使用商品订单号进行操作。", "Use the id of the order for this.")
	}
	re, refusal := rs.refund(c, p, "")
	if refusal != nil {
		return nil, refusal
	}
	return re.shown(), nil
}

// refund makes a refund of a charge, with a status to have at once or, if that is empty, as its fault would have it:
// pending, and then succeeded.
func (rs *Refunds) refund(c *Charge, p refundParams, status string) (*Refund, *apierr.Error) {
	if most, short := shortDescriptions[c.Channel]; short && len(p.description) > most {
		return nil, apierr.TooLong("description", most)
	}
	now := rs.now()
	amount, refusal := c.refundable(p.amount, now)
	if refusal != nil {
		return nil, refusal
	}
	re := &Refund{
		Object: "refund", Amount: amount, Currency: c.Currency, Created: now.Unix(), Status: "pending",
		Description: p.description, Metadata: p.metadata, Charge: c.ID, ChargeOrderNo: c.OrderNo, FundingSource: p.fundingSource,
		of: c, request: rs.newRequest(), due: time.Now().Add(rs.wait),
	}
	if f, lost := rs.faults.Take(opRefund, refundLosses); lost {
		if f.Name != "no_description" {
			re.Metadata = nil
		}
		if f.Name != "no_metadata" {
			re.Description = ""
		}
	}
	for re.ID == "" || rs.charges.refunds[re.ID] != nil {
		re.OrderNo = rs.dice.Draw(dice.Alnum, 24)
		re.ID = "re_" + re.OrderNo
	}
	c.made.Add(re.ID, re)
	if c.order != nil {
		c.order.refunds.Add(re.ID, re)
	}
	rs.charges.refunds[re.ID] = re
	c.Refunded = true
	rs.log.Info("refund created", zap.String("refund", re.ID), zap.String("charge", c.ID), zap.Int64("amount", amount))

	fate := status
	if fate == "" {
		f, _ := rs.faults.Take(opRefund, refundFates)
		fate = f.Name
	}
	switch fate {
	case "succeeded", "failed":
		rs.settle(re, fate == "succeeded")
	case "stuck":
	default:
		re.fails = fate == "failed_later"
		rs.settling = append(rs.settling, re)
		rs.poke()
	}
	return re, nil
}

// refundable checks an amount, 0 being all that is left, against what the charge has left to refund.
func (c *Charge) refundable(amount int64, now time.Time) (int64, *apierr.Error) {
	if !c.Paid {
		return 0, apierr.BadStatus("charge_unexpected_status", "charge 未支付，不能退款。", "The charge is not paid and cannot be refunded.")
	}
	if c.Reversed {
		return 0, apierr.BadStatus("charge_unexpected_status", "charge 已撤销，不能退款。", "The charge is reversed and cannot be refunded.")
	}
	if now.Sub(time.Unix(*c.TimePaid, 0)) > refundWithin {
		return 0, apierr.BadParam("Refund_time", "超出渠道 "+c.Channel+" 的退款期限。", "Too late for a refund through the channel "+c.Channel+".")
	}
	left, n := c.Amount, 0
	for re := range c.made.Newest() {
		if n++; re.Status != "failed" {
			left -= re.Amount
		}
	}
	switch {
	case left == 0:
		return 0, apierr.BadParam("", "该 charge 已全额退款。", "The charge has already been fully refunded.")
	case n >= maxRefunds:
		return 0, apierr.OfChannel(c.Channel, "订单退款次数超过限制")
	case amount > left:
		return 0, apierr.BadParam("amount", "退款金额超过可退金额。", "The amount is more than what is left to refund.")
	case amount == 0:
		return left, nil
	}
	return amount, nil
}

// Get answers GET /v1/charges/{id}/refunds/{id}.
func (rs *Refunds) Get(chargeID, id string, live bool) (any, *apierr.Error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c, refusal := rs.charges.find(chargeID, live)
	if refusal != nil {
		return nil, refusal
	}
	re, ok := c.made.Get(id)
	if !ok {
		return nil, apierr.NotFound("refund", id, "id")
	}
	return re.shown(), nil
}

// List answers GET /v1/charges/{id}/refunds.
func (rs *Refunds) List(chargeID string, query url.Values, live bool) (any, *apierr.Error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c, refusal := rs.charges.find(chargeID, live)
	if refusal != nil {
		return nil, refusal
	}
	p, refusal := readPaging(query, "refund", c.made.Has)
	if refusal != nil {
		return nil, refusal
	}
	return c.refundPage(p), nil
}

func (c *Charge) refundPage(p paging) list[*Refund] {
	found, more := page(&c.made, p, func(*Refund) bool { return true })
	return listOfRefunds("/v1/charges/"+c.ID+"/refunds", found, more)
}

func listOfRefunds(url string, found []*Refund, more bool) list[*Refund] {
	out := list[*Refund]{Object: "list", URL: url, HasMore: more, Data: []*Refund{}}
	for _, re := range found {
		out.Data = append(out.Data, re.shown())
	}
	return out
}

package pingpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Where the money of a refund comes from. Only WeChat's and QQ's older ways of settling know the difference.
const (
	UnsettledFunds = "unsettled_funds" // Ping++'s default
	RechargeFunds  = "recharge_funds"
)

// RefundParams is what a refund is made of. Only Description is required.
type RefundParams struct {
	Description string // why, at most 255 characters; the payer may see it

	// Amount is in fen, at most what is left of the charge; 0: not sent, and everything that is left goes back.
	Amount int64

	// Metadata comes back in the refund and in its events: at most 10 flat pairs, 1000 characters in all. There is no
	// idempotency key at Ping++: a number of the merchant's own in here is how a refund whose answer was lost is found again, as a
	// rule: an answer without it is the refund all the same.
	Metadata map[string]any

	FundingSource string // UnsettledFunds or RechargeFunds; empty: not sent
}

// Refund is money on its way back to the payer. It names neither app nor mode: both are its charge's.
type Refund struct {
	ID            string // re_…
	ChargeID      string
	OrderNo       string // the charge's order number; may be empty
	Status        string // pending, succeeded or failed
	Amount        int64  // fen
	Succeed       bool
	Created       int64 // Unix seconds, as TimeSucceeded
	TimeSucceeded int64 // 0 until then
	Description   string
	FailureCode   string
	FailureMsg    string
	Metadata      map[string]string // values that are no strings as their JSON text

	Raw json.RawMessage // the refund as it came, byte for byte
}

// parseRefund reads a refund object, as [ParseCharge] does a charge. Its id, charge, amount, status and success must be there and say
// one thing. The refund keeps slices of raw.
func parseRefund(raw []byte) (*Refund, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	return readRefund(o, raw)
}

func readRefund(o *object, raw []byte) (*Refund, error) {
	r := reader{object: o, name: "refund"}
	re := &Refund{
		ID: r.mustID("id"), ChargeID: r.ref("charge"), OrderNo: r.text("charge_order_no"), Status: r.must("status"),
		Amount: r.mustMoney("amount"), Succeed: r.mustFlag("succeed"),
		Created: r.moment("created"), TimeSucceeded: r.moment("time_succeed"), Description: r.note("description"),
		FailureCode: r.note("failure_code"), FailureMsg: r.note("failure_msg"), Metadata: r.pairs("metadata"), Raw: raw,
	}
	if kind := r.text("object"); kind != "refund" {
		r.fail("object", `"refund"`)
	}
	if re.ChargeID == "" {
		r.fail("charge", "a charge")
	}
	if r.err != nil {
		return nil, r.err
	}
	return re, nil
}

// refundBody is the request's JSON.
type refundBody struct {
	Amount        int64          `json:"amount,omitempty"`
	Description   string         `json:"description"`
	Metadata      map[string]any `json:"metadata,omitempty"`
	FundingSource string         `json:"funding_source,omitempty"`
}

func (p *RefundParams) check() error {
	switch {
	case p == nil:
		return errors.New("no parameters")
	case p.Description == "":
		return errors.New("the description is empty")
	case p.Amount < 0:
		return fmt.Errorf("the amount is %d fen: it must be more than 0, or 0 for everything that is left", p.Amount)
	case p.FundingSource != "" && p.FundingSource != UnsettledFunds && p.FundingSource != RechargeFunds:
		return fmt.Errorf("the funding source is %q: give %s, %s or nothing", clean(p.FundingSource, maxWord), UnsettledFunds, RechargeFunds)
	}
	return nil
}

// matches refuses a refund other than the one asked for. Metadata that says something else is another's; what is not there at all was
// lost, and the refund is the one asked for all the same.
func (p *RefundParams) matches(re *Refund) error {
	if p.Amount != 0 && re.Amount != p.Amount {
		return mismatch("amount", re.Amount, p.Amount)
	}
	for key, want := range p.Metadata {
		got, there := re.Metadata[key]
		if text, ok := want.(string); ok && there && got != text {
			return mismatch("metadata."+clean(key, maxWord), got, text)
		}
	}
	return nil
}

// CreateRefund gives a paid charge back, whole or in part, and returns the refund if it is the one that p describes. It may be
// pending, as WeChat's are at first, or failed already: a channel's refusal is a success of the call with Status failed as
// a rule. Any error is an *[Error]; when its Unknown is true the refund may exist at Ping++: look for it with
// [Client.ListRefunds] before asking again. A charge that belongs to a Ping++ order is refused with the Code
// charge_request_invalid: see [Client.RefundOrder]. The request is sent again only when it surely came to nothing.
func (c *Client) CreateRefund(ctx context.Context, chargeID string, p *RefundParams) (*Refund, error) {
	r := request{op: "create refund", method: http.MethodPost, target: refundsPath(chargeID)}
	if r.err = p.check(); r.err == nil {
		r.body, r.err = encodeBody(refundBody{p.Amount, p.Description, p.Metadata, p.FundingSource})
	}
	return fetch(ctx, c, r, func(raw []byte) (*Refund, error) {
		re, err := parseRefundOf(chargeID)(raw)
		if err == nil {
			err = p.matches(re)
		}
		return re, err
	}, chargeID)
}

// GetRefund asks for a refund of a charge by its id. That the charge is the app's own is for the caller to know: a refund
// does not say. Any error is an *[Error], of kind NotFound when Ping++ has no such refund of that charge.
func (c *Client) GetRefund(ctx context.Context, chargeID, refundID string) (*Refund, error) {
	r := request{op: "get refund", method: http.MethodGet, target: refundsPath(chargeID) + "/" + refundID}
	return c.askRefund(ctx, r, parseRefundOf(chargeID), chargeID, refundID)
}

// askRefund asks for one refund of a charge or an order, and returns it if it is that one.
func (c *Client) askRefund(ctx context.Context, r request, parse func(raw []byte) (*Refund, error), of, id string) (*Refund, error) {
	return fetch(ctx, c, r, func(raw []byte) (*Refund, error) {
		re, err := parse(raw)
		if err == nil {
			err = agree(is{"id", re.ID, id})
		}
		return re, err
	}, of, id)
}

// ListRefundsParams picks a page of a charge's refunds. What is left at its zero value is not sent.
type ListRefundsParams struct {
	Limit         int    // 1 to 100; Ping++'s default is 10
	StartingAfter string // a refund id: the page begins behind it
	EndingBefore  string // a refund id: the page ends before it
}

// RefundList is one page of a charge's refunds, newest first.
type RefundList struct {
	Data    []*Refund
	HasMore bool // ask again with StartingAfter = the last refund's id; of an order's refunds with the next Page
	Raw     json.RawMessage
}

// ListRefunds lists the refunds of a charge, whatever became of them. Any error is an *[Error]; a page with one refund that
// cannot be read, or that is another charge's, is refused whole, so that nobody takes the rest for all there is.
func (c *Client) ListRefunds(ctx context.Context, chargeID string, p ListRefundsParams) (*RefundList, error) {
	q, err := pageQuery(p.Limit, p.StartingAfter, p.EndingBefore)
	l, err := list(ctx, c, "list refunds", refundsPath(chargeID), q, err, parseRefundOf(chargeID), chargeID)
	return (*RefundList)(l), err
}

func refundsPath(chargeID string) string { return "/v1/charges/" + chargeID + "/refunds" }

// parseRefundOf reads refunds and refuses those of any charge but one.
func parseRefundOf(chargeID string) func([]byte) (*Refund, error) {
	return func(raw []byte) (*Refund, error) {
		re, err := parseRefund(raw)
		if err == nil && re.ChargeID != chargeID {
			err = mismatch("charge", re.ChargeID, chargeID)
		}
		return re, err
	}
}

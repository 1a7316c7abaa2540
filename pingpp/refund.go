package pingpp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

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
	FailureCode   string
	FailureMsg    string
	Metadata      map[string]string // values that are no strings as their JSON text

	Raw json.RawMessage // the refund as it came, byte for byte
}

// ParseRefund reads a refund object. Its id, charge, amount, status and success must be there and of their type; metadata
// may be [], and null stands for zero. The refund keeps slices of raw.
func ParseRefund(raw []byte) (*Refund, error) {
	re, err := parseRefund(raw)
	if err != nil {
		return nil, fmt.Errorf("pingpp: %w", err)
	}
	return re, nil
}

func parseRefund(raw []byte) (*Refund, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	return readRefund(o, raw)
}

func readRefund(o object, raw []byte) (*Refund, error) {
	r := reader{object: o, name: "refund"}
	re := &Refund{
		ID: r.mustID("id"), ChargeID: r.ref("charge"), OrderNo: r.text("charge_order_no"), Status: r.must("status"),
		Amount: r.mustMoney("amount"), Succeed: r.mustFlag("succeed"),
		Created: r.number("created"), TimeSucceeded: r.number("time_succeed"),
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

// GetRefund asks for a refund of a charge by its id. That the charge is the app's own is for the caller to know: a refund
// does not say. Any error is an *[Error], of kind NotFound when Ping++ has no such refund of that charge.
func (c *Client) GetRefund(ctx context.Context, chargeID, refundID string) (*Refund, error) {
	r := request{op: "get refund", method: http.MethodGet, target: refundsPath(chargeID) + "/" + refundID, secrets: c.secrets(nil)}
	raw, failed := c.ask(ctx, r, chargeID, refundID)
	if failed != nil {
		return nil, failed
	}
	re, err := parseRefundOf(chargeID)(raw)
	if err == nil && re.ID != refundID {
		err = mismatch("id", re.ID, refundID)
	}
	if err != nil {
		return nil, r.malformed(http.StatusOK, err)
	}
	return re, nil
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
	HasMore bool // ask again with StartingAfter = the last refund's id
	Raw     json.RawMessage
}

// ListRefunds lists the refunds of a charge, whatever became of them. Any error is an *[Error]; a page with one refund that
// cannot be read, or that is another charge's, is refused whole, so that nobody takes the rest for all there is.
func (c *Client) ListRefunds(ctx context.Context, chargeID string, p ListRefundsParams) (*RefundList, error) {
	r := request{op: "list refunds", method: http.MethodGet, target: refundsPath(chargeID), secrets: c.secrets(nil)}
	q, err := pageQuery(p.Limit, p.StartingAfter, p.EndingBefore)
	if err != nil {
		return nil, &Error{Kind: InvalidRequest, Op: r.op, err: err}
	}
	if len(q) > 0 {
		r.target += "?" + q.Encode()
	}
	raw, failed := c.ask(ctx, r, chargeID)
	if failed != nil {
		return nil, failed
	}
	data, more, err := parseList(raw, parseRefundOf(chargeID))
	if err != nil {
		return nil, r.malformed(http.StatusOK, err)
	}
	return &RefundList{Data: data, HasMore: more, Raw: raw}, nil
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

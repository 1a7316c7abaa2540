package pingpp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// OrderRefundParams is what the refund of an order is made of. Only Description is required.
type OrderRefundParams struct {
	Description string // why, at most 255 characters

	// ChargeID is the charge of the order to refund; empty: not sent, and Ping++ spreads the refund over all of them.
	ChargeID string
	// ChargeAmount is in fen, with ChargeID only; 0: not sent, and everything that is left goes back.
	ChargeAmount int64

	Metadata      map[string]any // at most 10 flat pairs, 1000 characters in all; on every refund that comes of it
	RefundMode    string         // to_source or to_balance; empty: not sent, and it is to_source
	FundingSource string         // UnsettledFunds or RechargeFunds; empty: not sent
}

// orderRefundBody is the request's JSON.
type orderRefundBody struct {
	Charge        string         `json:"charge,omitempty"`
	ChargeAmount  int64          `json:"charge_amount,omitempty"`
	Description   string         `json:"description"`
	Metadata      map[string]any `json:"metadata,omitempty"`
	RefundMode    string         `json:"refund_mode,omitempty"`
	FundingSource string         `json:"funding_source,omitempty"`
}

func (p *OrderRefundParams) check() error {
	if p == nil {
		return errors.New("no parameters")
	}
	if p.ChargeID == "" && p.ChargeAmount != 0 {
		return errors.New("an amount is given but no charge: name the charge, or leave the amount out")
	}
	if p.ChargeID != "" && !validID(p.ChargeID) {
		return errors.New("the charge is not 1 to 64 letters, digits and underscores")
	}
	if p.RefundMode != "" && p.RefundMode != "to_source" && p.RefundMode != "to_balance" {
		return fmt.Errorf("the refund mode is %q: give to_source, to_balance or nothing", clean(p.RefundMode, maxWord))
	}
	return p.refund().check()
}

// refund is what each refund that comes of it has to be like.
func (p *OrderRefundParams) refund() *RefundParams {
	return &RefundParams{Description: p.Description, Amount: p.ChargeAmount, Metadata: p.Metadata, FundingSource: p.FundingSource}
}

// RefundOrder gives an order's money back, and returns the refunds that come of it: one for each charge, exactly one when
// ChargeID is given. The charges of an order can be refunded in no other way. Any error is an *[Error]; when its Unknown is true
// the refunds may exist at Ping++: look for them with [Client.ListOrderRefunds] before asking again. The request is sent again
// only when it surely came to nothing.
func (c *Client) RefundOrder(ctx context.Context, orderID string, p *OrderRefundParams) ([]*Refund, error) {
	r := request{op: "refund order", method: http.MethodPost, target: orderRefundsPath(orderID)}
	if r.err = p.check(); r.err == nil {
		r.body, r.err = encodeBody(orderRefundBody{p.ChargeID, p.ChargeAmount, p.Description, p.Metadata, p.RefundMode, p.FundingSource})
	}
	return fetch(ctx, c, r, func(raw []byte) ([]*Refund, error) {
		refunds, more, err := parseList(raw, func(raw []byte) (*Refund, error) {
			re, err := parseRefund(raw)
			if err == nil && p.ChargeID != "" && re.ChargeID != p.ChargeID {
				err = mismatch("charge", re.ChargeID, p.ChargeID)
			}
			if err == nil {
				err = p.refund().matches(re)
			}
			return re, err
		})
		switch {
		case err != nil:
		case len(refunds) == 0:
			err = errors.New("it holds no refund")
		case p.ChargeID != "" && (len(refunds) > 1 || more):
			err = errors.New("it holds several refunds of one charge")
		}
		return refunds, err
	}, orderID)
}

// GetOrderRefund asks for a refund of an order by its id. Any error is an *[Error], of kind NotFound when Ping++ has no such
// refund of that order.
func (c *Client) GetOrderRefund(ctx context.Context, orderID, refundID string) (*Refund, error) {
	r := request{op: "get order refund", method: http.MethodGet, target: orderRefundsPath(orderID) + "/" + refundID}
	return c.askRefund(ctx, r, parseRefund, orderID, refundID)
}

// ListOrderRefunds lists the refunds of an order, whatever became of them, newest first. Any error is an *[Error].
func (c *Client) ListOrderRefunds(ctx context.Context, orderID string, p OrderPage) (*RefundList, error) {
	q, err := p.query()
	l, err := list(ctx, c, "list order refunds", orderRefundsPath(orderID), q, err, parseRefund, orderID)
	return (*RefundList)(l), err
}

func orderRefundsPath(orderID string) string { return "/v1/orders/" + orderID + "/order_refunds" }

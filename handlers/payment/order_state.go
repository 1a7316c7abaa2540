package payment

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// OrderState is an order as one of its payers sees it.
type OrderState struct {
	OrderNo string `json:"order_no"`
	Status  string `json:"status"`              // unpaid, paid, held, refunded, closed or unknown
	Charge  string `json:"charge_id,omitempty"` // that the status is about, where it is the payer's own
}

// The statuses that an order has and a charge has not.
const (
	orderUnpaid  = "unpaid"
	orderClosed  = "closed"  // unpaid, and the backend last said that it cannot be paid any more
	orderUnknown = "unknown" // this payer has begun no payment of it here
)

// OrderState serves GET /pay/orders/{order_no}/state: what has become of an order that the payer has begun to pay, from the ledger, without beginning
// another payment. Of an order that only others have begun to pay it says no more than of one that does not exist.
func (s *Payments) OrderState(w http.ResponseWriter, r *http.Request, orderNo string) error {
	id, err := s.Visitors.Identify(r)
	if err != nil {
		return err
	}
	if err := checkOrderNo(orderNo); err != nil {
		return problem.New("order_invalid", err)
	}
	l, err := s.Ledger(r.Context())
	if err != nil {
		return err
	}
	state, last, err := s.orderState(r.Context(), l, orderNo, id)
	if err != nil {
		return err
	}
	if last != nil && s.Now().Sub(last.Created) >= askAfter {
		charge.Ask(r.Context(), s.Reconciler, s.Logger, last)
		if state, _, err = s.orderState(r.Context(), l, orderNo, id); err != nil {
			return err
		}
	}
	w.Header().Set("X-Pay-Order-No", orderNo)
	reply.JSON(w, http.StatusOK, state)
	return nil
}

// orderState returns the payer's last charge too while the order is unpaid, since its webhook may be late.
func (s *Payments) orderState(ctx context.Context, l ledger.Ledger, orderNo string, id session.Identity) (OrderState, *ledger.Charge, error) {
	state := OrderState{OrderNo: orderNo, Status: orderUnknown}
	attempts, err := l.Attempts(ctx, s.Scope, orderNo)
	if err != nil || !slices.ContainsFunc(attempts, func(c ledger.Charge) bool { return id.Owns(&c) }) {
		return state, nil, err
	}
	now := s.Now()
	state.Status = orderUnpaid
	if c := ledger.Foremost(attempts, now); c != nil {
		if id.Owns(c) {
			state.Charge = c.ID
		}
		switch status := c.Status(now); status {
		case ledger.StatusPaid, ledger.StatusHeld, ledger.StatusRefunded:
			state.Status = string(status)
			return state, nil, nil
		}
	}
	life, err := l.Order(ctx, s.Scope, orderNo)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return state, nil, err
	}
	if life != nil && life.Quote != nil && life.Quote.Closed {
		state.Status = orderClosed
	}
	for i := range slices.Backward(attempts) {
		if c := &attempts[i]; c.State == ledger.Open && !c.Reversed && id.Owns(c) {
			return state, c, nil
		}
	}
	return state, nil, nil
}

package merchant

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
)

// OrderView is all that is known about an order, for the merchant.
type OrderView struct {
	OrderNo  string          `json:"order_no"`
	Mode     string          `json:"mode"`   // live or test
	Status   string          `json:"status"` // created, paid, held, refunded, reversed or expired
	Amount   int64           `json:"amount"` // fen, of the charge that the status is about; 0 while there is none
	Currency string          `json:"currency"`
	Charges  []orderedCharge `json:"charges"` // oldest first
	Refunds  []refundView    `json:"refunds"` // oldest first
	Delivery deliveryView    `json:"delivery"`

	// Shipping is what WeChat knows of how the payment was shipped; left out where there is nothing to know.
	Shipping *shippingView `json:"shipping,omitempty"`
}

// orderedCharge is one attempt to pay the order.
type orderedCharge struct {
	Charge         *string `json:"charge"` // ch_…; null when Ping++ has not answered with one
	Number         string  `json:"number"` // Ping++'s order_no: the merchant's on the first attempt, with a suffix later
	Channel        string  `json:"channel"`
	Amount         int64   `json:"amount"` // fen
	Currency       string  `json:"currency"`
	Status         string  `json:"status"` // as the order's, and preparing, refused or unknown
	Paid           bool    `json:"paid"`
	Superseded     bool    `json:"superseded"`      // a later attempt took its place
	AmountRefunded int64   `json:"amount_refunded"` // fen
	Created        int64   `json:"created"`         // Unix seconds
	TimePaid       *int64  `json:"time_paid"`       // Unix seconds
	TimeExpire     *int64  `json:"time_expire"`     // Unix seconds; null where Ping++ names none
}

// deliveryView says whether the shop's backend knows.
type deliveryView struct {
	// State is that of the event that is worst off: dead, held, pending, delivered, discarded or filtered; none without events.
	State  string      `json:"state"`
	Events []eventView `json:"events"` // oldest first
}

// eventView is one event and how far its delivery is.
type eventView struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"`
	Charge    *string  `json:"charge"`
	State     string   `json:"state"`
	Reasons   []string `json:"reasons"` // why it is held or filtered
	Attempts  int      `json:"attempts"`
	LastError *string  `json:"last_error"` // why the last attempt did not count
	Received  int64    `json:"received"`   // Unix seconds, as all times here
	NextTry   *int64   `json:"next_try"`   // while it is pending
	Settled   *int64   `json:"settled"`
}

// Order serves GET /pay/orders/{order_no}: every attempt to pay it, every refund, and whether the backend knows.
func (a *API) Order(w http.ResponseWriter, r *http.Request, orderNo string) error {
	ctx := r.Context()
	l, err := a.Ledger(ctx)
	if err != nil {
		return err
	}
	attempts, err := l.Attempts(ctx, a.Scope, orderNo)
	if err != nil {
		return err
	}
	v := OrderView{OrderNo: orderNo, Mode: string(a.Scope.Mode), Charges: []orderedCharge{}, Refunds: []refundView{}}
	if v.Delivery, err = a.delivery(ctx, l, orderNo); err != nil {
		return err
	}
	if len(attempts) == 0 && len(v.Delivery.Events) == 0 {
		return neverBegun()
	}
	v.tell(attempts, a.Now())
	refunds, err := l.RefundsOf(ctx, a.Scope, orderNo)
	if err != nil {
		return err
	}
	for i := range refunds {
		v.Refunds = append(v.Refunds, viewRefund(&refunds[i]))
	}
	if a.Ships {
		if v.Shipping, err = a.shippingOf(r, l, orderNo, attempts); err != nil {
			return err
		}
		w.Header().Add("Vary", "Accept-Language")
	}
	w.Header().Set("X-Pay-Order-No", orderNo)
	reply.JSON(w, http.StatusOK, v)
	return nil
}

// tell shows the attempts, oldest first, and the order as the foremost of them. When Ping++ has no charge of it, it can be paid; so it is when all that
// is known is an event that names none.
func (v *OrderView) tell(attempts []ledger.Charge, now time.Time) {
	v.Status = string(ledger.StatusCreated)
	if c := ledger.Foremost(attempts, now); c != nil {
		v.Status, v.Amount, v.Currency = string(c.Status(now)), c.Amount, c.Currency
	}
	for i := range attempts {
		v.Charges = append(v.Charges, viewAttempt(&attempts[i], now))
	}
}

func viewAttempt(c *ledger.Charge, now time.Time) orderedCharge {
	v := orderedCharge{
		Charge: charge.Optional(c.ID), Number: c.Number, Channel: c.Channel, Amount: c.Amount, Currency: c.Currency, Status: string(c.Status(now)),
		Paid: c.Paid, Superseded: c.Superseded, AmountRefunded: c.AmountRefunded, Created: c.Created.Unix(), TimeExpire: charge.Unix(c.TimeExpire),
	}
	if c.Paid {
		v.TimePaid = charge.Unix(c.TimePaid)
	}
	return v
}

// The states of events, the worst first.
var stateOrder = []ledger.State{ledger.Dead, ledger.Held, ledger.Pending, ledger.Delivered, ledger.Discarded, ledger.Filtered}

func (a *API) delivery(ctx context.Context, l ledger.Ledger, orderNo string) (deliveryView, error) {
	d := deliveryView{State: "none", Events: []eventView{}}
	events, err := l.Events(ctx, ledger.Filter{Scope: a.Scope, OrderNo: orderNo, Limit: 1000})
	if err != nil {
		return d, err
	}
	worst := len(stateOrder)
	for i := range slices.Backward(events) {
		e := &events[i]
		v := eventView{ID: e.ID, Type: e.Type, Charge: charge.Optional(e.ChargeID), State: string(e.State), Reasons: e.Reasons, Attempts: e.Attempts,
			Received: e.Received.Unix(), Settled: charge.Unix(e.Settled)}
		if v.Reasons == nil {
			v.Reasons = []string{}
		}
		if e.State == ledger.Pending {
			v.NextTry = charge.Unix(e.Due)
		}
		if e.State == ledger.Pending || e.State == ledger.Dead {
			tries, err := l.Deliveries(ctx, a.Scope, e.ID)
			if err != nil {
				return d, err
			}
			if n := len(tries); n > 0 {
				v.LastError = charge.Optional(tries[n-1].Error)
			}
		}
		if i := slices.Index(stateOrder, e.State); i >= 0 && i < worst {
			worst, d.State = i, string(e.State)
		}
		d.Events = append(d.Events, v)
	}
	return d, nil
}

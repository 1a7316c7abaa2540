package adminapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

// OrderLife is all that is known of an order.
type OrderLife struct {
	App       string          `json:"app"`
	Mode      string          `json:"mode"`
	OrderNo   string          `json:"order_no"`
	Status    string          `json:"status"`              // as in a list
	Quote     *QuoteView      `json:"quote,omitempty"`     // what the backend last said
	Charges   []ChargeView    `json:"charges"`             // oldest first
	Refunds   []RefundView    `json:"refunds"`             // oldest first
	Events    []ToldView      `json:"events"`              // in the order of their arrival
	Shipments []ShipmentWhole `json:"shipments,omitempty"` // in the order of their charges; absent where WeChat waits for no report
	Paused    *PauseView      `json:"paused,omitempty"`
	Timeline  []Entry         `json:"timeline"` // of all this, oldest first; at its end what is to come
	Now       time.Time       `json:"now"`      // when this was so
}

// Waiting are its events about which something can be decided.
func (v *OrderLife) Waiting() (waiting []ToldView) {
	for _, e := range v.Events {
		if e.State == string(ledger.Held) || e.State == string(ledger.Dead) || e.State == string(ledger.Pending) {
			waiting = append(waiting, e)
		}
	}
	return waiting
}

// Known are the payments that the backend has acknowledged, as its last word.
func (v *OrderLife) Known() (known []ToldView) {
	for _, e := range v.Events {
		if e.State == string(ledger.Delivered) && e.Money > 0 {
			known = append(known, e)
		}
	}
	return known
}

// QuoteView is what the backend said about an order.
type QuoteView struct {
	At       time.Time `json:"at"`
	Amount   int64     `json:"amount"` // fen
	Currency string    `json:"currency"`
	Closed   bool      `json:"closed"` // it cannot be paid any more
}

// ToldView is an event and what became of it.
type ToldView struct {
	EventView
	Deliveries []DeliveryView `json:"deliveries"` // every attempt, oldest first
	Decisions  []AuditView    `json:"decisions"`  // oldest first
}

// orderServer tells an order.
type orderServer struct {
	books
	query    func(ctx context.Context, scope ledger.Scope, orderNo string) error
	unpriced unpriced
	pauses   func(ledger.Scope) []shipping.Pause // Config.ShippingPauses
}

type orderClient struct{ *Endpoint }

// Order returns all that is known of an order, by the merchant's number.
func (s *orderServer) Order(ctx context.Context, app, mode, orderNo string) (*OrderLife, error) {
	named, err := scopeOf(app, mode)
	if err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var found *OrderLife
	for _, scope := range s.scopesOf(named) {
		life, err := l.Order(ctx, scope, orderNo)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			continue
		case err != nil:
			return nil, unread(err)
		case found != nil:
			return nil, refuse(http.StatusConflict, "the order %.80q is known for %s/%s and %s; name one with app and mode", orderNo, found.App, found.Mode, scope.Key())
		}
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		found = viewLife(scope, life, f.Paused, now, s.pauses(scope)...)
	}
	if found != nil {
		return found, nil
	}
	why, err := whyNoEvents(ctx, l, s.unpriced, s.scopesOf(named), orderNo)
	if err != nil {
		return nil, unread(err)
	}
	return nil, refuse(http.StatusNotFound, "%s", why)
}

func viewLife(scope ledger.Scope, life *ledger.Life, paused *ledger.Pause, now time.Time, untold ...shipping.Pause) *OrderLife {
	v := &OrderLife{
		App: scope.App, Mode: string(scope.Mode), OrderNo: life.OrderNo, Status: string((&ledger.Order{Attempts: life.Charges}).Status(now)),
		Charges: []ChargeView{}, Refunds: []RefundView{}, Events: []ToldView{}, Paused: viewPause(scope, paused), Now: now,
	}
	if q := life.Quote; q != nil {
		v.Quote = &QuoteView{At: q.At, Amount: q.Amount, Currency: q.Currency, Closed: q.Closed}
	}
	var veil veil
	for i := range life.Charges {
		veil.know(life.Charges[i].Payer)
		v.Charges = append(v.Charges, viewCharge(&life.Charges[i], now))
	}
	for i := range life.Refunds {
		v.Refunds = append(v.Refunds, viewRefund(&life.Refunds[i]))
	}
	for i := range life.Events {
		told := &life.Events[i]
		t := ToldView{EventView: viewEvent(&told.Event), Deliveries: veil.deliveries(told.Event.Attempts, told.Deliveries), Decisions: []AuditView{}}
		for j := range told.Decisions {
			t.Decisions = append(t.Decisions, viewDecided(scope, &told.Decisions[j]))
		}
		v.Events = append(v.Events, t)
	}
	for i := range life.Shipped {
		v.Shipments = append(v.Shipments, viewShipped(&life.Shipped[i], untold))
	}
	v.Timeline = timeline(v, life)
	return v
}

// queryPatience is how long Ping++ is asked about an order.
const queryPatience = 30 * time.Second

// Query asks Ping++ now about what is not known of an order, and returns all that is known then. One that the ledger does not know at all is asked for
// in every app and mode.
func (s *orderServer) Query(ctx context.Context, app, mode, orderNo string) (*OrderLife, error) {
	named, err := scopeOf(app, mode)
	if err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	scopes := s.scopesOf(named)
	var knowing []ledger.Scope
	for _, scope := range scopes {
		attempts, err := l.Attempts(ctx, scope, orderNo)
		if err != nil {
			return nil, unread(err)
		}
		if len(attempts) > 0 {
			knowing = append(knowing, scope)
		}
	}
	if len(knowing) > 0 {
		scopes = knowing
	}
	within, cancel := context.WithTimeout(ctx, queryPatience)
	defer cancel()
	for _, scope := range scopes {
		if err := s.query(within, scope, orderNo); err != nil {
			return nil, refuse(http.StatusBadGateway, "asking Ping++ about the order %.80q of %s: %w", orderNo, scope.Key(), err)
		}
	}
	return s.Order(ctx, app, mode, orderNo)
}

// Order is Server.Order.
func (c *orderClient) Order(ctx context.Context, app, mode, orderNo string) (*OrderLife, error) {
	return get[OrderLife](ctx, c.Endpoint, "/pay/orders/{order_no}", OrderRef{orderNo, ScopeRef{app, mode}})
}

// Query is Server.Query.
func (c *orderClient) Query(ctx context.Context, app, mode, orderNo string) (*OrderLife, error) {
	return post[OrderLife](ctx, c.Endpoint, "/pay/orders/{order_no}/query", OrderRef{orderNo, ScopeRef{app, mode}}, nothing{})
}

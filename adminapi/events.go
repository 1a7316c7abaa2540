package adminapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// eventServer lists events, and does what a person decides about one.
type eventServer struct {
	books
	unpriced unpriced
}

type eventClient struct{ *Endpoint }

// Events lists events in the order of their arrival, newest first.
func (s *eventServer) Events(ctx context.Context, q EventQuery) (*EventPage, error) {
	f, p, err := q.filter(time.Now())
	if err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	arrival := func(a, b *ledger.Event) int { return cmp.Compare(b.Seq, a.Seq) } // it is the whole ledger's
	rows, listing, err := list(ctx, &s.books, p, arrival, func(scope ledger.Scope, cursor string, limit int) (ledger.Page[ledger.Event], error) {
		f.Scope, f.Cursor, f.Limit = scope, cursor, limit
		return l.ListEvents(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	page := &EventPage{Events: make([]EventView, 0, len(rows)), Listing: listing}
	for i := range rows {
		page.Events = append(page.Events, viewEvent(&rows[i].row))
	}
	if len(rows) == 0 && f.OrderNo != "" {
		if page.Why, err = whyNoEvents(ctx, l, s.unpriced, s.scopesOf(p.named), f.OrderNo); err != nil {
			return nil, unread(err)
		}
	}
	return page, nil
}

// Event returns one event with everything that is known of it.
func (s *eventServer) Event(ctx context.Context, ref EventRef) (*EventWhole, error) {
	l, e, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	deliveries, err := l.Deliveries(ctx, e.Scope, e.ID)
	if err != nil {
		return nil, unread(err)
	}
	ours, err := l.Charge(ctx, e.Scope, e.ChargeID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, unread(err)
	}
	var veil veil
	if ours != nil {
		veil.know(ours.Payer)
	}
	whole := veil.event(e, deliveries)
	if whole.Payment, err = paymentOf(ctx, l, e, ours); err != nil {
		return nil, unread(err)
	}
	return &whole, nil
}

// paymentOf puts what was paid beside what was to be paid, for whoever decides about a payment that is held. ours is its charge, if we have it.
func paymentOf(ctx context.Context, l ledger.Ledger, e *ledger.Event, ours *ledger.Charge) (*PaymentView, error) {
	if e.Type != "charge.succeeded" {
		return nil, nil
	}
	said, err := pingpp.ParseEvent(e.Body)
	if err != nil || said.Charge == nil {
		return nil, nil // pruned, or not to be read
	}
	p := &PaymentView{Paid: said.Charge.Amount, PaidCurrency: said.Charge.Currency, AlsoPaidBy: []string{}}
	if ours != nil && ours.State != ledger.Foreign {
		p.Expected, p.ExpectedCurrency = ours.Amount, ours.Currency
	}
	attempts, err := l.Attempts(ctx, e.Scope, e.OrderNo)
	for _, a := range attempts {
		if a.Paid && a.ID != e.ChargeID {
			p.AlsoPaidBy = append(p.AlsoPaidBy, a.ID)
		}
	}
	return p, err
}

// find looks an event up among the apps and modes of the running sites, or in the one that is named.
func (s *eventServer) find(ctx context.Context, ref EventRef) (ledger.Ledger, *ledger.Event, error) {
	named, err := scopeOf(ref.App, ref.Mode)
	if err != nil {
		return nil, nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, nil, err
	}
	var found *ledger.Event
	for _, scope := range s.scopesOf(named) {
		e, err := l.Event(ctx, scope, ref.ID)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			return nil, nil, unread(err)
		case found != nil:
			return nil, nil, refuse(http.StatusConflict, "event %s is recorded for %s and %s; name one with app and mode", ref.ID, found.Scope.Key(), scope.Key())
		default:
			found = e
		}
	}
	if found == nil {
		return nil, nil, refuse(http.StatusNotFound, "there is no event %.80q in the ledger", ref.ID)
	}
	return l, found, nil
}

// Decide carries out what a person decided about one event.
func (s *eventServer) Decide(ctx context.Context, ref EventRef, action ledger.Action, d Decision) (*EventView, error) {
	if err := known(action); err != nil {
		return nil, err
	}
	l, e, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := s.decide(ctx, l, e, action, d); err != nil {
		return nil, err
	}
	if e, err = l.Event(ctx, e.Scope, e.ID); err != nil {
		return nil, unread(err)
	}
	view := viewEvent(e)
	return &view, nil
}

// decide judges the event as it is now; one that changes meanwhile, as by a delivery that ends, is judged anew.
func (s *eventServer) decide(ctx context.Context, l ledger.Ledger, e *ledger.Event, action ledger.Action, d Decision) error {
	const tries = 5
	for try := 1; ; try++ {
		c, err := examine(ctx, l, e.Scope, e.ID)
		if err != nil {
			return unread(err)
		}
		if code, why := judge(action, c, d.Again); code != "" {
			return &Error{Status: http.StatusConflict, Code: code, Message: fmt.Sprintf("event %s is %s%s", c.ID, c.State, why)}
		}
		if err := needReason(action, d.Reason); err != nil {
			return err
		}
		err = l.Decide(ctx, ledger.Decision{
			Scope: c.Scope, EventID: c.ID, Action: action, Now: time.Now(), By: byOf(ctx), Said: d.Said, Reason: d.Reason, From: c.State,
		})
		switch {
		case err == nil:
			logDecision(s.log, c.Event, action, byOf(ctx))
			return nil
		case !errors.Is(err, ledger.ErrState):
			return refuse(http.StatusServiceUnavailable, "writing the ledger: %w", err)
		case try == tries:
			return refuse(http.StatusConflict, "event %s", strings.TrimPrefix(err.Error(), ledger.ErrState.Error()+": "))
		}
	}
}

// logDecision writes the one line of a decision about an event. The person's own words are in the audit log alone.
func logDecision(log *zap.Logger, e *ledger.Event, action ledger.Action, by string) {
	log.Info("decided", zap.String("app", e.App), zap.String("mode", string(e.Mode)), zap.String("order_no", e.OrderNo), zap.String("charge", e.ChargeID),
		zap.String("event", e.ID), zap.Int64("amount", e.Money), zap.String("action", string(action)), zap.String("was", string(e.State)), zap.String("by", by))
}

// Events is Server.Events.
func (c *eventClient) Events(ctx context.Context, q EventQuery) (*EventPage, error) {
	return get[EventPage](ctx, c.Endpoint, "/pay/events", q)
}

// Event is Server.Event.
func (c *eventClient) Event(ctx context.Context, ref EventRef) (*EventWhole, error) {
	return get[EventWhole](ctx, c.Endpoint, "/pay/events/{id}", ref)
}

// Decide is Server.Decide.
func (c *eventClient) Decide(ctx context.Context, ref EventRef, action ledger.Action, d Decision) (*EventView, error) {
	return post[EventView](ctx, c.Endpoint, "/pay/events/{id}/{action}", EventAction{ref, action}, d)
}

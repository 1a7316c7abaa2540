package adminapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	queryRateDefault = 5                // orders a second: as often as an app asks Ping++ for what can wait
	turnPatience     = 10 * time.Second // with one order; shorter than the lease on its run
)

// Things names what an action is about: events, or of a query orders.
func (i *Intent) Things() string {
	if i.Action == ActionQuery {
		return "orders"
	}
	return "events"
}

// orders is the filter of a query in the ledger's terms, but for the scope and the cursor.
func (i *Intent) orders(now time.Time) (f ledger.OrderFilter, named ledger.Scope, err error) {
	for name, given := range map[string]bool{"order_no": i.OrderNo != "", "type": i.Type != "", "through": i.Through != 0, "again": i.Again} {
		if given {
			return f, named, refuse(http.StatusBadRequest, "%s does not go with query; it takes state, since, until, app, mode and rate", name)
		}
	}
	if len(i.States) == 0 {
		i.States = []string{string(ledger.StatusCreated), string(ledger.StatusExpired), string(ledger.StatusUnknown)}
	}
	p, err := Part{Since: i.Since, Until: i.Until, App: i.App, Mode: i.Mode}.span(now)
	if err != nil {
		return f, named, err
	}
	if p.until.IsZero() {
		p.until = now
	}
	f = ledger.OrderFilter{Since: p.since, Until: p.until, Now: now}
	if f.Statuses, err = chosen("state", i.States, statuses); err != nil {
		return f, named, err
	}
	if !f.Since.IsZero() {
		f.Since = f.Since.Truncate(time.Second).Local()
		i.Since = f.Since.Format(time.RFC3339)
	}
	i.Until = f.Until.Local().Format(time.RFC3339Nano)
	if i.Rate = cmp.Or(i.Rate, queryRateDefault); i.Rate < 1 || i.Rate > rateMost {
		return f, named, refuse(http.StatusBadRequest, "rate must be 1 to %d orders a second, not %d", rateMost, i.Rate)
	}
	return f, p.named, nil
}

func (s *runServer) planQuery(ctx context.Context, i Intent) (*task, error) {
	now := time.Now()
	f, named, err := i.orders(now)
	if err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	t := &task{Preview: Preview{Intent: i, Not: []Ineligible{}}, By: byOf(ctx), Scopes: s.scopesOf(named), Left: []Ineligible{}}
	f.Limit = limitMost
	for _, f.Scope = range t.Scopes {
		for f.Cursor = ""; ; {
			page, err := l.ListOrders(ctx, f)
			if err != nil {
				return nil, unread(err)
			}
			for i := range page.Rows {
				o := &page.Rows[i]
				t.Matched++
				if code, why := judgeOrder(o); code != "" {
					t.Not = told(t.Not, code, why, string(o.Status(now)), o.OrderNo)
					continue
				}
				t.Eligible++
				t.Amount += o.Attempts[len(o.Attempts)-1].Amount
			}
			if f.Cursor = page.Next; f.Cursor == "" {
				break
			}
		}
	}
	return t, nil
}

// walkOrders asks about all orders in turn, the last begun first. Each is read when its turn comes: one that was paid meanwhile is none of them any more.
func (c *carrier) walkOrders(ctx context.Context) error {
	f, _, err := c.task.orders(time.Now())
	if err != nil {
		return err
	}
	f.Limit = 1 // so that the cursor is behind the last that was asked about
	for ; c.task.At < len(c.task.Scopes); c.task.At, c.task.Cursor = c.task.At+1, "" {
		f.Scope = c.task.Scopes[c.task.At]
		for {
			if err := c.breathe(ctx); err != nil {
				return err
			}
			f.Now, f.Cursor = time.Now(), c.task.Cursor
			page, err := c.ledger.ListOrders(ctx, f)
			if err != nil {
				return err
			}
			for i := range page.Rows {
				if err := c.askAbout(ctx, f.Scope, &page.Rows[i]); err != nil {
					return err
				}
			}
			if page.Next == "" {
				break
			}
			c.task.Cursor = page.Next
		}
	}
	return nil
}

// askAbout asks about one order. That Ping++ cannot say is told, and the others have their turn.
func (c *carrier) askAbout(ctx context.Context, scope ledger.Scope, o *ledger.Order) error {
	status := string(o.Status(time.Now()))
	if code, why := judgeOrder(o); code != "" {
		c.task.Left = told(c.task.Left, code, why, status, o.OrderNo)
		return nil
	}
	if err := c.pace.Wait(ctx); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	err := c.query(within, scope, o.OrderNo)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		c.log.Warn("Ping++ could not say about an order", zap.String("order_no", o.OrderNo), zap.Error(err))
		c.task.Left = told(c.task.Left, "unanswered", "; Ping++ could not say when its turn came, see the log", status, o.OrderNo)
	default:
		c.task.Asked++
	}
	return nil
}

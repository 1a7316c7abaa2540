package adminapi

import (
	"cmp"
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// ChargeQuery chooses attempts of a list; what is empty chooses all.
type ChargeQuery struct {
	Part              // by the time of creation
	Statuses []string `query:"status"`   // several with commas: created, paid, held, refunded, reversed, expired, preparing, refused or unknown
	OrderNo  string   `query:"order_no"` // the merchant's
	Channel  string   `query:"channel"`  // wx_lite, alipay_wap, …
}

// OrderQuery chooses orders of a list; what is empty chooses all.
type OrderQuery struct {
	Part              // by the creation of the first attempt
	Statuses []string `query:"status"`  // several with commas: as of charges
	Channel  string   `query:"channel"` // of any of its attempts
}

// RefundQuery chooses refunds of a list; what is empty chooses all.
type RefundQuery struct {
	Part             // by when it was first asked for
	States  []string `query:"state"`    // several with commas: asked, pending, succeeded or failed
	OrderNo string   `query:"order_no"` // the merchant's
	Charge  string   `query:"charge"`   // ch_…
	Unclear bool     `query:"unclear"`  // only those that wait for a person
}

// AuditQuery chooses decisions of a list; what is empty chooses all.
type AuditQuery struct {
	Part
	Event   string   `query:"event"`  // evt_…
	Actions []string `query:"action"` // several with commas: replay, release, discard, report, pause or unpause
}

var (
	statuses = []ledger.Status{ledger.StatusHeld, ledger.StatusPaid, ledger.StatusRefunded, ledger.StatusCreated, ledger.StatusExpired,
		ledger.StatusReversed, ledger.StatusPreparing, ledger.StatusRefused, ledger.StatusUnknown}
	refundStates = []ledger.RefundState{ledger.RefundAsked, ledger.RefundPending, ledger.RefundSucceeded, ledger.RefundFailed}
	actions      = []ledger.Action{ledger.ActionReplay, ledger.ActionRelease, ledger.ActionDiscard, ledger.ActionReport, ledger.ActionPause, ledger.ActionUnpause}
)

// listServer lists what there is, and finds it by its names.
type listServer struct{ books }

type listClient struct{ *Endpoint }

// Charges lists attempts to pay, newest first.
func (s *listServer) Charges(ctx context.Context, q ChargeQuery) (*ChargePage, error) {
	now := time.Now()
	p, err := q.span(now)
	if err != nil {
		return nil, err
	}
	f := ledger.ChargeFilter{OrderNo: q.OrderNo, Channel: q.Channel, Since: p.since, Until: p.until, Now: now}
	if f.Statuses, err = chosen("status", q.Statuses, statuses); err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	created := func(a, b *ledger.Charge) int { return b.Created.Compare(a.Created) }
	rows, listing, err := list(ctx, &s.books, p, created, func(scope ledger.Scope, cursor string, limit int) (ledger.Page[ledger.Charge], error) {
		f.Scope, f.Cursor, f.Limit = scope, cursor, limit
		return l.ListCharges(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	page := &ChargePage{Charges: make([]ChargeView, 0, len(rows)), Listing: listing}
	for i := range rows {
		page.Charges = append(page.Charges, viewCharge(&rows[i].row, now))
	}
	return page, nil
}

// Orders lists orders, the last begun first.
func (s *listServer) Orders(ctx context.Context, q OrderQuery) (*OrderPage, error) {
	now := time.Now()
	p, err := q.span(now)
	if err != nil {
		return nil, err
	}
	f := ledger.OrderFilter{Channel: q.Channel, Since: p.since, Until: p.until, Now: now}
	if f.Statuses, err = chosen("status", q.Statuses, statuses); err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	begun := func(a, b *ledger.Order) int { return b.Attempts[0].Created.Compare(a.Attempts[0].Created) }
	rows, listing, err := list(ctx, &s.books, p, begun, func(scope ledger.Scope, cursor string, limit int) (ledger.Page[ledger.Order], error) {
		f.Scope, f.Cursor, f.Limit = scope, cursor, limit
		return l.ListOrders(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	page := &OrderPage{Orders: make([]OrderView, 0, len(rows)), Listing: listing}
	for i := range rows {
		o := &rows[i].row
		c := cmp.Or(ledger.Foremost(o.Attempts, now), &o.Attempts[len(o.Attempts)-1])
		paid, refunded := sums(o.Attempts, c)
		page.Orders = append(page.Orders, OrderView{
			App: rows[i].App, Mode: string(rows[i].Mode), OrderNo: o.OrderNo, Status: string(o.Status(now)), Created: o.Attempts[0].Created, Attempts: len(o.Attempts),
			Paid: paid, Refunded: refunded, Charge: viewCharge(c, now),
		})
	}
	return page, nil
}

// Refunds lists refunds, newest first.
func (s *listServer) Refunds(ctx context.Context, q RefundQuery) (*RefundPage, error) {
	p, err := q.span(time.Now())
	if err != nil {
		return nil, err
	}
	f := ledger.RefundFilter{OrderNo: q.OrderNo, ChargeID: q.Charge, Unclear: q.Unclear, Since: p.since, Until: p.until}
	if f.States, err = chosen("state", q.States, refundStates); err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	asked := func(a, b *ledger.Refund) int { return b.Created.Compare(a.Created) }
	rows, listing, err := list(ctx, &s.books, p, asked, func(scope ledger.Scope, cursor string, limit int) (ledger.Page[ledger.Refund], error) {
		f.Scope, f.Cursor, f.Limit = scope, cursor, limit
		return l.ListRefunds(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	page := &RefundPage{Refunds: make([]RefundView, 0, len(rows)), Listing: listing}
	for i := range rows {
		page.Refunds = append(page.Refunds, viewRefund(&rows[i].row))
	}
	return page, nil
}

// Audit lists what was decided, newest first.
func (s *listServer) Audit(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	p, err := q.span(time.Now())
	if err != nil {
		return nil, err
	}
	f := ledger.AuditFilter{EventID: q.Event, Since: p.since, Until: p.until}
	if f.Actions, err = chosen("action", q.Actions, actions); err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	taken := func(a, b *ledger.Decided) int { return cmp.Or(b.Now.Compare(a.Now), cmp.Compare(b.Seq, a.Seq)) }
	rows, listing, err := list(ctx, &s.books, p, taken, func(scope ledger.Scope, cursor string, limit int) (ledger.Page[ledger.Decided], error) {
		f.Scope, f.Cursor, f.Limit = scope, cursor, limit
		return l.ListAudit(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	page := &AuditPage{Decisions: make([]AuditView, 0, len(rows)), Listing: listing}
	for i := range rows {
		page.Decisions = append(page.Decisions, viewDecided(rows[i].Scope, &rows[i].row))
	}
	return page, nil
}

// Charges is Server.Charges.
func (c *listClient) Charges(ctx context.Context, q ChargeQuery) (*ChargePage, error) {
	return get[ChargePage](ctx, c.Endpoint, "/pay/charges", q)
}

// Orders is Server.Orders.
func (c *listClient) Orders(ctx context.Context, q OrderQuery) (*OrderPage, error) {
	return get[OrderPage](ctx, c.Endpoint, "/pay/orders", q)
}

// Refunds is Server.Refunds.
func (c *listClient) Refunds(ctx context.Context, q RefundQuery) (*RefundPage, error) {
	return get[RefundPage](ctx, c.Endpoint, "/pay/refunds", q)
}

// Audit is Server.Audit.
func (c *listClient) Audit(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	return get[AuditPage](ctx, c.Endpoint, "/pay/audit", q)
}

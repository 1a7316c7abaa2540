package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

// ShippingQuery chooses shipments of a list; what is empty chooses all.
type ShippingQuery struct {
	Part            // by when it was paid
	States []string `query:"state"` // several with commas: waiting, failed, reported, confirmed, settled, refunded or not_managed
	Stage  string   `query:"stage"` // how far the last report has come: open, done or failed
}

// ShipmentRef names the shipment of a charge.
type ShipmentRef struct {
	Charge string `path:"charge"` // ch_…, or the number of an order that was paid once
	App    string `query:"app"`   // app_…; both app and mode, only when several have a charge of this id
	Mode   string `query:"mode"`  // live or test
}

// ShippingDecision is what a person decides about a report that WeChat does not have, or that is to be corrected.
type ShippingDecision struct {
	Said     string          `json:"said"`               // who decides; a claim, kept beside what Caddy knows
	Reason   string          `json:"reason"`             // needed with other content
	Shipping json.RawMessage `json:"shipping,omitempty"` // other content, as POST /pay/orders/{order_no}/shipping takes it; absent: what was reported last
}

var reportStages = []ledger.ReportStage{ledger.ReportOpen, ledger.ReportDone, ledger.ReportFailed}

// shipServer shows what WeChat was told of how payments were shipped, and lets it be told again.
type shipServer struct {
	books
	ships  func(ledger.Scope) bool             // Config.Ships
	pauses func(ledger.Scope) []shipping.Pause // Config.ShippingPauses
}

type shipClient struct{ *Endpoint }

// Shipments lists shipments by when they were paid, newest first.
func (s *shipServer) Shipments(ctx context.Context, q ShippingQuery) (*ShipmentPage, error) {
	p, err := q.span(time.Now())
	if err != nil {
		return nil, err
	}
	f := ledger.ShipmentFilter{Since: p.since, Until: p.until}
	if f.States, err = chosen("state", q.States, ledger.ShipmentStates); err != nil {
		return nil, err
	}
	if q.Stage != "" {
		if _, err := chosen("stage", []string{q.Stage}, reportStages); err != nil {
			return nil, err
		}
		f.Stage = ledger.ReportStage(q.Stage)
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	paid := func(a, b *ledger.Shipment) int { return b.TimePaid.Compare(a.TimePaid) }
	rows, listing, err := list(ctx, &s.books, p, paid, func(scope ledger.Scope, cursor string, limit int) (ledger.Page[ledger.Shipment], error) {
		f.Scope, f.Cursor, f.Limit = scope, cursor, limit
		return l.ListShipments(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	page := &ShipmentPage{Shipments: make([]ShipmentView, 0, len(rows)), Listing: listing}
	for i := range rows {
		page.Shipments = append(page.Shipments, viewShipment(&rows[i].row, s.pauses(rows[i].row.Scope)))
	}
	return page, nil
}

// Shipment returns the shipment of a charge with all that WeChat was asked about it.
func (s *shipServer) Shipment(ctx context.Context, ref ShipmentRef) (*ShipmentWhole, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	scope, charge, ship, err := s.find(ctx, l, ref)
	if err != nil {
		return nil, err
	}
	if ship == nil {
		return nil, refuse(http.StatusNotFound, "of the charge %.80q WeChat was told nothing, and waits for nothing that is known here", charge)
	}
	attempts, err := l.ShippingAttempts(ctx, scope, charge)
	if err != nil {
		return nil, unread(err)
	}
	whole := viewShipped(&ledger.Shipped{Shipment: *ship, Attempts: attempts}, s.pauses(scope))
	return &whole, nil
}

// find looks for the shipment of a charge, or of the payment of an order, among the apps and modes of the running sites, or in the one that is named; none,
// if only its charge is known.
func (s *shipServer) find(ctx context.Context, l ledger.Ledger, ref ShipmentRef) (at ledger.Scope, charge string, found *ledger.Shipment, err error) {
	named, err := scopeOf(ref.App, ref.Mode)
	if err != nil {
		return at, "", nil, err
	}
	for _, scope := range s.scopesOf(named) {
		id, ship, err := shipmentIn(ctx, l, scope, ref.Charge)
		var refused *Error
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case errors.As(err, &refused):
			return at, "", nil, err
		case err != nil:
			return at, "", nil, unread(err)
		case at != ledger.Scope{}:
			return at, "", nil, refuse(http.StatusConflict, "%.80s is known for %s and %s; name one with app and mode", ref.Charge, at.Key(), scope.Key())
		default:
			at, charge, found = scope, id, ship
		}
	}
	if at == (ledger.Scope{}) {
		return at, "", nil, refuse(http.StatusNotFound, "there is no charge %.80q in the ledger, and no payment of an order of this number", ref.Charge)
	}
	return at, charge, found, nil
}

// shipmentIn looks in one app and mode: a charge goes before an order of the same name.
func shipmentIn(ctx context.Context, l ledger.Ledger, scope ledger.Scope, name string) (charge string, found *ledger.Shipment, err error) {
	found, err = l.Shipment(ctx, scope, name)
	if errors.Is(err, ledger.ErrNotFound) {
		_, err = l.Charge(ctx, scope, name)
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return name, found, err
	}
	attempts, err := l.Attempts(ctx, scope, name)
	if err != nil {
		return "", nil, err
	}
	shipments, err := l.Shipments(ctx, scope, name)
	if err != nil {
		return "", nil, err
	}
	var standing, paid []string // what can be reported of, and what was paid at all
	for i := range attempts {
		c := &attempts[i]
		if !c.Paid {
			continue
		}
		paid = append(paid, c.ID)
		if c.Status(time.Now()) == ledger.StatusPaid { // neither held nor back with the payer
			standing = append(standing, c.ID)
		}
	}
	switch {
	case len(standing) > 1:
		return "", nil, refuse(http.StatusConflict, "the order %.80s was paid more than once, by %s; name one of these charges", name, strings.Join(standing, " and "))
	case len(standing) == 1:
		charge = standing[0]
	case len(paid) > 0:
		charge = paid[0]
	default:
		return "", nil, ledger.ErrNotFound
	}
	for i := range shipments {
		if shipments[i].ChargeID == charge {
			return charge, &shipments[i], nil
		}
	}
	return charge, nil, nil
}

// ReportShipping lets WeChat be told again what was shipped, or something else, as a person decided.
func (s *shipServer) ReportShipping(ctx context.Context, ref ShipmentRef, d ShippingDecision) (*ShipmentWhole, error) {
	var other *ledger.Shipping
	if len(d.Shipping) > 0 && string(d.Shipping) != "null" {
		var err error
		if other, err = shipping.Parse(d.Shipping); err != nil {
			return nil, refuse(http.StatusBadRequest, "shipping: %w", err)
		}
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	scope, charge, ship, err := s.find(ctx, l, ref)
	if err != nil {
		return nil, err
	}
	ref.Charge = charge
	if ship == nil {
		ship = &ledger.Shipment{Scope: scope, ChargeID: ref.Charge, State: ledger.ShipmentWaiting}
	}
	code, why := judgeReport(ship, other != nil)
	if code == "" && !s.ships(scope) {
		code, why = "off", fmt.Sprintf("; no site of %s in %s mode reports shipping, so WeChat would never be told: give its pay block the option shipping", scope.App, scope.Mode)
	}
	if code != "" {
		return nil, &Error{Status: http.StatusConflict, Code: code, Message: fmt.Sprintf("the shipping of %s is %s%s", ref.Charge, ship.State, why)}
	}
	if other != nil && strings.TrimSpace(d.Reason) == "" {
		return nil, refuse(http.StatusBadRequest, "a reason is missing; say why something else is reported, for the audit log: WeChat takes one correction, and no second")
	}
	_, err = l.ReportAgain(ctx, ledger.ShippingDecision{Scope: scope, ChargeID: ref.Charge, Shipping: other, Now: time.Now(), By: byOf(ctx), Said: d.Said, Reason: d.Reason})
	var refused *ledger.ShippingRefusal
	switch {
	case errors.As(err, &refused):
		return nil, &Error{Status: http.StatusConflict, Code: string(refused.Reason), Message: fmt.Sprintf("the shipping of %s cannot be reported: %s", ref.Charge, refused.Reason.Text())}
	case errors.Is(err, ledger.ErrState):
		return nil, &Error{Status: http.StatusConflict, Code: "changed", Message: strings.TrimPrefix(err.Error(), ledger.ErrState.Error()+": ")}
	case errors.Is(err, ledger.ErrNotFound):
		return nil, refuse(http.StatusNotFound, "the payment of %s is not recorded", ref.Charge)
	case err != nil:
		return nil, refuse(http.StatusServiceUnavailable, "writing the ledger: %w", err)
	}
	s.log.Info("decided", zap.String("app", scope.App), zap.String("mode", string(scope.Mode)), zap.String("action", string(ledger.ActionReport)), zap.String("charge", ref.Charge), zap.String("by", byOf(ctx)))
	return s.Shipment(ctx, ShipmentRef{Charge: ref.Charge, App: scope.App, Mode: string(scope.Mode)})
}

// judgeReport says why a person cannot have WeChat told again of a shipment, or of other content: as judge does of events, and likewise the one place.
func judgeReport(s *ledger.Shipment, other bool) (code, why string) {
	over := s.State == ledger.ShipmentConfirmed || s.State == ledger.ShipmentSettled
	switch {
	case over:
		return "over", "; WeChat takes no report any more"
	case s.Mode != ledger.Live:
		return string(ledger.RefuseTestMode), "; " + ledger.RefuseTestMode.Text()
	case !other && s.Shipping == nil:
		return "nothing_reported", "; nothing was reported of it yet, so say what was shipped"
	case !other && s.Stage == ledger.ReportDone && s.Problem.Code != ledger.ProblemDiffers:
		return "reported", "; WeChat has the report, and takes only other content"
	case other && s.Uploads >= mostUploads:
		return string(ledger.RefuseCorrected), "; " + ledger.RefuseCorrected.Text()
	}
	return "", ""
}

// mostUploads is how many complete reports WeChat takes of a payment.
const mostUploads = 2

// frozen says what WeChat keeps of an app in a mode; nil where no site reports shipping, and nothing is known to be kept.
func (s *shipServer) frozen(ctx context.Context, l ledger.Ledger, scope ledger.Scope, f *ledger.Figures, now time.Time) (*FrozenView, error) {
	if f.FrozenShipments == 0 && !s.ships(scope) {
		return nil, nil
	}
	due, err := l.ShippingDue(ctx, scope, now, now.Add(ledger.ShippingNotice))
	if err != nil {
		return nil, unread(err)
	}
	v := &FrozenView{Amount: f.Frozen, Payments: f.FrozenShipments, Due: due.Soon, DueAmount: due.SoonFen, Late: due.Late, LateAmount: due.LateFen, NextDeadline: due.Next,
		Failed: due.Failed, FailedAmount: due.FailedFen, FailedOrder: due.FailedOrder, FailedCode: due.Why.Code}
	v.FailedWhy, v.FailedWhyZH = new(veil).problem(due.Why)
	for _, p := range s.pauses(scope) {
		v.Paused = append(v.Paused, *viewShippingPause(&p))
	}
	return v, nil
}

// Shipments is Server.Shipments.
func (c *shipClient) Shipments(ctx context.Context, q ShippingQuery) (*ShipmentPage, error) {
	return get[ShipmentPage](ctx, c.Endpoint, "/pay/shipping", q)
}

// Shipment is Server.Shipment.
func (c *shipClient) Shipment(ctx context.Context, ref ShipmentRef) (*ShipmentWhole, error) {
	return get[ShipmentWhole](ctx, c.Endpoint, "/pay/shipping/{charge}", ref)
}

// ReportShipping is Server.ReportShipping.
func (c *shipClient) ReportShipping(ctx context.Context, ref ShipmentRef, d ShippingDecision) (*ShipmentWhole, error) {
	return post[ShipmentWhole](ctx, c.Endpoint, "/pay/shipping/{charge}/report", ref, d)
}

package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// frozenView is what WeChat keeps, of all apps whose shipping it is told.
type frozenView struct{ adminapi.FrozenView }

func (f *frozenView) add(o *adminapi.FrozenView) *frozenView {
	if o == nil {
		return f
	}
	if f == nil {
		return &frozenView{*o}
	}
	f.Paused = append(slices.Clip(f.Paused), o.Paused...)
	f.Amount, f.Payments = f.Amount+o.Amount, f.Payments+o.Payments
	f.Due, f.DueAmount, f.Late, f.LateAmount = f.Due+o.Due, f.DueAmount+o.DueAmount, f.Late+o.Late, f.LateAmount+o.LateAmount
	f.NextDeadline = earlier(f.NextDeadline, o.NextDeadline)
	if f.Failed, f.FailedAmount = f.Failed+o.Failed, f.FailedAmount+o.FailedAmount; f.FailedOrder == "" {
		f.FailedOrder, f.FailedCode, f.FailedWhy, f.FailedWhyZH = o.FailedOrder, o.FailedCode, o.FailedWhy, o.FailedWhyZH
	}
	return f
}

var shippingList = &list{
	title: "Shipping",
	heads: []head{{"Paid at", "time"}, {"State", ""}, {"Report", ""}, {"Order", ""}, {"Amount", "money"}, {"Runs out", "time"}, {"Shipped as", ""}, {"Why", ""}, {"Asked next", "time"}, {"Charge", ""}, {"Transaction number", ""}, {"App", ""}, {"Mode", ""}},
	filters: append([]filter{
		{name: "state", label: "State", kind: "choice", options: []string{"waiting", "failed", "reported", "confirmed", "settled", "refunded", "not_managed"}},
		{name: "stage", label: "Report", kind: "choice", options: []string{"open", "done", "failed"}},
	}, period...),
	read: readShipments,
}

func readShipments(v *visit, cursor string, limit int) (*rows, error) {
	page, err := v.c.cfg.Desk.Shipments(v.ctx, adminapi.ShippingQuery{Part: v.part(cursor, limit), States: v.several("state"), Stage: v.q.Get("stage")})
	if err != nil {
		return nil, err
	}
	r := &rows{next: page.Next, paused: len(page.Paused) > 0}
	for i := range page.Shipments {
		s := &page.Shipments[i]
		runsOut, as := cell{Kind: "time"}, ""
		if s.State == string(ledger.ShipmentWaiting) || s.State == string(ledger.ShipmentFailed) {
			runsOut = timeCell(s.Deadline)
		}
		if s.Shipping != nil {
			as = v.t("by " + string(s.Shipping.Type))
		}
		stage := cell{}
		if s.Stage != "" {
			stage = v.stateCell(s.Stage)
		}
		r.cells = append(r.cells, []cell{
			timeCell(s.Paid), v.stateCell(s.State), stage, idCell(s.OrderNo, orderLink(s.App, s.Mode, s.OrderNo)), moneyCell(s.Amount, ""), runsOut, plainCell(as), plainCell(inLanguage(v.lang, s.Error, s.ErrorZH)), timeCell(s.Next),
			idCell(s.Charge, ""), idCell(s.TransactionNo, ""), idCell(s.App, ""), plainCell(v.t(s.Mode)),
		})
	}
	return r, nil
}

// report has WeChat told again of what was reported, or of what the form says. What the desk refuses stands on the order's page.
func (c *Console) report(v *visit) (string, error) {
	d := adminapi.ShippingDecision{Said: c.cfg.Said, Reason: v.q.Get("reason")}
	if v.q.Get("type") != "" {
		other, err := v.shipping()
		if err != nil {
			return "", err
		}
		d.Shipping = other
	}
	app, mode, orderNo := v.q.Get("app"), v.q.Get("mode"), v.q.Get("order_no")
	_, err := c.cfg.Desk.ReportShipping(v.ctx, adminapi.ShipmentRef{Charge: v.q.Get("charge"), App: app, Mode: mode}, d)
	var refused *adminapi.Error
	if errors.As(err, &refused) && (refused.Status == http.StatusConflict || refused.Status == http.StatusBadRequest) {
		return "", v.order(refused.Status, v.unreported(refused))
	}
	if err != nil {
		return "", err
	}
	return link("order", url.Values{"app": {app}, "mode": {mode}, "order_no": {orderNo}, "done": {"report"}}), nil
}

// unreported says why WeChat is not told: what has a code in the visitor's language.
func (v *visit) unreported(refused *adminapi.Error) string {
	if v.lang == "zh" {
		if zh, ok := chinese["unreported "+refused.Code]; ok {
			return zh
		}
	}
	return refused.Message
}

// shipping is what a form says was shipped, in the JSON that the desk takes: one parcel, since who sends more has a program.
func (v *visit) shipping() ([]byte, error) {
	said := map[string]any{"type": v.q.Get("type")}
	fill := func(into map[string]any, names ...string) {
		for _, name := range names {
			if text := strings.TrimSpace(v.q.Get(name)); text != "" {
				into[name] = text
			}
		}
	}
	fill(said, "items")
	parcel := make(map[string]any)
	fill(parcel, "company", "tracking_no", "contact")
	if len(parcel) > 0 {
		said["parcels"] = []any{parcel}
	}
	return json.Marshal(said)
}

package console

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/adminapi"
)

// lists are all lists by their names in an address.
var lists = map[string]*list{
	"events": {
		title: "Events",
		acts: &acting{
			state: "state", takes: []string{"order_no", "type", "since", "app", "mode"}, hint: "To act on all that match, choose one state, and nothing but type, order or first day.",
			actions: map[string][]string{
				"pending": {"replay", "discard"}, "dead": {"replay", "discard"}, "held": {"release", "discard"}, "delivered": {"replay"}, "discarded": {"replay"}, "filtered": {"replay"},
			},
		},
		heads: []head{{"Received", "time"}, {"State", ""}, {"Type", ""}, {"Order", ""}, {"Amount", "money"}, {"Event", ""}, {"Why", ""}, {"Attempts", ""}, {"Next attempt", "time"}, {"Learnt by", ""}, {"App", ""}, {"Mode", ""}},
		filters: append([]filter{
			{name: "state", label: "State", kind: "choice", options: []string{"pending", "delivered", "dead", "held", "discarded", "filtered"}},
			{name: "type", label: "Type", kind: "text"}, {name: "order_no", label: "Order", kind: "text"},
			{name: "reason", label: "Reason", kind: "choice", options: []string{"amount", "currency", "superseded", "paid_twice", "reversed", "unreadable", "refunded", "effect_seen"}},
			{name: "source", label: "Learnt by", kind: "choice", options: []string{"webhook", "query"}},
			{name: "at_risk", label: "Money at risk", kind: "choice", options: []string{"true"}},
		}, period...),
		read: readEvents,
	},
	"orders": {
		title: "Orders",
		acts: &acting{
			state: "status", takes: []string{"since", "until", "app", "mode"}, hint: "To ask Ping++ about all that match, choose created, expired or unknown, and nothing but days.",
			actions: map[string][]string{"created": {"query"}, "expired": {"query"}, "unknown": {"query"}},
		},
		heads:   []head{{"Begun", "time"}, {"State", ""}, {"Order", ""}, {"Amount", "money"}, {"Paid", "money"}, {"Refunded", "money"}, {"Paid at", "time"}, {"Channel", ""}, {"Attempts", ""}, {"Charge", ""}, {"Transaction number", ""}, {"App", ""}, {"Mode", ""}},
		filters: append([]filter{{name: "status", label: "State", kind: "choice", options: chargeStatuses}, {name: "channel", label: "Channel", kind: "text"}}, period...),
		read:    readOrders,
	},
	"charges": {
		title: "Charges",
		heads: []head{{"Created", "time"}, {"State", ""}, {"Order", ""}, {"Amount", "money"}, {"Refunded", "money"}, {"Paid at", "time"}, {"Channel", ""}, {"Charge", ""}, {"Ping++ number", ""}, {"Transaction number", ""}, {"Expires", "time"}, {"App", ""}, {"Mode", ""}},
		filters: append([]filter{
			{name: "status", label: "State", kind: "choice", options: chargeStatuses}, {name: "order_no", label: "Order", kind: "text"}, {name: "channel", label: "Channel", kind: "text"},
		}, period...),
		read: readCharges,
	},
	"refunds": {
		title: "Refunds",
		heads: []head{{"Asked", "time"}, {"State", ""}, {"Order", ""}, {"Amount", "money"}, {"Succeeded at", "time"}, {"Refund number", ""}, {"Refund", ""}, {"Charge", ""}, {"Why", ""}, {"App", ""}, {"Mode", ""}},
		filters: append([]filter{
			{name: "state", label: "State", kind: "choice", options: []string{"asked", "pending", "succeeded", "failed"}}, {name: "order_no", label: "Order", kind: "text"},
			{name: "charge", label: "Charge", kind: "text"}, {name: "unclear", label: "Unclear", kind: "choice", options: []string{"true"}},
		}, period...),
		read: readRefunds,
	},
	"shipping": shippingList,
	"audit": {
		title: "Decisions",
		heads: []head{{"At", "time"}, {"Action", ""}, {"Event", ""}, {"Order", ""}, {"Before", ""}, {"By", ""}, {"Said", ""}, {"Reason", ""}, {"Run", ""}, {"App", ""}, {"Mode", ""}},
		filters: append([]filter{
			{name: "action", label: "Action", kind: "choice", options: []string{"replay", "release", "discard", "report", "pause", "unpause"}}, {name: "event", label: "Event", kind: "text"},
		}, period...),
		read: readAudit,
	},
	"runs": {
		title: "Actions",
		heads: []head{{"Begun", "time"}, {"State", ""}, {"Action", ""}, {"Done", ""}, {"Can be taken", ""}, {"Paid", "money"}, {"By", ""}, {"Said", ""}, {"Reason", ""}, {"Run", ""}, {"Ended", "time"}},
		read:  readRuns,
	},
}

var chargeStatuses = []string{"created", "paid", "held", "refunded", "reversed", "expired", "preparing", "refused", "unknown"}

func (v *visit) part(cursor string, limit int) adminapi.Part {
	return adminapi.Part{
		App: v.q.Get("app"), Mode: v.q.Get("mode"), Since: v.since(v.q.Get("since")), Until: v.until(v.q.Get("until")), Cursor: cursor, Limit: limit,
	}
}

// several are the values of a filter that an address may give more than once, or with commas.
func (v *visit) several(name string) (all []string) {
	for value := range strings.SplitSeq(strings.Join(v.q[name], ","), ",") {
		if value != "" {
			all = append(all, value)
		}
	}
	return all
}

func orderLink(app, mode, orderNo string) string {
	if orderNo == "" {
		return ""
	}
	return link("order", url.Values{"app": {app}, "mode": {mode}, "order_no": {orderNo}})
}

func eventLink(app, mode, id string) string {
	return link("event", url.Values{"app": {app}, "mode": {mode}, "id": {id}})
}

func readEvents(v *visit, cursor string, limit int) (*rows, error) {
	page, err := v.c.cfg.Desk.Events(v.ctx, adminapi.EventQuery{
		Part: v.part(cursor, limit), States: v.several("state"), OrderNo: v.q.Get("order_no"), Type: v.q.Get("type"), Reason: v.q.Get("reason"), Source: v.q.Get("source"),
		AtRisk: v.q.Get("at_risk") == "true",
	})
	if err != nil {
		return nil, err
	}
	r := &rows{next: page.Next, why: page.Why, paused: len(page.Paused) > 0}
	for i := range page.Events {
		e := &page.Events[i]
		why := make([]string, 0, len(e.Reasons)+1)
		for _, reason := range append(e.Reasons, e.Late) {
			if reason != "" {
				why = append(why, v.t("reason "+reason))
			}
		}
		money := cell{Kind: "money"}
		if e.Money != 0 {
			money = moneyCell(e.Money, "")
		}
		r.cells = append(r.cells, []cell{
			timeCell(e.Received), v.stateCell(e.State), plainCell(e.Type), idCell(e.OrderNo, orderLink(e.App, e.Mode, e.OrderNo)), money, idCell(e.ID, eventLink(e.App, e.Mode, e.ID)),
			plainCell(strings.Join(why, v.t(", "))), plainCell(strconv.Itoa(e.Attempts)), timeCell(e.Due), plainCell(v.t(e.Source)), idCell(e.App, ""), plainCell(v.t(e.Mode)),
		})
	}
	return r, nil
}

func readOrders(v *visit, cursor string, limit int) (*rows, error) {
	page, err := v.c.cfg.Desk.Orders(v.ctx, adminapi.OrderQuery{Part: v.part(cursor, limit), Statuses: v.several("status"), Channel: v.q.Get("channel")})
	if err != nil {
		return nil, err
	}
	r := &rows{next: page.Next, paused: len(page.Paused) > 0}
	for i := range page.Orders {
		o := &page.Orders[i]
		c := &o.Charge
		r.cells = append(r.cells, []cell{
			timeCell(o.Created), v.stateCell(o.Status), idCell(o.OrderNo, orderLink(o.App, o.Mode, o.OrderNo)), moneyCell(c.Amount, c.Currency), moneyCell(o.Paid, c.Currency),
			moneyCell(o.Refunded, c.Currency), timeCell(c.Paid), plainCell(c.Channel), plainCell(strconv.Itoa(o.Attempts)), idCell(c.ID, ""), idCell(c.TransactionNo, ""), idCell(o.App, ""), plainCell(v.t(o.Mode)),
		})
	}
	return r, nil
}

func readCharges(v *visit, cursor string, limit int) (*rows, error) {
	page, err := v.c.cfg.Desk.Charges(v.ctx, adminapi.ChargeQuery{
		Part: v.part(cursor, limit), Statuses: v.several("status"), OrderNo: v.q.Get("order_no"), Channel: v.q.Get("channel"),
	})
	if err != nil {
		return nil, err
	}
	r := &rows{next: page.Next, paused: len(page.Paused) > 0}
	for i := range page.Charges {
		c := &page.Charges[i]
		r.cells = append(r.cells, []cell{
			timeCell(c.Created), v.stateCell(c.Status), idCell(c.OrderNo, orderLink(c.App, c.Mode, c.OrderNo)), moneyCell(c.Amount, c.Currency), moneyCell(c.Refunded, c.Currency),
			timeCell(c.Paid), plainCell(c.Channel), idCell(c.ID, ""), idCell(c.Number, ""), idCell(c.TransactionNo, ""), timeCell(c.Expires), idCell(c.App, ""), plainCell(v.t(c.Mode)),
		})
	}
	return r, nil
}

func readRefunds(v *visit, cursor string, limit int) (*rows, error) {
	page, err := v.c.cfg.Desk.Refunds(v.ctx, adminapi.RefundQuery{
		Part: v.part(cursor, limit), States: v.several("state"), OrderNo: v.q.Get("order_no"), Charge: v.q.Get("charge"), Unclear: v.q.Get("unclear") == "true",
	})
	if err != nil {
		return nil, err
	}
	r := &rows{next: page.Next, paused: len(page.Paused) > 0}
	for i := range page.Refunds {
		f := &page.Refunds[i]
		var why []string
		for _, text := range []string{f.Unclear, f.FailureCode, f.FailureMsg} {
			if text != "" {
				why = append(why, text)
			}
		}
		r.cells = append(r.cells, []cell{
			timeCell(f.Created), v.stateCell(f.State), idCell(f.OrderNo, orderLink(f.App, f.Mode, f.OrderNo)), moneyCell(f.Amount, ""), timeCell(f.Succeeded), idCell(f.RefundNo, ""),
			idCell(f.ID, ""), idCell(f.Charge, ""), plainCell(strings.Join(why, v.t(", "))), idCell(f.App, ""), plainCell(v.t(f.Mode)),
		})
	}
	return r, nil
}

func readAudit(v *visit, cursor string, limit int) (*rows, error) {
	page, err := v.c.cfg.Desk.Audit(v.ctx, adminapi.AuditQuery{Part: v.part(cursor, limit), Event: v.q.Get("event"), Actions: v.several("action")})
	if err != nil {
		return nil, err
	}
	r := &rows{next: page.Next, paused: len(page.Paused) > 0}
	for i := range page.Decisions {
		d := &page.Decisions[i]
		event, run := idCell(d.Event, ""), idCell(d.Run, "")
		if d.Event != "" {
			event.Link = eventLink(d.App, d.Mode, d.Event)
		}
		if d.Run != "" {
			run.Link = link("run", url.Values{"id": {d.Run}})
		}
		was := cell{}
		if d.Was != "" {
			was = v.stateCell(d.Was)
		}
		r.cells = append(r.cells, []cell{
			timeCell(d.At), plainCell(v.t("action " + d.Action)), event, idCell(d.OrderNo, orderLink(d.App, d.Mode, d.OrderNo)), was, plainCell(d.By), plainCell(d.Said), plainCell(d.Reason), run,
			idCell(d.App, ""), plainCell(v.t(d.Mode)),
		})
	}
	return r, nil
}

func readRuns(v *visit, cursor string, limit int) (*rows, error) {
	before, err := strconv.ParseInt(cursor, 10, 64)
	if cursor != "" && err != nil {
		return nil, &adminapi.Error{Status: 400, Message: v.t("There is no such page.")}
	}
	page, err := v.c.cfg.Desk.Runs(v.ctx, before, limit)
	if err != nil {
		return nil, err
	}
	r := &rows{}
	if page.Next != 0 {
		r.next = strconv.FormatInt(page.Next, 10)
	}
	for i := range page.Runs {
		n := &page.Runs[i]
		r.cells = append(r.cells, []cell{
			timeCell(n.Created), v.stateCell(n.State), plainCell(v.t("action " + string(n.Action))), plainCell(strconv.Itoa(n.Decided)), plainCell(strconv.Itoa(n.Eligible)), moneyCell(n.Amount, ""),
			plainCell(n.By), plainCell(n.Said), plainCell(n.Reason), idCell(n.ID, link("run", url.Values{"id": {n.ID}})), timeCell(n.Ended),
		})
	}
	return r, nil
}

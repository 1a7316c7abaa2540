package adminapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

// ships records an order whose money WeChat keeps, paid some time ago.
func (d *desk) ships(orderNo string, fen int64, ago time.Duration) (charge string) {
	d.t.Helper()
	at := time.Now().Add(-ago).Truncate(time.Second)
	d.charge(scope, orderNo, fen, at.Add(-time.Minute))
	charge = "ch_" + orderNo
	must(d.ledger.Append(d.t.Context(), &ledger.Event{
		Scope: scope, ID: "evt_" + orderNo, Type: "charge.succeeded", ObjectID: charge, ChargeID: charge, OrderNo: orderNo, Lane: orderNo, Source: ledger.Webhook, State: ledger.Pending, Ships: true,
		Created: at, Received: at, Due: at, Change: &ledger.ChargeChange{Paid: true, TimePaid: at}, Payment: &ledger.Payment{Amount: fen, Currency: "cny", Time: at, TransactionNo: "4200" + orderNo},
		Body: fmt.Appendf(nil, `{"id":"evt_%s","object":"event","type":"charge.succeeded","livemode":true,"data":{"object":{"id":"%s","object":"charge","amount":%d}}}`, orderNo, charge, fen),
	}))
	return charge
}

// told reports an order's shipping, and lets WeChat answer.
func (d *desk) told(orderNo string, r ledger.ShippingResult) {
	d.t.Helper()
	now := time.Now()
	if _, _, err := d.ledger.ReportShipping(d.t.Context(), ledger.ShippingReport{Scope: scope, OrderNo: orderNo, Now: now,
		Shipping: ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}}); err != nil {
		d.t.Fatal(err)
	}
	d.answers(orderNo, r)
}

// answers is what WeChat says to the report that is open.
func (d *desk) answers(orderNo string, r ledger.ShippingResult) {
	d.t.Helper()
	now := time.Now()
	for _, s := range must(d.ledger.ClaimShipments(d.t.Context(), ledger.ShipmentClaim{Scope: scope, Owner: "relay", Now: now.Add(time.Second), Until: now.Add(time.Minute), Limit: 10})) {
		l := ledger.ShipmentLease{Scope: scope, ChargeID: s.ChargeID, Owner: "relay", Epoch: s.Epoch}
		must(d.ledger.PostShipping(d.t.Context(), l, now, now.Add(time.Minute)))
		a := ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: r, At: now, Took: 12 * time.Millisecond}
		if r != ledger.ShippingAccepted {
			a.Problem = ledger.ShippingProblem{Code: "10060003", Text: "WeChat refuses it for oSecretSecretSecretSecret123"}
		}
		must(d.ledger.ShippingAnswered(d.t.Context(), l, a))
	}
}

func (d *desk) reports(on bool) {
	d.server.shipServer.ships = func(s ledger.Scope) bool { return on && s == scope }
	d.server.figureServer.shipping = &d.server.shipServer
}

// What WeChat keeps stands in lists, figures and on the order's page; nobody's openid is whole.
func TestShipments(t *testing.T) {
	d := newDesk(t)
	if f := must(d.Figures(t.Context())); f[0].Frozen != nil || f[1].Frozen != nil {
		t.Errorf("nobody reports shipping, and there is %+v, %+v", f[0].Frozen, f[1].Frozen)
	}
	d.reports(true)
	if f := must(d.Figures(t.Context())); f[0].Frozen == nil || !reflect.DeepEqual(*f[0].Frozen, FrozenView{}) || f[1].Frozen != nil {
		t.Errorf("nothing is frozen yet, and there is %+v, %+v", f[0].Frozen, f[1].Frozen)
	}
	d.ships("n1", 100, time.Hour)
	d.ships("n2", 200, 40*time.Hour)
	d.ships("n3", 400, 50*time.Hour)
	d.ships("n4", 800, 49*time.Hour)
	d.told("n4", ledger.ShippingAccepted)
	d.told("n1", ledger.ShippingFinal)
	ids := func(q ShippingQuery) (all []string) {
		for {
			page := must(d.Shipments(t.Context(), q))
			for _, s := range page.Shipments {
				all = append(all, s.OrderNo)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return all
			}
		}
	}
	for want, q := range map[string]ShippingQuery{
		"n1 n2 n4 n3": {Part: Part{Limit: 1}},
		"n1":          {States: []string{"failed"}},
		"n2 n3":       {States: []string{"waiting"}},
		"n1 n4":       {States: []string{"failed", "reported"}},
		"n4":          {Stage: "done"},
		"n4 n3":       {Part: Part{Until: "45h"}},
		"n1 n2":       {Part: Part{Since: "45h", App: "app_1", Mode: "live"}},
		"":            {Part: Part{App: "app_1", Mode: "test"}},
	} {
		if got := strings.Join(ids(q), " "); got != want {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
	for want, q := range map[string]ShippingQuery{
		`state "lost" is not one of [waiting failed`: {States: []string{"lost"}},
		`stage "lost" is not one of [open done`:      {Stage: "lost"},
		"give app and mode":                          {Part: Part{App: "a"}},
	} {
		if _, err := d.Shipments(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	f := must(d.Figures(t.Context()))[0].Frozen
	if f.NextDeadline.IsZero() || f.NextDeadline.Before(time.Now()) {
		t.Errorf("%+v", f)
	}
	if f.NextDeadline = (time.Time{}); !reflect.DeepEqual(*f, FrozenView{Amount: 1500, Payments: 4, Due: 1, DueAmount: 200, Late: 1, LateAmount: 400, Failed: 1, FailedAmount: 100,
		FailedOrder: "n1", FailedCode: "10060003", FailedWhy: "WeChat refuses it for oSecre…"}) {
		t.Errorf("%+v", f)
	}

	s := must(d.Shipment(t.Context(), ShipmentRef{Charge: "ch_n1"}))
	if s.State != "failed" || s.Code != "10060003" || s.Error != "WeChat refuses it for oSecre…" || s.Payer != "oSecre…" || !s.Frozen || s.TransactionNo != "4200n1" ||
		!slices.Equal(s.May, []string{"again", "other"}) || len(s.Asked) != 1 || s.Asked[0].Step != "post" || s.Asked[0].Result != "final" || s.Asked[0].Error != s.Error {
		t.Errorf("%+v", s)
	}
	if raw := string(must(json.Marshal(s))); strings.Contains(raw, "oSecretSecret") {
		t.Error(raw)
	}
	if _, err := d.Shipment(t.Context(), ShipmentRef{Charge: "ch_none"}); err == nil || !strings.Contains(err.Error(), `there is no charge "ch_none"`) {
		t.Error(err)
	}
	d.charge(scope, "unpaid", 1, time.Now())
	if _, err := d.Shipment(t.Context(), ShipmentRef{Charge: "ch_unpaid"}); err == nil || !strings.Contains(err.Error(), "WeChat was told nothing") {
		t.Error(err)
	}

	life := must(d.Order(t.Context(), "", "", "n1"))
	var told []string
	for _, e := range life.Timeline {
		if e.Kind == "shipping" || e.Kind == "wechat" || e.Kind == "deadline" {
			told = append(told, fmt.Sprint(map[bool]string{true: "+"}[e.Ahead], e.Kind, ": ", e.Text))
		}
	}
	slices.Sort(told) // what is recorded and asked in one second stands in either order
	if want := []string{"+deadline: the 48 hours run out in which WeChat wants the shipping of ch_n1 reported", "+wechat: WeChat is asked what became of ch_n1",
		"shipping: the shipping of ch_n1 was reported: virtual, tea", "wechat: WeChat was told how ch_n1 was shipped in 12.0 ms: final, it is failed; WeChat refuses it for oSecre…"}; !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
	if len(life.Shipments) != 1 || life.Shipments[0].Charge != "ch_n1" {
		t.Errorf("%+v", life.Shipments)
	}
	for _, e := range must(d.Order(t.Context(), "", "", "n3")).Timeline {
		if e.Kind == "deadline" && (e.Ahead || !strings.Contains(e.Text, "ran out")) {
			t.Errorf("%+v", e)
		}
	}
}

// A person has WeChat told again, or of something else; who it was and why is in the audit log.
func TestReportShippingAgain(t *testing.T) {
	d := newDesk(t)
	d.ships("n1", 100, time.Hour)
	d.ships("n2", 200, time.Hour)
	d.told("n1", ledger.ShippingFinal)
	ref := ShipmentRef{Charge: "ch_n1"}
	again := func(code, text string, ref ShipmentRef, dec ShippingDecision) {
		t.Helper()
		s, err := d.ReportShipping(t.Context(), ref, dec)
		if code == "" && text == "" {
			if err != nil {
				t.Fatal(err)
			}
			if s.Stage != "open" || s.Next.IsZero() {
				t.Errorf("%+v", s)
			}
			return
		}
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != code || !strings.Contains(refused.Message, text) {
			t.Errorf("%v, want %s: %s", err, code, text)
		}
	}
	other := func(items string) ShippingDecision {
		return ShippingDecision{Said: "mark", Reason: "a slip", Shipping: json.RawMessage(`{"type":"virtual","items":"` + items + `"}`)}
	}
	again("off", "no site of app_1 in live mode reports shipping", ref, ShippingDecision{})
	d.reports(true)
	again("nothing_reported", "the shipping of ch_n2 is waiting; nothing was reported of it yet", ShipmentRef{Charge: "ch_n2"}, ShippingDecision{})
	again("", "no charge", ShipmentRef{Charge: "ch_none"}, ShippingDecision{})
	again("", "shipping: type is missing", ref, ShippingDecision{Shipping: json.RawMessage(`{"items":"x"}`)})
	again("", "a reason is missing", ref, ShippingDecision{Shipping: other("coffee").Shipping})
	again("", "", ref, ShippingDecision{Said: "mark"})
	again("", "", ref, ShippingDecision{}) // it is open: at once
	d.answers("n1", ledger.ShippingAccepted)
	again("reported", "the shipping of ch_n1 is reported; WeChat has the report, and takes only other content", ref, ShippingDecision{})
	again("", "", ref, other("coffee"))
	d.answers("n1", ledger.ShippingAccepted)
	again("corrected", "takes no more", ref, other("milk"))
	again("", "", ShipmentRef{Charge: "ch_n2"}, other("tea"))

	d.charge(scope, "n3", 100, time.Now())
	again("not_paid", "it is not paid", ShipmentRef{Charge: "ch_n3"}, other("tea"))
	d.charge(testScope, "n4", 100, time.Now())
	again("test_mode", "WeChat knows nothing", ShipmentRef{Charge: "ch_n4"}, other("tea"))

	var log []string
	for _, a := range must(d.Audit(t.Context(), AuditQuery{Actions: []string{"report"}})).Decisions {
		log = append(log, strings.Join([]string{a.OrderNo, a.Event, Who(a.By, a.Said), a.Reason}, " "))
	}
	if want := []string{"n2 evt_n2 address 127.0.0.1 (mark) a slip", "n1 evt_n1 address 127.0.0.1 (mark) a slip", "n1 evt_n1 address 127.0.0.1 ", "n1 evt_n1 address 127.0.0.1 (mark) "}; !slices.Equal(log, want) {
		t.Errorf("%q", log)
	}
	posted := must(d.HTTP.Post(d.URL+"/pay/shipping/ch_n1/report", "application/json", strings.NewReader(`{"by":"eve"}`)))
	defer posted.Body.Close()
	if posted.StatusCode != http.StatusBadRequest {
		t.Error(posted.Status)
	}
}

// A pause of a mini program stands with each of its payments that WeChat is to be asked about: which, since and until when, and what to do.
func TestShippingPaused(t *testing.T) {
	d := newDesk(t)
	d.reports(true)
	d.ships("p1", 100, time.Hour)
	if _, _, err := d.ledger.ReportShipping(t.Context(), ledger.ShippingReport{Scope: scope, OrderNo: "p1", Now: time.Now(), Shipping: ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}}); err != nil {
		t.Fatal(err)
	}
	if s := must(d.Shipment(t.Context(), ShipmentRef{Charge: "ch_p1"})); s.Paused != nil || s.Next.After(time.Now()) {
		t.Errorf("%+v", s)
	}
	until := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	paused := func(ledger.Scope) []shipping.Pause {
		return []shipping.Pause{{AppID: "wx0", Since: until.Add(-2 * time.Hour), Until: until, Code: "40164", Person: true, EN: "invalid ip for " + whole, ZH: "白名单 " + whole}}
	}
	d.server.shipServer.pauses, d.server.orderServer.pauses = paused, paused
	want := &ShippingPause{AppID: "wx0", Since: until.Add(-2 * time.Hour), Until: until, Code: "40164", Why: "invalid ip for oUpF8u…", WhyZH: "白名单 oUpF8u…"}
	is := func(what string, s *ShipmentView) {
		t.Helper()
		if !reflect.DeepEqual(s.Paused, want) || !s.Next.Equal(until) || s.Code != "40164" || s.Error != want.Why || s.ErrorZH != want.WhyZH {
			t.Errorf("%s: %+v, %+v", what, s, s.Paused)
		}
	}
	is("show", &must(d.Shipment(t.Context(), ShipmentRef{Charge: "ch_p1"})).ShipmentView)
	is("list", &must(d.Shipments(t.Context(), ShippingQuery{})).Shipments[0])
	is("report", &must(d.ReportShipping(t.Context(), ShipmentRef{Charge: "ch_p1"}, ShippingDecision{})).ShipmentView)
	life := must(d.Order(t.Context(), "", "", "p1"))
	is("order", &life.Shipments[0].ShipmentView)
	if last := life.Timeline[len(life.Timeline)-2]; last.Kind != "wechat" || !last.Ahead || !last.At.Equal(until) {
		t.Errorf("%+v", life.Timeline)
	}
	if f := must(d.Figures(t.Context()))[0].Frozen; len(f.Paused) != 1 || !reflect.DeepEqual(&f.Paused[0], want) {
		t.Errorf("%+v", f)
	}
}

// Whoever has an order's number needs no charge's; where an order was paid twice both are named, and one has to be chosen.
func TestShipmentOfAnOrder(t *testing.T) {
	d := newDesk(t)
	d.reports(true)
	d.ships("o1", 100, time.Hour)
	if s := must(d.Shipment(t.Context(), ShipmentRef{Charge: "o1"})); s.Charge != "ch_o1" || s.OrderNo != "o1" {
		t.Errorf("%+v", s)
	}
	s := must(d.ReportShipping(t.Context(), ShipmentRef{Charge: "o1"}, ShippingDecision{Reason: "r", Shipping: json.RawMessage(`{"type":"virtual","items":"tea"}`)}))
	if s.Charge != "ch_o1" || s.Shipping == nil || s.Stage != "open" {
		t.Errorf("%+v", s)
	}
	d.charge(scope, "unpaid", 1, time.Now())
	for _, name := range []string{"unpaid", "none"} {
		if _, err := d.Shipment(t.Context(), ShipmentRef{Charge: name}); err == nil || !strings.Contains(err.Error(), "no payment of an order of this number") {
			t.Error(err)
		}
	}
	at := time.Now()
	must(d.ledger.Append(t.Context(), &ledger.Event{Scope: scope, ID: "evt_again", Type: "charge.succeeded", ObjectID: "ch_again", ChargeID: "ch_again", OrderNo: "o1", Lane: "o1", Source: ledger.Webhook,
		State: ledger.Pending, Ships: true, Created: at, Received: at, Due: at, Change: &ledger.ChargeChange{Paid: true, TimePaid: at}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: at}, Body: []byte(`{}`)}))
	if s := must(d.Shipment(t.Context(), ShipmentRef{Charge: "o1"})); s.Charge != "ch_o1" {
		t.Errorf("while the second payment is held: %+v", s)
	}
	if err := d.ledger.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: "evt_again", Action: ledger.ActionRelease, Now: at, By: "me", Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	for _, do := range []func() error{
		func() error { _, err := d.Shipment(t.Context(), ShipmentRef{Charge: "o1"}); return err },
		func() error {
			_, err := d.ReportShipping(t.Context(), ShipmentRef{Charge: "o1"}, ShippingDecision{})
			return err
		},
	} {
		var refused *Error
		if err := do(); !errors.As(err, &refused) || refused.Status != 409 || !strings.Contains(refused.Message, "ch_o1 and ch_again") {
			t.Error(err)
		}
	}
	if s := must(d.Shipment(t.Context(), ShipmentRef{Charge: "ch_o1"})); s.Charge != "ch_o1" {
		t.Errorf("%+v", s)
	}
}

// The timeline shows what each post had, also what was corrected since, and what the backend said that was no report, with the reason.
func TestShippingTimeline(t *testing.T) {
	d := newDesk(t)
	d.reports(true)
	d.ships("c1", 100, time.Hour)
	d.told("c1", ledger.ShippingAccepted)
	must(d.ReportShipping(t.Context(), ShipmentRef{Charge: "c1"}, ShippingDecision{Reason: "r", Shipping: json.RawMessage(`{"type":"express","items":"pot","parcels":[{"company":"YTO","tracking_no":"Y1"}]}`)}))
	d.answers("c1", ledger.ShippingAccepted)
	d.ships("c2", 100, time.Hour)
	now := time.Now()
	for _, e := range must(d.ledger.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "me", Now: now, Until: now.Add(time.Minute), Limit: 9})) {
		del := ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: 1, At: now, Status: 200, State: ledger.Delivered}
		if e.OrderNo == "c2" {
			del.ShippingProblem = ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: "pay_shipping of the backend's answer: type cannot be boat", ZH: "type 不能是 boat"}
		}
		if err := d.ledger.Settle(t.Context(), "me", del); err != nil {
			t.Fatal(err)
		}
	}
	for orderNo, want := range map[string][]string{
		"c1": {"was shipped (virtual, tea) in 12.0 ms: accepted", "was shipped in 12.0 ms: accepted", "was reported: express, pot, YTO Y1"},
		"c2": {"what was to be reported of ch_c2 is no report: pay_shipping of the backend's answer: type cannot be boat"},
	} {
		var all []string
		for _, e := range must(d.Order(t.Context(), "", "", orderNo)).Timeline {
			all = append(all, e.Text)
		}
		for _, text := range want {
			if !strings.Contains(strings.Join(all, "\n"), text) {
				t.Errorf("%s: %q is not in %q", orderNo, text, all)
			}
		}
	}
}

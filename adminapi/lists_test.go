package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

var testScope = ledger.Scope{App: "app_1", Mode: ledger.Test}

// charge records one of ours, which Ping++ has made then.
func (d *desk) charge(s ledger.Scope, orderNo string, fen int64, created time.Time) {
	d.t.Helper()
	now := time.Now()
	if _, err := d.ledger.Reserve(d.t.Context(), ledger.Reservation{Scope: s, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute), Channel: "wx_lite",
		Payer: "oSecretSecretSecretSecret123", Number: func(int, int) string { return orderNo }}); err != nil {
		d.t.Fatal(err)
	}
	if err := d.ledger.Created(d.t.Context(), &ledger.Charge{Scope: s, OrderNo: orderNo, Number: orderNo, State: ledger.Open, ID: "ch_" + orderNo, Channel: "wx_lite",
		Payer: "oSecretSecretSecretSecret123", Amount: fen, Currency: "cny", Created: created, TimeExpire: created.Add(time.Hour), Raw: []byte("{}")}); err != nil {
		d.t.Fatal(err)
	}
}

// The lists of two modes are one, in the order of its times, and whoever turns the pages sees each row once, whatever comes meanwhile.
func TestListsOfSeveralModes(t *testing.T) {
	d := newDesk(t)
	start := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
	var want []string
	for i := range 9 { // three of four are live
		no := fmt.Sprintf("n%d", i)
		d.charge(map[bool]ledger.Scope{true: testScope, false: scope}[i%4 == 3], no, 100, start.Add(time.Duration(i)*time.Minute))
		want = append([]string{no}, want...)
	}
	for _, limit := range []int{1, 2, 3, 4, 9, 10} {
		var charges, orders []string
		for q := (ChargeQuery{Part: Part{Limit: limit, Until: start.Add(time.Hour).Format(time.RFC3339)}}); ; {
			page := must(d.Charges(t.Context(), q))
			for _, c := range page.Charges {
				charges = append(charges, c.OrderNo)
				if c.Payer != "oSecre…" || c.Status != "created" {
					t.Errorf("%+v", c)
				}
			}
			if q.Cursor == "" { // something new, at the top of both
				d.charge(scope, fmt.Sprintf("new%dl", limit), 1, start.Add(2*time.Hour))
				d.charge(testScope, fmt.Sprintf("new%dt", limit), 1, start.Add(2*time.Hour))
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			if len(page.Charges) != limit {
				t.Errorf("a page of %d has %d rows", limit, len(page.Charges))
			}
		}
		for q := (OrderQuery{Part: Part{Limit: limit, Until: start.Add(time.Hour).Format(time.RFC3339)}}); ; {
			page := must(d.Orders(t.Context(), q))
			for _, o := range page.Orders {
				orders = append(orders, o.OrderNo)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if !slices.Equal(charges, want) || !slices.Equal(orders, want) {
			t.Errorf("pages of %d:\n%q\n%q\nwant %q", limit, charges, orders, want)
		}
	}
	if page := must(d.Charges(t.Context(), ChargeQuery{Part: Part{App: "app_1", Mode: "test"}, OrderNo: "n3"})); len(page.Charges) != 1 || page.Charges[0].Mode != "test" {
		t.Errorf("%+v", page)
	}
}

// What is asked wrongly is refused in words, and nothing is chosen instead.
func TestListsRefuse(t *testing.T) {
	d := newDesk(t)
	for want, ask := range map[string]func() error{
		`status "lost" is not one of [held paid`:       func() error { _, err := d.Charges(t.Context(), ChargeQuery{Statuses: []string{"lost"}}); return err },
		`status "gone" is not one of`:                  func() error { _, err := d.Orders(t.Context(), OrderQuery{Statuses: []string{"gone"}}); return err },
		`state "lost" is not one of [asked pending`:    func() error { _, err := d.Refunds(t.Context(), RefundQuery{States: []string{"lost"}}); return err },
		`action "undo" is not one of [replay`:          func() error { _, err := d.Audit(t.Context(), AuditQuery{Actions: []string{"undo"}}); return err },
		`until "soon" is neither a time`:               func() error { _, err := d.Audit(t.Context(), AuditQuery{Part: Part{Until: "soon"}}); return err },
		"give app and mode":                            func() error { _, err := d.Refunds(t.Context(), RefundQuery{Part: Part{App: "app_1"}}); return err },
		"cursor must be the member next":               func() error { _, err := d.Orders(t.Context(), OrderQuery{Part: Part{Cursor: "x"}}); return err },
		"limit must be 1 to 1000":                      func() error { _, err := d.Orders(t.Context(), OrderQuery{Part: Part{Limit: 1001}}); return err },
		"q is missing":                                 func() error { _, err := d.Find(t.Context(), ""); return err },
		`source "mail" is not one of [webhook query]`:  func() error { _, err := d.Events(t.Context(), EventQuery{Source: "mail"}); return err },
		`The order "n1" is unknown`:                    func() error { _, err := d.Order(t.Context(), "", "", "n1"); return err },
		"is known for app_1/live and app_1/test; name": func() error { return d.twice("n2") },
	} {
		var refused *Error
		if err := ask(); !errors.As(err, &refused) || refused.Status >= http.StatusInternalServerError || !strings.Contains(refused.Message, want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if life := must(d.Order(t.Context(), "app_1", "test", "n2")); life.Mode != "test" || len(life.Charges) != 1 {
		t.Errorf("%+v", life)
	}
}

// twice asks for an order that two modes have.
func (d *desk) twice(orderNo string) error {
	d.charge(scope, orderNo, 1, time.Now())
	d.charge(testScope, orderNo, 1, time.Now())
	_, err := d.Order(d.t.Context(), "", "", orderNo)
	return err
}

// An order number is whatever the merchant's shop makes of it.
func TestOddOrderNumbers(t *testing.T) {
	d := newDesk(t)
	for _, no := range []string{"a/b", "a b?c=d&e#f", "100%25", "订单 1", "a/query", "…"} {
		d.charge(scope, no, 100, time.Now())
		if life := must(d.Order(t.Context(), "", "", no)); life.OrderNo != no || len(life.Charges) != 1 {
			t.Errorf("%q: %+v", no, life)
		}
		if found := must(d.Find(t.Context(), no)); !slices.Contains(found, Found{"app_1", "live", "order", no, no}) {
			t.Errorf("%q: %+v", no, found)
		}
	}
	if _, err := d.Order(t.Context(), "", "", ""); err == nil || !strings.Contains(err.Error(), `The order "" is unknown`) {
		t.Error(err)
	}
}

// Ping++ is asked in the app and mode that know the order, and in all when none does; what it cannot say is an error.
func TestQueryAsksWhereTheOrderIs(t *testing.T) {
	d := newDesk(t)
	var asked []string
	var fails error
	d.server.orderServer.query = func(_ context.Context, s ledger.Scope, no string) error {
		asked = append(asked, s.Key()+" "+no)
		return fails
	}
	d.charge(testScope, "n1", 100, time.Now())
	if life := must(d.Query(t.Context(), "", "", "n1")); life.Mode != "test" || !slices.Equal(asked, []string{"app_1/test n1"}) {
		t.Errorf("%+v, asked %q", life, asked)
	}
	asked = nil
	if _, err := d.Query(t.Context(), "", "", "n2"); err == nil || !strings.Contains(err.Error(), `The order "n2" is unknown`) || len(asked) != 2 {
		t.Errorf("%v, asked %q", err, asked)
	}
	fails = errors.New("no route to Ping++")
	var refused *Error
	if _, err := d.Query(t.Context(), "app_1", "test", "n1"); !errors.As(err, &refused) || refused.Status != http.StatusBadGateway || !strings.Contains(refused.Message, "no route to Ping++") {
		t.Error(err)
	}
}

// A pause is of one app and mode, stands in figures, health and lists while it lasts, and in the audit log for ever.
func TestPause(t *testing.T) {
	d := newDesk(t)
	d.event("a", "order.succeeded", "n1", 1)
	server := d.server // a page in the same process says who it is
	ctx := WithBy(t.Context(), "mark")
	paused := must(server.Pause(ctx, "app_1", "live", "the shop moves"))
	if len(paused) != 1 || paused[0].Mode != "live" || paused[0].By != "mark" || paused[0].Reason != "the shop moves" || paused[0].Since.IsZero() {
		t.Fatalf("%+v", paused)
	}
	for _, f := range must(d.Figures(t.Context())) {
		live := f.Mode == "live"
		if (f.Paused != nil) != live || (f.Events["pending"] == 1) != live || !f.NextAttempt.IsZero() {
			t.Errorf("%+v", f)
		}
	}
	for _, s := range must(d.Health(t.Context())).Scopes {
		if (s.Paused != nil) != (s.Mode == "live") {
			t.Errorf("%+v", s)
		}
	}
	if p := must(d.Events(t.Context(), EventQuery{})).Paused; !slices.Equal(p, paused) {
		t.Errorf("%+v", p)
	}
	if p := must(d.Refunds(t.Context(), RefundQuery{Part: Part{App: "app_1", Mode: "test"}})).Paused; len(p) != 0 {
		t.Errorf("another mode's: %+v", p)
	}
	if p := must(d.Pause(t.Context(), "", "", "all of it")); len(p) != 2 || p[0].Reason != "the shop moves" || p[1].Reason != "all of it" {
		t.Errorf("the other one too: %+v", p)
	}
	if _, err := d.Pause(t.Context(), "app_2", "live", "a slip"); err == nil || !strings.Contains(err.Error(), "no site takes payments for app_2/live; there are app_1/live, app_1/test") {
		t.Errorf("an app that is not there: %v", err)
	}
	d.Said = "eve"
	if p := must(d.Unpause(t.Context(), "app_1", "test", "")); len(p) != 1 || p[0].Mode != "live" {
		t.Errorf("%+v", p)
	}
	if p := must(d.Unpause(t.Context(), "", "", "moved")); len(p) != 0 {
		t.Errorf("%+v", p)
	}
	var log []string
	for _, a := range must(d.Audit(t.Context(), AuditQuery{})).Decisions {
		log = append(log, a.Mode+" "+a.Action+" "+Who(a.By, a.Said)+" "+a.Reason)
	}
	if want := []string{"live unpause address 127.0.0.1 (eve) moved", "test unpause address 127.0.0.1 (eve) ", "test pause address 127.0.0.1 all of it",
		"live pause mark the shop moves"}; !slices.Equal(log, want) {
		t.Errorf("%q", log)
	}
	if f := must(d.Figures(t.Context())); f[0].NextAttempt.IsZero() {
		t.Errorf("%+v", f)
	}
}

// What happened in each hour is told with its hour.
func TestHours(t *testing.T) {
	d := newDesk(t)
	d.charge(scope, "n1", 100, time.Now())
	hours := must(d.Hours(t.Context(), time.Now().Add(-2*time.Hour), time.Now().Add(time.Hour)))
	if len(hours) != 1 || hours[0].Charges != 1 || hours[0].Mode != "live" || hours[0].At.After(time.Now()) {
		t.Errorf("%+v", hours)
	}
	if hours = must(d.Hours(t.Context(), time.Now().Add(-3*time.Hour), time.Now().Add(-2*time.Hour))); len(hours) != 0 {
		t.Errorf("%+v", hours)
	}
}

package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// newShop is a live site whose mini program's shipping is reported.
func newShop(t *testing.T) *world {
	w := newWorld(t)
	client, err := pingpp.New(pingpp.Config{
		App: w.sandbox.App(), Key: redact.New(w.sandbox.LiveKey()), SigningKey: merchantKey(), Endpoint: w.outsideURL, Transport: w.transport, Now: w.clock.Now, Rand: func() float64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(c *Config) {
		c.Scope.Mode, c.Pingpp = ledger.Live, client
		c.Intake.Scope, c.Intake.Ships = c.Scope, true
		c.Reconciler = reconcile.New(reconcile.Config{Scope: c.Scope, Ledger: c.Ledger, Pingpp: client, Intake: c.Intake, Owner: "test", Now: c.Now, Logger: c.Logger})
		c.Intake.Ask = c.Reconciler.Charges.Recover
	})
	w.ships()
	return w
}

// ships gives the site the block shipping. Whoever asked WeChat here would have no token, and panic.
func (w *world) ships() {
	w.set(func(c *Config) { c.Shipping = wechat.NewOrders(c.WxLite, nil, c.Now) })
}

const parcels = `{"type":"express","items":"绿茶 250g ×2","parcels":[{"company":"顺丰","tracking_no":"SF123","contact":"13800001234"}]}`

func (w *world) report(orderNo, body string, header ...string) answer {
	w.t.Helper()
	return w.merchant("POST", "/pay/orders/"+orderNo+"/shipping", body, header...)
}

// posts tells WeChat of the shipment that is due, as far as the ledger sees it.
func (w *world) posts(result ledger.ShippingResult, problem ledger.ShippingProblem) {
	w.t.Helper()
	now := w.clock.Now()
	claimed, err := w.ledger.ClaimShipments(w.t.Context(), ledger.ShipmentClaim{Scope: w.config.Scope, Owner: "worker", Now: now, Until: now.Add(time.Minute), Limit: 10})
	if err != nil || len(claimed) != 1 {
		w.t.Fatalf("%d are due, %v", len(claimed), err)
	}
	lease := ledger.ShipmentLease{Scope: w.config.Scope, ChargeID: claimed[0].ChargeID, Owner: "worker", Epoch: claimed[0].Epoch}
	if _, err := w.ledger.PostShipping(w.t.Context(), lease, now, now.Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.ledger.ShippingAnswered(w.t.Context(), lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: result, Problem: problem, At: now}); err != nil {
		w.t.Fatal(err)
	}
}

// TestShippingIsReported: a report is recorded before WeChat is told; the same again is the same report; another is its one correction.
func TestShippingIsReported(t *testing.T) {
	w := newShop(t)
	charge := w.paidOrder("1001")
	paid := w.clock.Now().Unix()
	want := func(a answer, status int, want string) {
		t.Helper()
		var got, wanted map[string]any
		if json.Unmarshal(a.body, &got) != nil || json.Unmarshal([]byte(strings.ReplaceAll(want, "CHARGE", charge)), &wanted) != nil || a.status != status || !reflect.DeepEqual(got, wanted) {
			t.Errorf("answered %d %s, want %d %s", a.status, a.body, status, want)
		}
		if a.header.Get("X-Pay-Order-No") != "1001" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", a.header)
		}
	}
	read := func() answer { return w.merchant("GET", "/pay/orders/1001/shipping", "") }
	view := func(status, typ, items, parcels, complete, reported, wrong string) string {
		return fmt.Sprintf(`{"order_no":"1001","charge":"CHARGE","status":%q,"type":%s,"items":%s,"parcels":%s,"complete":%s,"reported_at":%s,"deadline":%d,"error":%s}`,
			status, typ, items, parcels, complete, reported, paid+48*3600, wrong)
	}
	want(read(), 200, view("waiting", "null", "null", "[]", "null", "null", "null"))

	const kept = `[{"company":"SF","tracking_no":"SF123","contact":"138****1234"}]`
	waiting := view("waiting", `"express"`, `"绿茶 250g ×2"`, kept, "true", "null", "null")
	w.clock.Add(time.Hour)
	for range 2 {
		want(w.report("1001", parcels), 202, waiting)
	}
	want(read(), 200, waiting)
	w.posts(ledger.ShippingNotFound, ledger.ShippingProblem{Code: "10060001", Text: "not yet"})
	want(w.report("1001", parcels), 202, view("waiting", `"express"`, `"绿茶 250g ×2"`, kept, "true", "null", `{"code":"10060001","detail":"not yet"}`))
	w.clock.Add(time.Minute)
	w.posts(ledger.ShippingAccepted, ledger.ShippingProblem{})
	at := fmt.Sprint(w.clock.Now().Unix())
	reported := view("reported", `"express"`, `"绿茶 250g ×2"`, kept, "true", at, "null")
	want(w.report("1001", parcels), 200, reported)
	want(read(), 200, reported)
	if a := w.merchant("HEAD", "/pay/orders/1001/shipping", ""); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD answered %d %s", a.status, a.body)
	}

	// The order has it too.
	var order struct {
		Shipping map[string]any `json:"shipping"`
	}
	if a := w.merchant("GET", "/pay/orders/1001", ""); json.Unmarshal(a.body, &order) != nil || order.Shipping["status"] != "reported" || order.Shipping["charge"] != charge {
		t.Errorf("the order is %s", a.body)
	}

	// One correction, and no more.
	correction := strings.Replace(parcels, "SF123", "SF124", 1)
	if a := w.report("1001", correction); a.status != 202 || a.text("status") != "reported" {
		t.Errorf("the correction answered %d %s", a.status, a.body)
	}
	w.posts(ledger.ShippingAccepted, ledger.ShippingProblem{})
	a := w.report("1001", parcels)
	if wantProblem(t, a, 409, "shipping_refused"); a.text("reason") != "corrected" || !strings.Contains(a.text("detail"), "one correction") {
		t.Errorf("%s", a.body)
	}
	if a := w.report("1001", parcels, "Accept-Language", ""); a.status != 409 || !strings.Contains(a.text("detail"), "更正") {
		t.Errorf("%s", a.body)
	}
	if n := len(w.outside.exchanges("/wxa/")); n != 0 {
		t.Errorf("the merchant API itself asked WeChat %d times", n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if logged := w.logged.String(); !strings.Contains(logged, "shipping recorded for WeChat") || strings.Contains(logged, "13800001234") {
		t.Errorf("logged %s", logged)
	}
}

// TestShippingIsRefused: each reason comes with its code, in both languages.
func TestShippingIsRefused(t *testing.T) {
	w := newShop(t)
	refused := func(orderNo, reason string) {
		t.Helper()
		a := w.report(orderNo, parcels)
		wantProblem(t, a, 409, "shipping_refused")
		zh := w.report(orderNo, parcels, "Accept-Language", "")
		if a.text("reason") != reason || a.text("detail") == zh.text("detail") {
			t.Errorf("%s: %s, %s", orderNo, a.body, zh.body)
		}
	}
	wantProblem(t, w.report("1001", parcels), 404, "order_not_found")
	wantProblem(t, w.merchant("GET", "/pay/orders/1001/shipping", ""), 404, "order_not_found")
	id, _ := w.created(w.session(payer), "1001")
	refused("1001", "not_paid")
	wantProblem(t, w.merchant("GET", "/pay/orders/1001/shipping", ""), 404, "not_found")
	if a := w.merchant("GET", "/pay/orders/1001", ""); strings.Contains(string(a.body), `"shipping"`) {
		t.Errorf("an unpaid order has %s", a.body)
	}
	w.webhook(w.payEvent(id))
	events := len(w.sandbox.State(100).Events)
	a := w.merchant("POST", "/pay/refunds", `{"order_no":"1001","refund_no":"R1","description":"d"}`)
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.settle(a.text("refund"), "succeed")
	w.clock.Add(time.Hour)
	w.events(events)
	refused("1001", "refunded")
	if a := w.merchant("GET", "/pay/orders/1001/shipping", ""); a.status != 200 || a.text("status") != "refunded" {
		t.Errorf("%d %s", a.status, a.body)
	}

	test := newWorld(t)
	test.ships()
	test.paidOrder("1001")
	if a := test.report("1001", parcels); a.text("reason") != "test_mode" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestShippingOfTheOtherPayment: where an order was paid twice, what is shown is what is reported: the payment that stands.
func TestShippingOfTheOtherPayment(t *testing.T) {
	w := newShop(t)
	first, _ := w.created(w.session(payer), "1001")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	second, _ := w.created(w.session(payer), "1001")
	w.webhook(w.payEvent(second))
	w.webhook(w.payEvent(first)) // is held
	if a := w.report("1001", parcels); a.status != 202 || a.text("charge") != second {
		t.Errorf("%d %s, want %s", a.status, a.body, second)
	}
	if a := w.merchant("GET", "/pay/orders/1001/shipping", ""); a.text("charge") != second || a.text("type") != "express" {
		t.Errorf("%d %s, want %s", a.status, a.body, second)
	}
}

func TestShippingIsInvalid(t *testing.T) {
	w := newShop(t)
	w.paidOrder("1001")
	for body, field := range map[string]string{
		`{"type":"express","items":"x"}`:     "parcels",
		`{"type":"virtual"}`:                 "items",
		`{"type":"virtual","item":"x"}`:      "item",
		strings.Replace(parcels, "顺", "", 1): "parcels[0].company",
	} {
		a, zh := w.report("1001", body), w.report("1001", body, "Accept-Language", "")
		if wantProblem(t, a, 400, "shipping_invalid"); a.text("field") != field || a.text("detail") == zh.text("detail") {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	wantProblem(t, w.report("1001", `{"type":"virtual","type":"pickup","items":"x"}`), 400, "json_invalid")
	wantProblem(t, w.report("1001", `[]`), 400, "json_invalid")
	wantProblem(t, w.report("1001", `{"items":"`+strings.Repeat("x", 40<<10)+`"}`), 413, "too_large")
	wantProblem(t, w.report("1001", parcels, "Content-Type", "text/plain"), 415, "content_type")
	a := w.merchant("DELETE", "/pay/orders/1001/shipping", "")
	if wantProblem(t, a, 405, "method_not_allowed"); a.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow %s", a.header.Get("Allow"))
	}
	wantProblem(t, w.merchant("GET", "/pay/orders/1001/shipping/x", ""), 404, "not_found")
	if a := w.merchant("GET", "/pay/orders/1001/shipping", ""); a.field("type") != nil {
		t.Errorf("something was recorded: %s", a.body)
	}
}

// deaf is a ledger that records no report.
type deaf struct{ ledger.Ledger }

func (deaf) ReportShipping(context.Context, ledger.ShippingReport) (*ledger.Shipment, bool, error) {
	return nil, false, errors.New("the disk is full")
}

func TestShippingIsNotRecorded(t *testing.T) {
	w := newShop(t)
	w.paidOrder("1001")
	for name, l := range map[string]func(context.Context) (ledger.Ledger, error){
		"full": func(context.Context) (ledger.Ledger, error) { return deaf{w.ledger}, nil },
		"gone": func(context.Context) (ledger.Ledger, error) { return nil, errors.New("no such disk") },
	} {
		c := w.config
		c.Ledger = l
		server := httptest.NewTLSServer(w.handler(New(c)))
		a := w.doAt(server, "POST", "/pay/orders/1001/shipping", parcels, "Authorization", "Bearer "+merchantToken)
		if wantProblem(t, a, 503, "shipping_unavailable"); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", name, a.header)
		}
		server.Close()
	}
}

// TestShippingNeedsTheBlock: a site without shipping has neither the routes nor the member.
func TestShippingNeedsTheBlock(t *testing.T) {
	w := newShop(t)
	w.paidOrder("1001")
	w.set(func(c *Config) { c.Shipping = nil })
	wantProblem(t, w.report("1001", parcels), 404, "not_found")
	wantProblem(t, w.merchant("GET", "/pay/orders/1001/shipping", ""), 404, "not_found")
	if a := w.merchant("GET", "/pay/orders/1001", ""); a.status != 200 || strings.Contains(string(a.body), `"shipping"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.ships()
	site := New(w.config)
	site.Merchant = nil
	server := httptest.NewTLSServer(w.handler(site))
	defer server.Close()
	wantProblem(t, w.doAt(server, "POST", "/pay/orders/1001/shipping", parcels, "Authorization", "Bearer "+merchantToken), 404, "not_found")
}

// TestShippingPage: what docs/http-api.md shows as a report is one, and its answer has the members that the page shows.
func TestShippingPage(t *testing.T) {
	raw, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(raw), "### `POST /pay/orders/{order_no}/shipping`")
	blocks := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllStringSubmatch(section, 2)
	if len(blocks) != 2 {
		t.Fatalf("the section shows %d pieces of JSON", len(blocks))
	}
	w := newShop(t)
	w.paidOrder("20260101001")
	if a := w.report("20260101001", blocks[0][1]); a.status != 202 {
		t.Fatalf("the report of the page answered %d %s", a.status, a.body)
	}
	w.posts(ledger.ShippingNotFound, ledger.ShippingProblem{Code: "10060001", Text: "not yet"})
	var got, page map[string]any
	a := w.merchant("GET", "/pay/orders/20260101001/shipping", "")
	if json.Unmarshal(a.body, &got) != nil || json.Unmarshal([]byte(blocks[1][1]), &page) != nil {
		t.Fatalf("%s, %s", a.body, blocks[1][1])
	}
	for _, differs := range []string{"charge", "deadline", "error"} { // their values
		got[differs], page[differs] = got[differs] != nil, page[differs] != nil
	}
	if !reflect.DeepEqual(got, page) {
		t.Errorf("answered %v, the page shows %v", got, page)
	}
}

// While WeChat is not asked about the mini program, and when it did not take a report, both stand with the order, in the language that is asked for.
func TestShippingPausedAndLanguages(t *testing.T) {
	w := newShop(t)
	w.paidOrder("1001")
	var pauses []shipping.Pause
	w.set(func(c *Config) { c.ShippingPauses = func() []shipping.Pause { return pauses } })
	w.report("1001", parcels)
	type shown struct {
		Error  *struct{ Code, Detail string }
		Paused *struct {
			Code, Detail string
			Since, Until int64
		}
	}
	read := func(language string) (s shown) {
		t.Helper()
		a := w.do("GET", "/pay/orders/1001/shipping", "", "Authorization", "Bearer "+merchantToken, "Accept-Language", language)
		if a.status != 200 || json.Unmarshal(a.body, &s) != nil || !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Accept-Language") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return s
	}
	if s := read("en"); s.Error != nil || s.Paused != nil {
		t.Errorf("%+v", s)
	}
	now := w.clock.Now()
	pauses = []shipping.Pause{{AppID: "wxffffffffffffffff", Code: "1", Until: now.Add(time.Hour)}, {AppID: w.sandbox.WxLite().AppID, Since: now, Until: now.Add(time.Hour), Code: "45009", EN: "used up", ZH: "已用完"}}
	for language, want := range map[string]string{"en": "used up", "zh": "已用完", "": "已用完"} {
		s := read(language)
		if s.Error == nil || s.Error.Code != "45009" || s.Error.Detail != want || s.Paused == nil || s.Paused.Code != "45009" || s.Paused.Detail != want || s.Paused.Since != now.Unix() || s.Paused.Until != now.Add(time.Hour).Unix() {
			t.Errorf("%q: %+v", language, s)
		}
	}
	pauses = nil
	w.posts(ledger.ShippingFinal, ledger.ShippingProblem{Code: "10060009", Text: "too long", ZH: "过长"})
	for language, want := range map[string]string{"en-GB": "too long", "zh-CN": "过长"} {
		if s := read(language); s.Error == nil || s.Error.Detail != want || s.Paused != nil {
			t.Errorf("%q: %+v", language, s)
		}
		var order struct{ Shipping shown }
		if a := w.do("GET", "/pay/orders/1001", "", "Authorization", "Bearer "+merchantToken, "Accept-Language", language); json.Unmarshal(a.body, &order) != nil || order.Shipping.Error == nil || order.Shipping.Error.Detail != want {
			t.Errorf("%q: %s", language, a.body)
		}
	}
}

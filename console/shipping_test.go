package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// shipped is an order whose shipping was reported, and what WeChat said.
func (s *shop) shipped(orderNo string, fen int64, ago time.Duration, r ledger.ShippingResult) {
	s.t.Helper()
	s.order(orderNo, fen, fen, ago, ledger.Delivered)
	s.tells(orderNo, r, ledger.Shipping{Type: ledger.ShipExpress, Items: "绿茶 250g ×2", Complete: true, Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "YT" + orderNo}}})
}

func (s *shop) tells(orderNo string, r ledger.ShippingResult, said ledger.Shipping) {
	s.t.Helper()
	now := time.Now()
	if _, _, err := s.ledger.ReportShipping(s.t.Context(), ledger.ShippingReport{Scope: scope, OrderNo: orderNo, Now: now, Shipping: said}); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range must(s.ledger.ClaimShipments(s.t.Context(), ledger.ShipmentClaim{Scope: scope, Owner: "relay", Now: now.Add(time.Second), Until: now.Add(time.Minute), Limit: 10})) {
		l := ledger.ShipmentLease{Scope: scope, ChargeID: p.ChargeID, Owner: "relay", Epoch: p.Epoch}
		must(s.ledger.PostShipping(s.t.Context(), l, now, now.Add(time.Minute)))
		a := ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: r, At: now, Took: 31 * time.Millisecond}
		if r != ledger.ShippingAccepted {
			a.Problem = ledger.ShippingProblem{Code: "10060002", Text: "WeChat does not know this tracking number of " + openID, ZH: "微信查不到该运单号 " + openID}
		}
		must(s.ledger.ShippingAnswered(s.t.Context(), l, a))
	}
}

// Frozen money stands on the front page where WeChat is told of shipping, with what runs out, and leads to lists and orders; what failed can be reported again.
func TestShippingPages(t *testing.T) {
	s := newShop(t, Config{Said: "mark"})
	s.order("A1", 500, 500, time.Hour, ledger.Delivered)
	if page := s.get(""); strings.Contains(page.body, "Frozen at WeChat") {
		t.Error("no site reports shipping, and the front page speaks of frozen money")
	}
	s.ships.Store(true)
	s.get("").want(t, http.StatusOK, "Frozen at WeChat", "WeChat keeps no payment, as far as is known.")
	s.order("B1", 123400, 123400, 40*time.Hour, ledger.Delivered)
	s.order("B2", 600, 600, 50*time.Hour, ledger.Delivered)
	s.shipped("B3", 700, time.Hour, ledger.ShippingFinal)
	s.shipped("B4", 800, time.Hour, ledger.ShippingAccepted)
	s.get("").want(t, http.StatusOK, "¥1,255.00", "4 payments", `href="shipping?state=waiting%2Cfailed&amp;until=48h"`, "¥6.00", "¥1,234.00", "run out soon, of the first one", "in 7 h",
		`<a href="shipping?state=failed">1 payments</a> <span class="money">¥7.00</span>: the report failed, and is not tried again by itself; the last is order B3: WeChat does not know this tracking number of oUpF8u…`)
	s.get("", "Accept-Language", "zh").want(t, http.StatusOK, "微信冻结的资金", "被微信冻结", "48 小时期限即将到期", "上报失败，不会自动重试；最近一笔是订单 B3：微信查不到该运单号 oUpF8u…")

	s.get("shipping?state=waiting%2Cfailed&until=48h").want(t, http.StatusOK, "B2", "waiting, failed")
	s.get("shipping?state=failed").want(t, http.StatusOK, "B3", "by express", "WeChat does not know this tracking number of oUpF8u…")
	s.get("shipping?state=lost").want(t, http.StatusBadRequest, "is not one of")
	csv := s.get("shipping.csv?stage=done", "Accept-Language", "zh")
	csv.want(t, http.StatusOK, "付款时间", "B4", "已上报", "8.00", "快递")

	order := s.get("order?order_no=B3")
	order.want(t, http.StatusOK, "Report it again", "Report something else", "绿茶 250g ×2", "YTO YTB3", "the shipping of ch_B300 was reported", "refused", "WeChat&#39;s 48 hours")
	s.get("order?order_no=B3", "Accept-Language", "zh").want(t, http.StatusOK, "重新上报", "告知微信发货信息", "微信要求在此之前录入发货信息", "微信查不到该运单号 oUpF8u…")
	s.get("order?order_no=A1").want(t, http.StatusOK, "Your backend knows of charge.succeeded")
	s.get("order?order_no=A1", "Accept-Language", "zh").want(t, http.StatusOK, "后端已知道 charge.succeeded")
	s.get("order?order_no=A1").lacks(t, "Report it again", "Frozen at WeChat")
	for _, page := range []string{"order?order_no=B3", "shipping", "shipping.csv", ""} {
		s.get(page).lacks(t, openID)
	}

	form := url.Values{"charge": {"ch_B400"}, "app": {scope.App}, "mode": {"live"}, "order_no": {"B4"}}
	s.post("report", form).want(t, http.StatusConflict, "WeChat has the report, and takes only other content", "Its life")
	s.post("report", form, "Accept-Language", "zh").want(t, http.StatusConflict, "微信已有该发货信息")
	form.Set("type", "express")
	form.Set("items", "tea")
	form.Set("company", "Nobody Express")
	form.Set("tracking_no", "YT1")
	s.post("report", form).want(t, http.StatusBadRequest, "no express company that we know")
	form.Set("company", "圆通")
	s.post("report", form).want(t, http.StatusBadRequest, "a reason is missing")
	form.Set("reason", "another parcel")
	if a := s.post("report", form); a.status != http.StatusSeeOther || !strings.Contains(a.header.Get("Location"), "done=report") {
		t.Errorf("%d %v", a.status, a.header)
	}
	p := must(s.ledger.Shipment(t.Context(), scope, "ch_B400"))
	if p.Stage != ledger.ReportOpen || p.Shipping.Items != "tea" || len(p.Shipping.Parcels) != 1 || p.Shipping.Parcels[0].TrackingNo != "YT1" {
		t.Errorf("%+v", p)
	}
	s.get("audit?action=report").want(t, http.StatusOK, "Report shipping", "mark", "another parcel", "B4")
	again := url.Values{"charge": {"ch_B300"}, "app": {scope.App}, "mode": {"live"}, "order_no": {"B3"}}
	if a := s.post("report", again); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	if p := must(s.ledger.Shipment(t.Context(), scope, "ch_B300")); p.Stage != ledger.ReportOpen {
		t.Errorf("%+v", p)
	}
	locked := newShop(t, Config{ReadOnly: true})
	locked.ships.Store(true)
	locked.shipped("B3", 700, time.Hour, ledger.ShippingFinal)
	locked.get("order?order_no=B3").lacks(t, "Report it again", "Report something else")
	locked.post("report", again).want(t, http.StatusForbidden)
}

func (a answer) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("it says %q", text)
		}
	}
}

package wechat

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/redact"
)

func TestProgramAndCompanies(t *testing.T) {
	s := newOrderStage(t)
	for _, managed := range []bool{true, false} {
		s.Lever("POST", "/sandbox/wechat/program", fmt.Sprintf(`{"managed":%t,"confirmed":%t,"order_detail_path":"pages/order?no=${商品订单号}"}`, managed, !managed))
		if got, err := s.api.TradeManaged(t.Context()); got != managed || err != nil {
			t.Error(got, err)
		}
		if got, err := s.api.TradeManagementConfirmed(t.Context()); got != !managed || err != nil {
			t.Error(got, err)
		}
	}
	if path, err := s.api.OrderDetailPath(t.Context()); path != "pages/order?no=${商品订单号}" || err != nil {
		t.Error(path, err)
	}
	list, err := s.api.DeliveryList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Companies() {
		if !slices.ContainsFunc(list, func(known Company) bool { return known.Code == c.Code && strings.Contains(known.Name, c.Name) }) {
			t.Errorf("WeChat has no %s called %s", c.Code, c.Name)
		}
	}
	for op, ask := range map[string]func() error{
		"is_trade_managed":                           func() error { _, err := s.api.TradeManaged(t.Context()); return err },
		"is_trade_management_confirmation_completed": func() error { _, err := s.api.TradeManagementConfirmed(t.Context()); return err },
		"get_order_detail_path":                      func() error { _, err := s.api.OrderDetailPath(t.Context()); return err },
		"get_delivery_list":                          func() error { _, err := s.api.DeliveryList(t.Context()); return err },
	} {
		for fault, kind := range map[string]OrderKind{"44990": OrderQuotaMinute, "48001": OrderConfiguration, "200_null": OrderRetry, "endless": OrderRetry} {
			if err := s.SetFault(op, fault, 1); err != nil {
				t.Fatal(err)
			}
			if e := s.refused(ask(), kind); e.API != op {
				t.Errorf("%#v", e)
			}
		}
	}
}

// answering is an order management whose WeChat answers one thing.
func answering(t testing.TB, body string) *Orders {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "stable_token") {
			_, _ = io.WriteString(w, `{"access_token":"AT","expires_in":7200}`)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	m, err := NewMiniProgram(Config{AppID: appID, Secret: redact.New(secret), Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	return NewOrders(m, ShareToken(m, newMemory(), time.Now, func(string, error) {}), time.Now)
}

// Numbers may be texts, members may be missing or of another kind; an order of another payment is none.
func TestOrderDecoding(t *testing.T) {
	at := time.Unix(1786867675, 0)
	for body, want := range map[string]Order{
		`{"errcode":0,"order":{"transaction_id":"42","paid_amount":"100","order_state":"2","in_complaint":1,"pay_time":"1786867675","sub_merchant_id":"0","shipping":
			{"delivery_mode":"2","logistics_type":"1","finish_shipping":"true","finish_shipping_count":"1","shipping_list":[{"tracking_no":"1","express_company":"SF","upload_time":"1786867675"}]}}}`: {
			TransactionID: "42", PaidAmount: 100, State: OrderShipped, InComplaint: true, Paid: at, Type: Express, Split: true, Complete: true, Reports: 1,
			Parcels: []ReportedParcel{{Company: "SF", TrackingNo: "1", Uploaded: at}}},
		`{"errcode":"0","order":{"transaction_id":"42","order_state":7,"paid_amount":null,"openid":5,"shipping":{}}}`:       {TransactionID: "42"},
		`{"errcode":0,"order":{"transaction_id":"42","order_state":{},"pay_time":"x","shipping":[]}}`:                       {TransactionID: "42"},
		`{"errcode":0,"order":{"transaction_id":"42","order_state":-1,"shipping":{"logistics_type":9,"shipping_list":{}}}}`: {TransactionID: "42"},
		`{"errcode":0,"order":{"transaction_id":"42","order_state":6,"shipping":{"shipping_list":[{}]}},"x":[]}`:            {TransactionID: "42", State: OrderToSettle, Parcels: []ReportedParcel{{}}},
	} {
		o, err := answering(t, body).Order(t.Context(), "42")
		if err != nil || fmt.Sprintf("%+v", o) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", body, o, err, want)
		}
	}
	for _, body := range []string{`{"order":{"transaction_id":"42"}}`, `{"errcode":0}`, `{"errcode":0,"order":null}`, `{"errcode":0,"order":[]}`, `{"errcode":0,"order":{"transaction_id":"43"}}`,
		`{"errcode":0,"order":{}}`, `{"errcode":"x","order":{"transaction_id":"42"}}`} {
		if o, err := answering(t, body).Order(t.Context(), "42"); err == nil || o.TransactionID != "" {
			t.Errorf("%s: %+v", body, o)
		}
	}
	for _, body := range []string{`{"errcode":0}`, `{"errcode":0,"is_trade_managed":"maybe","completed":null}`} {
		if _, err := answering(t, body).TradeManaged(t.Context()); err == nil {
			t.Errorf("%s says whether", body)
		}
	}
	// WeChat's list of companies is longer than any other answer.
	long := `{"errcode":0,"delivery_list":[` + strings.TrimSuffix(strings.Repeat(`{"delivery_id":"YTO","delivery_name":"圆通速递"},`, 3000), ",") + `],"count":3000}`
	if list, err := answering(t, long).DeliveryList(t.Context()); err != nil || len(list) != 3000 || list[0] != (Company{"YTO", "圆通速递"}) {
		t.Errorf("%d companies, %v", len(list), err)
	}
	if s := fmt.Sprint(OrderStateUnknown, OrderToShip, OrderShipped, OrderConfirmed, OrderSettled, OrderRefunded, OrderToSettle, OrderState(-1), OrderState(9)); s !=
		"unknown to_ship shipped confirmed settled refunded to_settle unknown unknown" {
		t.Error(s)
	}
}

func FuzzOrder(f *testing.F) {
	for _, s := range []string{
		`{"errcode":0,"order":{"transaction_id":"42","order_state":2,"shipping":{"logistics_type":1,"shipping_list":[{"tracking_no":"1"}]}}}`,
		`{"errcode":10060001,"errmsg":"支付单不存在 rid: 68a0400b-0a1b2c3d-4e5f6071"}`, `{"errcode":0,"order":{"transaction_id":42}}`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAnswer("order/get_order", 200, body, redactor{"the-token"})
		if err != nil {
			if e := orderError(err, true); e.Kind == "" || strings.Contains(e.Error(), "the-token") || strings.ContainsAny(e.Error(), "\r\n") || e.Code == 0 && e.Kind != OrderUnknown {
				t.Fatalf("%#v", e)
			}
			return
		}
		o, err := a.order("42")
		if err == nil && (o.TransactionID != "42" || o.State < 0 || o.State > OrderToSettle || o.Type != 0 && !o.Type.valid()) {
			t.Fatalf("%+v", o)
		}
	})
}

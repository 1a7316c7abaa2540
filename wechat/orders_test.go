package wechat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

const payer = "oABCDEFGHIJKLMNOPQRSTUVWXYZ1" // of the sandbox's charges

// memory is a storage without a disk.
type memory struct {
	mu    sync.Mutex
	kept  map[string][]byte
	locks map[string]chan struct{}
}

func newMemory() *memory {
	return &memory{kept: map[string][]byte{}, locks: map[string]chan struct{}{}}
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kept[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return v, nil
}

func (m *memory) Store(_ context.Context, key string, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[key] = v
	return nil
}

func (m *memory) lock(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name]
}

func (m *memory) Lock(ctx context.Context, name string) error {
	select {
	case m.lock(name) <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(_ context.Context, name string) error {
	<-m.lock(name)
	return nil
}

// orderStage is a managed mini program at the sandbox, and its order management.
type orderStage struct {
	*sandboxtest.Bench
	api     *Orders
	t       *testing.T
	storage *memory
}

func newOrderStage(t *testing.T) *orderStage {
	s := &orderStage{Bench: sandboxtest.Start(t, sandbox.Config{Managed: true}), t: t, storage: newMemory()}
	s.Lever("POST", "/sandbox/wechat/program", `{"delay_ms":0}`)
	s.api = s.client(Config{})
	return s
}

// client is an order management with its own connection.
func (s *orderStage) client(cfg Config) *Orders {
	s.t.Helper()
	cfg.AppID, cfg.Secret = s.WxLite().AppID, s.WxLite().Secret
	if cfg.Endpoint == "" {
		cfg.Endpoint = s.Server.URL
	}
	if cfg.Transport == nil {
		cfg.Transport = s.Client.Transport
	}
	m, err := NewMiniProgram(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	warn := func(what string, err error) { s.t.Error(what, err) }
	return NewOrders(m, ShareToken(m, s.storage, s.Clock.Now, warn), s.Clock.Now)
}

// paid makes a payment and the report of an express parcel.
func (s *orderStage) paid(orderNo string) Shipping {
	s.t.Helper()
	_, no := s.PaidLite(orderNo)
	s.Clock.Add(time.Second)
	return Shipping{TransactionID: no, OpenID: payer, Type: Express, Parcels: []Parcel{{Company: "圆通", TrackingNo: "YT1", Items: "绿茶*1"}}}
}

// get wants an order.
func (s *orderStage) get(no string) Order {
	s.t.Helper()
	o, err := s.api.Order(s.t.Context(), no)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// refused wants an error of a kind, that says nothing that must not be said.
func (s *orderStage) refused(err error, kind OrderKind) *OrderError {
	s.t.Helper()
	e, ok := errors.AsType[*OrderError](err)
	if !ok || e.Kind != kind {
		s.t.Fatalf("%#v, want the kind %q", err, kind)
	}
	checkSilent(s.t, err)
	token, _ := s.api.token.Value(s.t.Context())
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		for _, hidden := range []string{s.WxLite().Secret, token, payer, "access_token="} {
			if text := fmt.Sprintf(verb, err); hidden != "" && strings.Contains(text, hidden) {
				s.t.Errorf("%s shows %q: %s", verb, hidden, text)
			}
		}
	}
	return e
}

func (s *orderStage) calls(op string) int { return s.State(0).Calls[op] }

// Every way to deliver is reported, and WeChat has what was reported.
func TestUploadShipping(t *testing.T) {
	s := newOrderStage(t)
	for name, c := range map[string]struct {
		change func(*Shipping)
		want   []ReportedParcel
	}{
		"express": {func(*Shipping) {}, []ReportedParcel{{Company: "YTO", TrackingNo: "YT1", Items: "绿茶*1"}}},
		"sf": {func(sh *Shipping) {
			sh.Parcels[0] = Parcel{Company: "顺丰", TrackingNo: "SF1", Items: strings.Repeat("茶", 130), Contact: "18912341234"}
		}, []ReportedParcel{{Company: "SF", TrackingNo: "SF1", Items: strings.Repeat("茶", 119) + "…"}}},
		"parts": {func(sh *Shipping) {
			sh.Split, sh.Complete = true, true
			sh.Parcels = append(sh.Parcels, Parcel{Company: "zto", TrackingNo: "ZT1", Items: "红茶"})
		}, []ReportedParcel{{Company: "YTO", TrackingNo: "YT1", Items: "绿茶*1"}, {Company: "ZTO", TrackingNo: "ZT1", Items: "红茶"}}},
		"virtual": {func(sh *Shipping) { sh.Type, sh.Parcels = Virtual, []Parcel{{Items: "月卡"}} }, []ReportedParcel{{Items: "月卡"}}},
		"local":   {func(sh *Shipping) { sh.Type, sh.Parcels = Local, []Parcel{{Items: "外卖"}} }, []ReportedParcel{{Items: "外卖"}}},
		"pickup":  {func(sh *Shipping) { sh.Type, sh.Parcels = Pickup, []Parcel{{Items: "自提"}} }, []ReportedParcel{{Items: "自提"}}},
	} {
		t.Run(name, func(t *testing.T) {
			sh := s.paid(name)
			before := s.get(sh.TransactionID)
			if before.State != OrderToShip || before.Has(sh) || before.PaidAmount != 100 || before.OpenID != payer || before.MerchantTradeNo != name ||
				!before.Paid.Equal(s.Clock.Now().Add(-time.Second)) || before.Type != 0 || before.Reports != 0 {
				t.Errorf("before: %+v", before)
			}
			c.change(&sh)
			if err := s.api.UploadShipping(t.Context(), sh); err != nil {
				t.Fatal(err)
			}
			o := s.get(sh.TransactionID)
			for i := range o.Parcels {
				if !o.Parcels[i].Uploaded.Equal(s.Clock.Now()) {
					t.Errorf("%v, want %v", o.Parcels[i].Uploaded, s.Clock.Now())
				}
				o.Parcels[i].Uploaded = time.Time{}
			}
			if o.State != OrderShipped || !o.Complete || o.Reports != 1 || o.Type != sh.Type || o.Split != sh.Split || !slices.Equal(o.Parcels, c.want) || !o.Has(sh) {
				t.Errorf("%+v", o)
			}
			// The same again is no error, and nothing is done.
			s.Clock.Add(time.Second)
			if err := s.api.UploadShipping(t.Context(), sh); err != nil {
				t.Error(err)
			}
			if again := s.get(sh.TransactionID); again.Reports != 1 {
				t.Errorf("%+v", again)
			}
		})
	}
	if n := s.calls("stable_token"); n != 1 {
		t.Errorf("tokens were asked for %d times", n)
	}
}

// Parts follow each other; there is one correction; what was refunded, confirmed or is not there is told apart.
func TestUploadShippingRefused(t *testing.T) {
	s := newOrderStage(t)
	upload := func(sh Shipping) error {
		s.Clock.Add(time.Second)
		return s.api.UploadShipping(t.Context(), sh)
	}
	sh := s.paid("parts")
	sh.Split = true
	if err := upload(sh); err != nil {
		t.Fatal(err)
	}
	if o := s.get(sh.TransactionID); o.State != OrderToShip || !o.Has(sh) || o.Complete || !o.Split {
		t.Errorf("%+v", o)
	}
	first := sh
	sh.Parcels, sh.Complete = []Parcel{{Company: "YTO", TrackingNo: "YT2", Items: "x"}}, true
	if o := s.get(sh.TransactionID); o.Has(sh) {
		t.Errorf("%+v", o)
	}
	if err := upload(sh); err != nil {
		t.Fatal(err)
	}
	if o := s.get(sh.TransactionID); o.State != OrderShipped || !o.Has(sh) || !o.Has(first) || len(o.Parcels) != 2 {
		t.Errorf("%+v", o)
	}
	s.refused(upload(Shipping{TransactionID: sh.TransactionID, OpenID: payer, Type: Express, Split: true, Parcels: []Parcel{{Company: "YTO", TrackingNo: "YT3", Items: "x"}}}), OrderAsk)
	sh.Parcels[0].TrackingNo = "YT4"
	if err := upload(sh); err != nil {
		t.Fatal(err)
	}
	sh.Parcels[0].TrackingNo = "YT5"
	if e := s.refused(upload(sh), OrderAsk); e.Code != 10060003 || e.Rid == "" || e.Message != "支付单已使用重新发货机会" || e.API != "upload_shipping_info" {
		t.Errorf("%#v", e)
	}

	wrong := s.paid("payer")
	wrong.OpenID = "oSomebodyElse"
	if e := s.refused(upload(wrong), OrderFinal); e.Code != 10060031 {
		t.Errorf("%#v", e)
	}
	wrong.TransactionID = "4200001234202608160000000000"
	s.refused(upload(wrong), OrderNotFound)
	if _, err := s.api.Order(t.Context(), wrong.TransactionID); err == nil {
		t.Error("an order of no payment")
	} else {
		s.refused(err, OrderNotFound)
	}
	confirmed := s.paid("confirmed")
	if err := upload(confirmed); err != nil {
		t.Fatal(err)
	}
	confirmed.Parcels[0].TrackingNo = "YT9"
	if e := s.refused(s.api.UploadShipping(t.Context(), confirmed), OrderRetry); e.Code != 268485216 { // the clock stands still
		t.Errorf("%#v", e)
	}
	s.Lever("POST", "/sandbox/wechat/orders/"+confirmed.TransactionID, `{"order_state":3,"in_complaint":true}`)
	if e := s.refused(upload(confirmed), OrderAsk); e.Code != 10060004 {
		t.Errorf("%#v", e)
	}
	if o := s.get(confirmed.TransactionID); o.State != OrderConfirmed || !o.InComplaint {
		t.Errorf("%+v", o)
	}
	n := s.calls("upload_shipping_info")
	confirmed.Parcels = nil
	s.refused(upload(confirmed), OrderFinal)
	if _, err := s.api.Order(t.Context(), ""); err == nil || s.calls("upload_shipping_info") != n {
		t.Error("WeChat was asked what it need not be asked")
	}
}

// The table of all errcodes: what becomes of a report that is answered with one, and that it is sent once.
func TestOrderKinds(t *testing.T) {
	s := newOrderStage(t)
	sh := s.paid("A1")
	for kind, codes := range map[OrderKind][]int{
		OrderRetry:    {-1, -217, 10060012, 10060019, 268485216},
		OrderNotFound: {10060001},
		OrderAsk:      {10060002, 10060003, 10060004},
		OrderFinal: {10060005, 10060006, 10060007, 10060008, 10060009, 10060011, 10060013, 10060014, 10060020, 10060024, 10060025, 10060026, 10060028, 10060029, 10060030,
			10060031, 10060032, 10060035, 268485194, 268485195, 268485196, 268485197, 268485224, 268485226, 268485227, 268485228, 268485253, 268546000, 268546001, 268546002,
			43002, 44002, 47001, 40066, 40097, 10069999, 99999},
		OrderConfiguration: {40013, 40125, 40164, 40243, 41002, 41004, 48001, 50004, 50007, 61003, 61004, 89503, 89506, 89507},
		OrderQuotaMinute:   {44990, 45011},
		OrderQuotaDay:      {45009},
	} {
		for _, code := range codes {
			n := s.calls("upload_shipping_info")
			if err := s.SetFault("upload_shipping_info", strconv.Itoa(code), 1); err != nil {
				t.Fatal(err)
			}
			e := s.refused(s.api.UploadShipping(t.Context(), sh), kind)
			if e.Code != code || e.Rid == "" || strings.Contains(e.Message, "rid") || s.calls("upload_shipping_info") != n+1 {
				t.Errorf("%d: %#v after %d calls", code, e, s.calls("upload_shipping_info")-n)
			}
			if en, zh := e.Advice(); en == "" || zh == "" || en == zh {
				t.Errorf("%d: no advice: %q, %q", code, en, zh)
			}
			if wait := e.RetryAfter(s.Clock.Now()); (wait > 0) != slices.Contains([]OrderKind{OrderRetry, OrderQuotaMinute, OrderQuotaDay}, kind) || wait > 25*time.Hour {
				t.Errorf("%d: again after %s", code, wait)
			}
		}
	}
	if o := s.get(sh.TransactionID); o.State != OrderToShip {
		t.Errorf("a refused report was done: %+v", o)
	}
	if err := s.SetFault("upload_shipping_info", "10060023", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.api.UploadShipping(t.Context(), sh); err != nil {
		t.Errorf("nothing new is an error: %v", err)
	}
	if kind := orderKindOf(10060023); kind != OrderDone {
		t.Errorf("%q", kind)
	}
	for kind := range map[OrderKind]bool{OrderRetry: true, OrderNotFound: true, OrderUnknown: true, OrderDone: true, OrderAsk: true, OrderFinal: true, OrderToken: true,
		OrderConfiguration: true, OrderQuotaMinute: true, OrderQuotaDay: true} {
		if en, zh := (&OrderError{Kind: kind}).Advice(); en == "" || zh == "" {
			t.Errorf("%q has no advice", kind)
		}
	}
	for code := range codeAdvice {
		if kind := orderKindOf(code); kindAdvice[kind] == (advice{}) {
			t.Errorf("%d", code)
		}
	}
	beijingEvening := time.Date(2026, 11, 26, 15, 59, 0, 0, time.UTC)
	if wait := (&OrderError{Kind: OrderQuotaDay}).RetryAfter(beijingEvening); wait != 11*time.Minute {
		t.Errorf("the day's quota is back after %s", wait)
	}
}

// A token that WeChat takes no more is asked for once more, in the normal mode, and the call is repeated once.
func TestOrderTokenRefused(t *testing.T) {
	for _, code := range []string{"40001", "42001", "40014"} {
		s := newOrderStage(t)
		sh := s.paid("A1")
		if err := s.SetFault("upload_shipping_info", code, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.api.UploadShipping(t.Context(), sh); err != nil {
			t.Fatal(err)
		}
		if s.calls("upload_shipping_info") != 2 || s.calls("stable_token") != 2 || !new(s.get(sh.TransactionID)).Has(sh) {
			t.Errorf("%s: %v", code, s.State(0).Calls)
		}
		s.Clock.Add(time.Minute)
		if err := s.SetFault("wxa_get_order", code, 2); err != nil {
			t.Fatal(err)
		}
		_, err := s.api.Order(t.Context(), sh.TransactionID)
		if e := s.refused(err, OrderToken); e.RetryAfter(s.Clock.Now()) != time.Minute {
			t.Errorf("%#v", e)
		}
	}

	// Somebody forces a new one.
	s := newOrderStage(t)
	sh := s.paid("A1")
	s.get(sh.TransactionID)
	s.Do(s.Request("POST", "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"`+s.WxLite().AppID+`","secret":"`+s.WxLite().Secret+`","force_refresh":true}`))
	if err := s.api.UploadShipping(t.Context(), sh); err != nil {
		t.Fatal(err)
	}

	// Without a token nothing is reported, whatever became of the token.
	for fault, kind := range map[string]OrderKind{"40164": OrderConfiguration, "40125": OrderConfiguration, "45009": OrderQuotaDay, "-1": OrderRetry, "502": OrderRetry, "drop": OrderRetry} {
		s := newOrderStage(t)
		sh := s.paid("A1")
		if err := s.SetFault("stable_token", fault, 1); err != nil {
			t.Fatal(err)
		}
		err := s.api.UploadShipping(t.Context(), sh)
		if e := s.refused(err, kind); e.API != "stable_token" || s.calls("upload_shipping_info") != 0 {
			t.Errorf("%s: %#v", fault, e)
		}
		// A report that was refused for its token is not in doubt where the next token is.
		s.Clock.Add(time.Minute)
		s.get(sh.TransactionID)
		s.Clock.Add(time.Minute)
		for on, name := range map[string]string{"stable_token": fault, "upload_shipping_info": "40001"} {
			if err := s.SetFault(on, name, 1); err != nil {
				t.Fatal(err)
			}
		}
		s.refused(s.api.UploadShipping(t.Context(), sh), kind)
	}
}

// A report whose answer is lost is neither sent again nor said to have failed; the order tells. What only asks may ask again.
func TestUploadShippingLost(t *testing.T) {
	for fault, done := range map[string]bool{"drop": true, "truncate": true, "endless": true, "200_null": false, "200_html": false, "empty": false, "502": false, "500": false} {
		t.Run(fault, func(t *testing.T) {
			s := newOrderStage(t)
			sh := s.paid("A1")
			if err := s.SetFault("upload_shipping_info", fault, 1); err != nil {
				t.Fatal(err)
			}
			if e := s.refused(s.api.UploadShipping(t.Context(), sh), OrderUnknown); e.Code != 0 || e.Message == "" || e.RetryAfter(s.Clock.Now()) != 0 {
				t.Errorf("%#v", e)
			}
			if n := s.calls("upload_shipping_info"); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
			if o := s.get(sh.TransactionID); o.Has(sh) != done {
				t.Errorf("%+v", o)
			}
			if err := s.SetFault("wxa_get_order", fault, 1); err != nil {
				t.Fatal(err)
			}
			_, err := s.api.Order(t.Context(), sh.TransactionID)
			s.refused(err, OrderRetry)
		})
	}
	s := newOrderStage(t)
	sh := s.paid("A1")
	s.get(sh.TransactionID) // there is a token
	if err := s.SetFault("upload_shipping_info", "slow", 1); err != nil {
		t.Fatal(err)
	}
	hasty := s.client(Config{Timeout: time.Second})
	if e := s.refused(hasty.UploadShipping(t.Context(), sh), OrderUnknown); !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("%#v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := s.calls("upload_shipping_info")
	if e := s.refused(s.api.UploadShipping(ctx, sh), OrderRetry); !errors.Is(e, context.Canceled) || s.calls("upload_shipping_info") != n {
		t.Errorf("what was given up before it was sent is in doubt: %#v", e)
	}
}

// What surely was not sent is not in doubt.
func TestUploadShippingNotSent(t *testing.T) {
	s := newOrderStage(t)
	sh := s.paid("A1")
	s.get(sh.TransactionID) // there is a token
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s.refused(s.client(Config{Endpoint: "http://" + l.Addr().String()}).UploadShipping(t.Context(), sh), OrderRetry)
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the report was sent") }))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	if e := s.refused(s.client(Config{Endpoint: stranger.URL, Transport: &http.Transport{}}).UploadShipping(t.Context(), sh), OrderRetry); !strings.Contains(e.Message, "certificate") {
		t.Errorf("%#v", e)
	}
	if n := s.calls("upload_shipping_info"); n != 0 {
		t.Errorf("it was sent %d times", n)
	}
}

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
	m, err := NewMiniProgram(Config{AppID: appID, Secret: secret, Endpoint: srv.URL})
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

package wechat

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
			// The same again is known, and nothing is done.
			s.Clock.Add(time.Second)
			s.refused(s.api.UploadShipping(t.Context(), sh), OrderDone)
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
	s.refused(s.api.UploadShipping(t.Context(), sh), OrderDone)
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
	if n := s.api.TokensTakenBack(); n != 1 {
		t.Errorf("%d tokens were taken back", n)
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

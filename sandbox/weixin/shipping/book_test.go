package shipping_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// A payment that went back whole can be shipped no more; that is seen a day later.
func TestRefunded(t *testing.T) {
	s := start(t)
	charge, no := s.PaidLite("A1")
	s.Lever("POST", "/sandbox/refunds", `{"charge":"`+charge+`","amount":40,"status":"succeeded"}`)
	s.upload(no, 0)
	s.Lever("POST", "/sandbox/refunds", `{"charge":"`+charge+`","status":"succeeded"}`)
	s.upload(no, 10060004, "shipping_list", []any{parcel("2", nil)})
	s.wantState(no, 2)
	if a := s.Do(s.Request("POST", "/sandbox/wechat/orders/"+no, `{"order_state":3}`)); a.Status != 409 {
		t.Errorf("a refunded order is confirmed: %d %s", a.Status, a.Body)
	}
	s.Clock.Add(24 * time.Hour)
	s.wantState(no, 5)
	_, other := s.PaidLite("A2")
	s.move(other, `{"order_state":5}`)
	s.wantState(other, 5)
	s.upload(other, 10060004)
}

// Nobody else's payments are known: those of a program that is not managed, of test mode, and of other channels.
func TestUnknownPayments(t *testing.T) {
	s := stage{sandboxtest.Start(t, sandbox.Config{}), t}
	appid := map[string]any{"appid": s.WxLite().AppID}
	_, before := s.PaidLite("A1")
	if a := s.Orders("is_trade_managed", appid); a.Field("is_trade_managed") != false {
		t.Errorf("%s", a.Body)
	}
	if a := s.Lever("POST", "/sandbox/wechat/program", `{"managed":true,"delay_ms":0}`); a.Field("managed") != true || a.Field("confirmed") != false {
		t.Errorf("%s", a.Body)
	}
	if a := s.Orders("is_trade_managed", appid); a.Field("is_trade_managed") != true {
		t.Errorf("%s", a.Body)
	}
	if a := s.Orders("is_trade_management_confirmation_completed", appid); a.Field("completed") != false {
		t.Errorf("%s", a.Body)
	}
	s.Lever("POST", "/sandbox/wechat/program", `{"confirmed":true}`)
	if a := s.Orders("is_trade_management_confirmation_completed", appid); a.Field("completed") != true {
		t.Errorf("%s", a.Body)
	}
	id := s.Create("T1").ID()
	test, _ := s.Lever("POST", "/sandbox/charges/"+id+"/pay", "").Field("transaction_no").(string)
	_, pub := s.PaidLite("A2", "channel", "wx_pub")
	_, known := s.PaidLite("A3")
	for _, no := range []string{before, test, pub} {
		s.upload(no, 10060001)
	}
	s.move(known, `{"known":false}`)
	s.upload(known, 10060001)
	s.move(known, `{"known":true}`)
	s.upload(known, 0)
	s.Lever("POST", "/sandbox/wechat/program", `{"managed":false}`)
	if a := s.order(known); a.Field("errcode") != 10060001.0 {
		t.Errorf("%s", a.Body)
	}
	s.Lever("POST", "/sandbox/wechat/program", `{"managed":true}`)
	_, unshipped := s.PaidLite("A4")
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"orders/" + before, `{"order_state":3}`, 404},
		{"orders/" + unshipped, `{"order_state":3}`, 409},
		{"orders/" + unshipped, `{"order_state":2}`, 400},
		{"orders/" + unshipped, `{"state":3}`, 400},
		{"program", `{"delay_ms":-1}`, 400},
	} {
		if a := s.Do(s.Request("POST", "/sandbox/wechat/"+c.path, c.body)); a.Status != c.status {
			t.Errorf("%s %s: %d %s", c.path, c.body, a.Status, a.Body)
		}
	}
	for want, a := range map[float64]sandboxtest.Answer{
		40013: s.Orders("is_trade_managed", map[string]any{"appid": s.WxPub().AppID}),
		40097: s.Orders("is_trade_managed", map[string]any{}),
	} {
		if a.Field("errcode") != want {
			t.Errorf("%s, want %v", a.Body, want)
		}
	}
}

func TestList(t *testing.T) {
	s := start(t)
	var nos []string
	for i := range 5 {
		_, no := s.PaidLite(fmt.Sprint("A", i))
		nos = append(nos, no)
		s.Clock.Add(time.Minute)
	}
	s.upload(nos[1], 0)
	list := func(body map[string]any) (got []string, last string, more bool) {
		t.Helper()
		a := s.Orders("get_order_list", body)
		for _, m := range regexp.MustCompile(`"transaction_id":"(\d+)"`).FindAllStringSubmatch(string(a.Body), -1) {
			got = append(got, m[1])
		}
		last, _ = a.Field("last_index").(string)
		more, _ = a.Field("has_more").(bool)
		return got, last, more
	}
	got, last, more := list(map[string]any{"page_size": 2})
	if fmt.Sprint(got) != fmt.Sprint([]string{nos[4], nos[3]}) || !more {
		t.Errorf("%v, %t", got, more)
	}
	if got, last, more = list(map[string]any{"page_size": 3, "last_index": last}); fmt.Sprint(got) != fmt.Sprint([]string{nos[2], nos[1], nos[0]}) || more {
		t.Errorf("%v, %s, %t", got, last, more)
	}
	if got, _, _ = list(map[string]any{"order_state": 2}); fmt.Sprint(got) != fmt.Sprint(nos[1:2]) {
		t.Errorf("%v", got)
	}
	begin := s.Clock.Now().Add(-5 * time.Minute).Unix()
	if got, _, _ = list(map[string]any{"pay_time_range": map[string]any{"begin_time": begin, "end_time": begin + 60}}); len(got) == 0 || len(got) > 2 {
		t.Errorf("%v", got)
	}
	if got, _, _ = list(map[string]any{"openid": "oNobody"}); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if a := s.Orders("get_order_list", map[string]any{"last_index": "zz"}); a.Field("errcode") != 10060011.0 {
		t.Errorf("%s", a.Body)
	}
}

func TestPathsAndCompanies(t *testing.T) {
	s := start(t)
	if a := s.Orders("update_order_detail_path", map[string]any{"path": "pages/order"}); a.Field("errcode") != 10060035.0 {
		t.Errorf("%s", a.Body)
	}
	const path = "pages/order/detail?no=${商品订单号}"
	if a := s.Orders("update_order_detail_path", map[string]any{"path": path}); a.Field("errcode") != 0.0 {
		t.Errorf("%s", a.Body)
	}
	if a := s.Orders("get_order_detail_path", map[string]any{}); a.Field("path") != path {
		t.Errorf("%s", a.Body)
	}
	s.Orders("set_msg_jump_path", map[string]any{"path": "pages/order/detail"})
	if a := s.Lever("POST", "/sandbox/wechat/program", ""); a.Field("msg_jump_path") != "pages/order/detail" || a.Field("order_detail_path") != path {
		t.Errorf("%s", a.Body)
	}
	a := s.Do(s.Request("POST", "/cgi-bin/express/delivery/open_msg/get_delivery_list?access_token="+s.Token(), "{}"))
	if !strings.Contains(string(a.Body), `{"delivery_id":"ZTO","delivery_name":"中通快递"}`) || a.Field("count") == nil {
		t.Errorf("%s", a.Body)
	}
}

// Quotas and lost answers come by faults: after drop the report has been entered, after an errcode it has not.
func TestFaults(t *testing.T) {
	s := start(t)
	_, no := s.PaidLite("A1")
	for _, name := range []string{"45009", "44990", "-217", "268485216", "502"} {
		if err := s.SetFault("upload_shipping_info", name, 1); err != nil {
			t.Fatal(err)
		}
		a := s.Orders("upload_shipping_info", s.report(no))
		if name != "502" && fmt.Sprint(a.Field("errcode")) == "<nil>" || name == "502" && a.Status != 502 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	s.wantState(no, 1)
	if err := s.SetFault("upload_shipping_info", "drop", 1); err != nil {
		t.Fatal(err)
	}
	r := s.Request("POST", "/wxa/sec/order/upload_shipping_info?access_token="+s.Token(), string(rawjson.Encode(s.report(no))))
	if a, err := s.Try(r); err == nil {
		t.Errorf("an answer: %s", a.Body)
	}
	s.wantState(no, 2)
}

package shipping_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

const openid = "oABCDEFGHIJKLMNOPQRSTUVWXYZ1"

// stage is a managed program whose payments are known at once.
type stage struct {
	*sandboxtest.Bench
	t *testing.T
}

func start(t *testing.T) stage {
	s := stage{sandboxtest.Start(t, sandbox.Config{Managed: true}), t}
	s.Lever("POST", "/sandbox/wechat/program", `{"delay_ms":0}`)
	return s
}

// report is the body of an upload; changes set members by a dotted path, nil removes one.
func (s stage) report(transactionNo string, changes ...any) map[string]any {
	body := map[string]any{
		"order_key":      map[string]any{"order_number_type": 2, "transaction_id": transactionNo},
		"logistics_type": 1, "delivery_mode": 1,
		"shipping_list": []any{parcel("YT1", nil)},
		"upload_time":   s.Clock.Now().In(time.FixedZone("", 8*3600)).Format("2006-01-02T15:04:05.000-07:00"),
		"payer":         map[string]any{"openid": openid},
	}
	for i := 0; i < len(changes); i += 2 {
		at, name := body, changes[i].(string)
		if outer, inner, ok := strings.Cut(name, "."); ok {
			at, name = at[outer].(map[string]any), inner
		}
		if at[name] = changes[i+1]; changes[i+1] == nil {
			delete(at, name)
		}
	}
	return body
}

func parcel(no string, with map[string]any) map[string]any {
	p := map[string]any{"tracking_no": no, "express_company": "YTO", "item_desc": "绿茶*1"}
	maps.Copy(p, with)
	return p
}

// upload reports and wants an errcode.
func (s stage) upload(transactionNo string, want int, changes ...any) {
	s.t.Helper()
	s.Clock.Add(time.Second)
	a := s.Orders("upload_shipping_info", s.report(transactionNo, changes...))
	if a.Field("errcode") != float64(want) {
		s.t.Errorf("%v: %s, want %d", changes, a.Body, want)
	}
}

func (s stage) order(transactionNo string) sandboxtest.Answer {
	s.t.Helper()
	return s.Orders("get_order", map[string]any{"transaction_id": transactionNo})
}

func (s stage) wantState(transactionNo string, want int) {
	s.t.Helper()
	if a := s.order(transactionNo); a.Field("order.order_state") != float64(want) {
		s.t.Errorf("%s, want state %d", a.Body, want)
	}
}

func (s stage) move(transactionNo, change string) {
	s.t.Helper()
	s.Lever("POST", "/sandbox/wechat/orders/"+transactionNo, change)
}

// A payment is known a while after it was made, is shipped, confirmed and done.
func TestLife(t *testing.T) {
	s := stage{sandboxtest.Start(t, sandbox.Config{Managed: true, TimeScale: 10}), t}
	_, no := s.PaidLite("A1")
	if a := s.order(no); a.Field("errcode") != 10060001.0 {
		t.Errorf("at once: %s", a.Body)
	}
	s.Clock.Add(time.Second)
	a := s.order(no)
	if want := `"order":{"transaction_id":"` + no + `",`; !strings.Contains(string(a.Body), want) || !strings.Contains(string(a.Body), `"shipping":{}`) {
		t.Errorf("%s", a.Body)
	}
	for path, want := range map[string]any{
		"merchant_trade_no": "A1", "paid_amount": 100.0, "openid": openid, "order_state": 1.0, "in_complaint": false, "sub_merchant_id": "",
		"pay_time": 1786867675.0, "trade_create_time": 1786867675.0, "description": "Tea & <cake>",
	} {
		if got := a.Field("order." + path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	merchant := a.Field("order.merchant_id")
	if a := s.Orders("get_order", map[string]any{"merchant_id": merchant, "merchant_trade_no": "A1"}); a.Field("order.transaction_id") != no {
		t.Errorf("by the merchant's number: %s", a.Body)
	}
	if a := s.Orders("get_order", map[string]any{}); a.Field("errcode") != 10060014.0 {
		t.Errorf("of nothing: %s", a.Body)
	}

	s.upload(no, 0)
	a = s.order(no)
	at := fmt.Sprint(s.Clock.Now().Unix())
	if want := `"shipping":{"delivery_mode":1,"logistics_type":1,"finish_shipping":true,"goods_desc":"","finish_shipping_count":1,"shipping_list":[{"tracking_no":"YT1",` +
		`"express_company":"YTO","goods_desc":"绿茶*1","upload_time":` + at + `}]}`; !strings.Contains(string(a.Body), want) {
		t.Errorf("%s, want %s", a.Body, want)
	}
	s.wantState(no, 2)
	s.Clock.Add(24*time.Hour - time.Second)
	s.wantState(no, 2)
	s.move(no, `{"in_complaint":true}`)
	s.Clock.Add(time.Second)
	s.wantState(no, 2) // a complaint holds it up
	s.move(no, `{"in_complaint":false}`)
	s.wantState(no, 3)
	s.upload(no, 10060004)
	s.Clock.Add(time.Minute)
	s.wantState(no, 4)

	_, virtual := s.PaidLite("A2")
	s.Clock.Add(time.Second)
	s.upload(virtual, 0, "logistics_type", 3, "shipping_list", []any{map[string]any{"item_desc": "会员"}})
	s.Clock.Add(24 * time.Hour / 5)
	s.wantState(virtual, 3)
	s.move(virtual, `{"order_state":6}`)
	s.wantState(virtual, 6)
	s.Clock.Add(time.Minute)
	s.wantState(virtual, 4)
}

// Each refusal has its number, and is not kinder than WeChat's.
func TestRefusals(t *testing.T) {
	s := start(t)
	_, no := s.PaidLite("A1")
	list := func(with map[string]any) []any { return []any{parcel("YT1", with)} }
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		want    int
		changes []any
	}{
		{47001, []any{"shipping_list", map[string]any{}}},
		{47001, []any{"logistics_type", "1"}},
		{268485194, []any{"order_key", nil}},
		{268485194, []any{"order_key.order_number_type", 3}},
		{268485195, []any{"order_key.transaction_id", ""}},
		{268485196, []any{"order_key", map[string]any{"order_number_type": 1, "out_trade_no": "A1"}}},
		{268485197, []any{"order_key", map[string]any{"order_number_type": 1, "mchid": "1"}}},
		{10060001, []any{"order_key", map[string]any{"order_number_type": 1, "mchid": "1", "out_trade_no": "A1"}}},
		{10060001, []any{"order_key.transaction_id", "4200001234202608160000000000"}},
		{10060005, []any{"logistics_type", nil}},
		{10060005, []any{"logistics_type", 5}},
		{268485224, []any{"delivery_mode", nil}},
		{268485224, []any{"delivery_mode", nil, "shipping_list", []any{}}},
		{268485228, []any{"shipping_list", []any{}}},
		{268485228, []any{"shipping_list", []any{parcel("1", nil), parcel("2", nil)}}},
		{10060006, []any{"delivery_mode", 2, "logistics_type", 3, "is_all_delivered", true}},
		{10060007, []any{"delivery_mode", 2}},
		{10060024, []any{"delivery_mode", 2, "is_all_delivered", true, "shipping_list", []any{}}},
		{10060024, []any{"delivery_mode", 2, "is_all_delivered", true, "shipping_list", make([]map[string]any, 16)}},
		{268485226, []any{"shipping_list", list(map[string]any{"tracking_no": ""})}},
		{268485227, []any{"shipping_list", list(map[string]any{"express_company": ""})}},
		{10060026, []any{"shipping_list", list(map[string]any{"tracking_no": long})}},
		{10060025, []any{"shipping_list", list(map[string]any{"express_company": long})}},
		{10060008, []any{"shipping_list", list(map[string]any{"item_desc": " "})}},
		{10060009, []any{"shipping_list", list(map[string]any{"item_desc": strings.Repeat("茶", 121)})}},
		{47001, []any{"shipping_list", list(map[string]any{"express_company": "圆通"})}},
		{47001, []any{"shipping_list", list(map[string]any{"express_company": "SF"})}},
		{47001, []any{"shipping_list", list(map[string]any{"express_company": "SF", "contact": map[string]any{"receiver_contact": "18912341234"}})}},
		{268485216, []any{"upload_time", "2026-08-16 16:10:00"}},
		{268485216, []any{"upload_time", "2026-08-16T16:10:00.000 08:00"}},
		{268485216, []any{"upload_time", "2026-08-16T16:07:54.999+08:00"}}, // before the payment
		{10060031, []any{"payer", nil}},
		{10060031, []any{"payer.openid", "oSomebodyElse"}},
	} {
		s.upload(no, c.want, c.changes...)
	}
	s.wantState(no, 1)
	for at, changes := range [][]any{
		{"upload_time", "2026-08-16T16:10:00+08:00"},
		{"upload_time", "2026-08-16T08:11:00Z", "shipping_list", list(map[string]any{"express_company": "SF", "contact": map[string]any{"receiver_contact": "189****1234"}})},
	} {
		_, no := s.PaidLite(fmt.Sprint("B", at))
		s.upload(no, 0, changes...)
	}
	a := s.Orders("upload_shipping_info", s.report(no, "payer.openid", "oX"))
	if text, _ := a.Field("errmsg").(string); !regexp.MustCompile(`^该笔支付单不属于 openid 所指定的用户 rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`).MatchString(text) {
		t.Errorf("%s", a.Body)
	}
	for want, a := range map[float64]sandboxtest.Answer{
		43002: s.WeChat("/wxa/sec/order/get_order", "access_token", s.Token()),
		41001: s.Do(s.Request("POST", "/wxa/sec/order/get_order", "{}")),
		40001: s.Do(s.Request("POST", "/wxa/sec/order/get_order?access_token=x", "{}")),
		44002: s.Do(s.Request("POST", "/wxa/sec/order/get_order?access_token="+s.Token(), "")),
		47001: s.Do(s.Request("POST", "/wxa/sec/order/get_order?access_token="+s.Token(), "transaction_id=1")),
		40066: s.Do(s.Request("POST", "/wxa/sec/order/get?access_token="+s.Token(), "{}")),
	} {
		if a.Field("errcode") != want || a.Status != 200 {
			t.Errorf("%s, want %v", a.Body, want)
		}
	}
}

// There is one complete report and one correction of it. The same again spends nothing.
func TestOneCorrection(t *testing.T) {
	s := start(t)
	_, no := s.PaidLite("A1")
	other := []any{"shipping_list", []any{parcel("YT2", nil)}}
	s.upload(no, 0)
	s.upload(no, 10060023)
	s.upload(no, 268485216, append(other, "upload_time", "2026-08-16T16:07:56+08:00")...)
	s.upload(no, 0, other...)
	s.upload(no, 10060023, other...)
	s.upload(no, 10060003)
	if a := s.order(no); a.Field("order.shipping.finish_shipping_count") != 2.0 || !strings.Contains(string(a.Body), `"shipping_list":[{"tracking_no":"YT2"`) {
		t.Errorf("%s", a.Body)
	}
	if o := s.State(1).WeChat; len(o) != 1 || !strings.Contains(fmt.Sprintf("%+v", o[0]), "Uploads:2") {
		t.Errorf("%+v", o)
	}
}

// The parts of a split delivery come one after the other, and are merged by their numbers.
func TestSplit(t *testing.T) {
	s := start(t)
	part := func(all bool, parcels ...any) []any {
		return []any{"delivery_mode", 2, "is_all_delivered", all, "shipping_list", parcels}
	}
	_, no := s.PaidLite("A1")
	s.upload(no, 0, part(false, parcel("1", nil), parcel("2", nil))...)
	s.wantState(no, 1)
	s.upload(no, 10060023, part(false, parcel("1", nil))...)
	s.upload(no, 0, part(false, parcel("2", map[string]any{"item_desc": "红茶"}))...)
	s.upload(no, 0, part(true, parcel("3", nil))...)
	s.wantState(no, 2)
	a := s.order(no)
	if got := regexp.MustCompile(`"tracking_no":"(\d)"`).FindAllString(string(a.Body), -1); len(got) != 3 || a.Field("order.shipping.finish_shipping_count") != 1.0 ||
		a.Field("order.description") != "绿茶*1;红茶;绿茶*1" {
		t.Errorf("%s", a.Body)
	}
	s.upload(no, 10060002, part(false, parcel("4", nil))...)
	s.upload(no, 0, part(true, parcel("4", nil))...)
	s.upload(no, 10060003, part(true, parcel("5", nil))...)

	// Another mode after some parts is the correction.
	_, no = s.PaidLite("A2")
	s.upload(no, 0, part(false, parcel("1", nil))...)
	s.upload(no, 0)
	s.upload(no, 10060003, part(true, parcel("1", nil))...)
}

package pingpp

import (
	"encoding/json"
	"testing"
)

func TestFingerprint(t *testing.T) {
	params := func(change func(p *ChargeParams)) string {
		p := &ChargeParams{OrderNo: "1001", Channel: "wx_lite", Amount: 1999, Currency: "cny", ClientIP: "192.0.2.7", Subject: "tea & <cake>", Body: "绿茶",
			Extra: map[string]any{"open_id": "o1", "goods_list": json.RawMessage(`[{"a":1, "b":[2,3]}]`)}, Metadata: map[string]any{"pay_order_no": "1001"}}
		change(p)
		return p.Fingerprint()
	}
	plain := params(func(*ChargeParams) {})
	if len(plain) != 22 {
		t.Fatalf("fingerprint %q", plain)
	}
	for name, change := range map[string]func(p *ChargeParams){
		"number": func(p *ChargeParams) { p.OrderNo = "1001abc" }, "expiry": func(p *ChargeParams) { p.TimeExpire = 5 }, "address": func(p *ChargeParams) { p.ClientIP = "192.0.2.8" },
		"spaces and order": func(p *ChargeParams) { p.Extra["goods_list"] = json.RawMessage(`[ {"b":[2,3],"a":1} ]`) },
	} {
		if params(change) != plain {
			t.Errorf("%s makes another purchase", name)
		}
	}
	for name, change := range map[string]func(p *ChargeParams){
		"channel": func(p *ChargeParams) { p.Channel = "wx_pub" }, "amount": func(p *ChargeParams) { p.Amount++ }, "currency": func(p *ChargeParams) { p.Currency = "usd" },
		"subject": func(p *ChargeParams) { p.Subject = "tea" }, "body": func(p *ChargeParams) { p.Body = "tea" },
		"openid": func(p *ChargeParams) { p.Extra["open_id"] = "o2" }, "a member more": func(p *ChargeParams) { p.Extra["limit_pay"] = "no_credit" },
		"a member less": func(p *ChargeParams) { delete(p.Extra, "goods_list") }, "inside extra": func(p *ChargeParams) { p.Extra["goods_list"] = json.RawMessage(`[{"a":2}]`) },
		"type in extra": func(p *ChargeParams) { p.Extra["goods_list"] = json.RawMessage(`[{"a":"1","b":[2,3]}]`) },
		"metadata":      func(p *ChargeParams) { p.Metadata["x"] = "y" },
	} {
		if params(change) == plain {
			t.Errorf("%s does not count", name)
		}
	}

	charge := func(extra, metadata string) string {
		ch, err := ParseCharge([]byte(`{"id":"ch_1","object":"charge","created":1,"livemode":false,"paid":false,"refunded":false,"app":"app_1","channel":"wx_lite",
			"order_no":"1001x","client_ip":"192.0.2.9","amount":1999,"currency":"CNY","subject":"tea & <cake>","body":"绿茶","extra":` + extra + `,"metadata":` + metadata + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return ch.Fingerprint()
	}
	if got := charge(`{"goods_list":[{"a":1,"b":[2,3]}],"open_id":"o1"}`, `{"pay_order_no":"1001"}`); got != plain {
		t.Error("what Ping++ gives back is another purchase")
	}
	if got := charge(`{"goods_list":[{"a":1,"b":[2,3]}],"open_id":"o1","bank_type":"X"}`, `{"pay_order_no":"1001"}`); got == plain {
		t.Error("a member that the channel added does not count")
	}
	empty := (&ChargeParams{Channel: "wx_lite", Amount: 1999, Currency: "cny", Subject: "tea & <cake>", Body: "绿茶"}).Fingerprint()
	for _, nothing := range []string{"{}", "[]", "null"} {
		if charge(nothing, nothing) != empty {
			t.Errorf("%s is not an empty extra", nothing)
		}
	}
}

package trade_test

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// WeChat does not take a reversal right after the charge was created; the others do.
func TestReverseTooEarly(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	reverse := func(id string) sandboxtest.Answer { return b.API("POST", "/v1/charges/"+id+"/reverse", "{}") }
	wechat := b.Create("R1000001").ID()
	alipay := b.Create("R1000002", "channel", "alipay_qr", "extra", sandboxtest.ExtraOf("alipay_qr")).ID()
	if a := reverse(alipay); a.Status != 200 {
		t.Errorf("Alipay's: %d %s", a.Status, a.Body)
	}
	b.Clock.Add(time.Minute - time.Second)
	if a := reverse(wechat); a.Status != 402 || a.Field("error.type") != "channel_error" {
		t.Errorf("after %s: %d %s", time.Minute-time.Second, a.Status, a.Body)
	}
	b.Clock.Add(time.Second)
	if a := reverse(wechat); a.Status != 200 || a.Field("reversed") != true {
		t.Errorf("after %s: %d %s", time.Minute, a.Status, a.Body)
	}
}

// What a till has scanned can be reversed after it was paid, while the channel allows: the money goes back, and nothing is left to refund.
func TestReversePaid(t *testing.T) {
	for channel, until := range map[string]time.Duration{"wx_pub_scan": 7 * 24 * time.Hour, "cb_wx_pub_scan": 7 * 24 * time.Hour, "alipay_scan": 24 * time.Hour, "wx_lite": 0, "alipay_qr": 0} {
		for _, late := range []bool{false, true} {
			b := sandboxtest.Start(t, sandbox.Config{})
			id := b.Create("R1000001", "channel", channel, "extra", sandboxtest.ExtraOf(channel)).ID()
			b.Clock.Add(time.Minute)
			if err := b.Pay(id); err != nil {
				t.Fatal(err)
			}
			if late {
				b.Clock.Add(until)
			}
			a := b.API("POST", "/v1/charges/"+id+"/reverse", "{}")
			if until == 0 || late {
				if a.Status != 400 || a.Field("error.code") != "charge_unexpected_status" {
					t.Errorf("%s, late %t: %d %s", channel, late, a.Status, a.Body)
				}
				continue
			}
			if a.Status != 200 || a.Field("paid") != true || a.Field("reversed") != true {
				t.Errorf("%s: %d %s", channel, a.Status, a.Body)
			}
			if a := b.API("POST", "/v1/charges/"+id+"/refunds", `{"description":"twice"}`); a.Status != 400 {
				t.Errorf("%s: refunded after it was reversed: %d %s", channel, a.Status, a.Body)
			}
		}
	}
}

package sandbox

import (
	"testing"
	"time"
)

// WeChat does not take a reversal right after the charge was created; the others do.
func TestReverseTooEarly(t *testing.T) {
	b := start(t, Config{})
	reverse := func(id string) answer { return b.api("POST", "/v1/charges/"+id+"/reverse", "{}") }
	wechat := b.create("R1000001").id()
	alipay := b.create("R1000002", "channel", "alipay_qr", "extra", extraOf("alipay_qr")).id()
	if a := reverse(alipay); a.status != 200 {
		t.Errorf("Alipay's: %d %s", a.status, a.body)
	}
	b.clock.Add(reverseWait - time.Second)
	if a := reverse(wechat); a.status != 402 || a.field("error.type") != "channel_error" {
		t.Errorf("after %s: %d %s", reverseWait-time.Second, a.status, a.body)
	}
	b.clock.Add(time.Second)
	if a := reverse(wechat); a.status != 200 || a.field("reversed") != true {
		t.Errorf("after %s: %d %s", reverseWait, a.status, a.body)
	}
}

// What a till has scanned can be reversed after it was paid, while the channel allows: the money goes back, and nothing is left to refund.
func TestReversePaid(t *testing.T) {
	for channel, until := range map[string]time.Duration{"wx_pub_scan": 7 * day, "cb_wx_pub_scan": 7 * day, "alipay_scan": day, "wx_lite": 0, "alipay_qr": 0} {
		for _, late := range []bool{false, true} {
			b := start(t, Config{})
			id := b.create("R1000001", "channel", channel, "extra", extraOf(channel)).id()
			b.clock.Add(reverseWait)
			if err := b.Pay(id); err != nil {
				t.Fatal(err)
			}
			if late {
				b.clock.Add(until)
			}
			a := b.api("POST", "/v1/charges/"+id+"/reverse", "{}")
			if until == 0 || late {
				if a.status != 400 || a.field("error.code") != "charge_unexpected_status" {
					t.Errorf("%s, late %t: %d %s", channel, late, a.status, a.body)
				}
				continue
			}
			if a.status != 200 || a.field("paid") != true || a.field("reversed") != true {
				t.Errorf("%s: %d %s", channel, a.status, a.body)
			}
			if a := b.api("POST", "/v1/charges/"+id+"/refunds", `{"description":"twice"}`); a.status != 400 {
				t.Errorf("%s: refunded after it was reversed: %d %s", channel, a.status, a.body)
			}
		}
	}
	paid := time.Date(2026, 11, 23, 22, 30, 0, 0, beijing)
	for channel, left := range map[string]time.Duration{"upacp_scan": 30 * time.Minute, "isv_scan": 90 * time.Minute} {
		if !reversiblePaid(channel, paid, paid.Add(left-1)) || reversiblePaid(channel, paid, paid.Add(left)) {
			t.Errorf("%s can be reversed for another time than %s", channel, left)
		}
	}
}

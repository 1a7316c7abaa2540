package pingpp

import (
	"testing"
	"time"
)

func TestReversal(t *testing.T) {
	paid := time.Date(2026, 11, 23, 22, 30, 0, 0, china)
	for _, c := range []struct {
		channel string
		after   time.Duration
		want    bool
	}{
		{"wx_lite", 0, false}, {"alipay_qr", 0, false},
		{"wx_pub_scan", 7*24*time.Hour - 1, true}, {"wx_pub_scan", 7 * 24 * time.Hour, false},
		{"alipay_scan", 24*time.Hour - 1, true}, {"alipay_scan", 24 * time.Hour, false},
		{"upacp_scan", 29 * time.Minute, true}, {"upacp_scan", 30 * time.Minute, false},
		{"isv_scan", 89 * time.Minute, true}, {"isv_scan", 90 * time.Minute, false},
	} {
		if got := ReversiblePaid(c.channel, paid, paid.Add(c.after)); got != c.want {
			t.Errorf("%s, %s after it was paid: %t", c.channel, c.after, got)
		}
	}
	for channel, want := range map[string]struct {
		can   bool
		after time.Duration
	}{
		"wx_lite": {true, time.Minute}, "wx_pub_scan": {true, time.Minute}, "cb_wx_pub_scan": {true, time.Minute}, "isv_scan": {true, time.Minute},
		"alipay_scan": {true, 0}, "upacp_wap": {true, 0}, "alipay_lite": {true, 0}, "isv_lite": {true, time.Minute}, "wx_lite_pab": {false, time.Minute}, "chinaums_upacp_wap": {false, 0}, "alipay_wap": {false, 0}, "balance": {false, 0}, "": {false, 0},
	} {
		if Reversible(channel) != want.can || ReverseAfter(channel) != want.after {
			t.Errorf("%s: %t, after %s", channel, Reversible(channel), ReverseAfter(channel))
		}
	}
}

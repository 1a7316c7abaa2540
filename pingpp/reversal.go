package pingpp

import (
	"slices"
	"strings"
	"time"
)

// reversible are the channels whose unpaid charges can be reversed (Ping++'s channel rules).
var reversible = []string{
	"alipay", "alipay_lite", "alipay_qr", "alipay_scan", "cb_alipay_scan", "cb_wx_pub_scan", "isv_lite", "isv_qr", "isv_scan", "isv_wap",
	"upacp", "upacp_pc", "upacp_scan", "upacp_wap", "wx", "wx_lite", "wx_pub", "wx_pub_qr", "wx_pub_scan", "wx_wap",
}

// ReverseWait is how long WeChat wants a charge left alone before it is reversed.
const ReverseWait = time.Minute

// china is where the channels' days begin and end.
var china = time.FixedZone("UTC+8", 8*60*60)

// Reversible says whether the channel can reverse charges that are not paid. Those of the others lapse by themselves.
func Reversible(channel string) bool { return slices.Contains(reversible, channel) }

// ReverseAfter is how old a charge of the channel has to be before it is reversed. A charge through an aggregator may be WeChat's too.
func ReverseAfter(channel string) time.Duration {
	if strings.Contains(channel, "wx") || strings.HasPrefix(channel, "isv_") {
		return ReverseWait
	}
	return 0
}

// ReversiblePaid says whether a charge that was paid can still be reversed, which gives the money back: those that a till scans, for a while.
func ReversiblePaid(channel string, paid, now time.Time) bool {
	day := func(t time.Time) string { return t.In(china).Format(time.DateOnly) }
	switch channel {
	case "wx_pub_scan", "cb_wx_pub_scan":
		return now.Sub(paid) < 7*24*time.Hour
	case "alipay_scan", "cb_alipay_scan":
		return now.Sub(paid) < 24*time.Hour
	case "upacp_scan": // its day begins at 23:00
		return day(paid.Add(time.Hour)) == day(now.Add(time.Hour))
	case "isv_lite", "isv_qr", "isv_scan", "isv_wap":
		return day(paid) == day(now)
	}
	return false
}

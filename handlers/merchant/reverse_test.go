package merchant

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/nightly"
)

func TestMayReverse(t *testing.T) {
	now := time.Date(2026, 11, 23, 22, 30, 0, 0, nightly.China)
	api := &API{Now: func() time.Time { return now }}
	for _, c := range []struct {
		channel     string
		paid, young bool
		want        string
	}{
		{"wx_lite", false, false, ""}, {"yeepay_wap", false, false, "channel_unsupported"}, {"alipay", false, false, ""},
		{"wx_lite", false, true, "charge_in_progress"}, {"wx_pub_scan", true, true, "charge_in_progress"}, {"alipay_scan", false, true, ""},
		{"wx_lite", true, false, "order_already_paid"}, {"wx_pub_scan", true, false, ""}, {"alipay_scan", true, true, ""},
	} {
		ch := &pingpp.Charge{Channel: c.channel, Created: now.Add(-time.Hour).Unix(), Paid: c.paid, TimePaid: now.Unix()}
		if c.young {
			ch.Created = now.Unix()
		}
		got := ""
		if err := api.mayReverse(ch); err != nil {
			got = problem.As(err).Code
		}
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

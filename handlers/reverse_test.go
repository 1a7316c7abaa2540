package handlers

import (
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay"
)

func (w *world) reversing(id string) answer {
	w.t.Helper()
	return w.merchant("POST", "/pay/charges/"+id+"/reverse", "")
}

func TestReverse(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	a := w.reversing(id)
	if wantProblem(t, a, 409, "charge_in_progress"); a.header.Get("Retry-After") != "60" || !strings.Contains(a.text("detail"), "WeChat") {
		t.Errorf("%s %s", a.header.Get("Retry-After"), a.body)
	}
	w.clock.Add(relay.ReverseAfter)
	for range 2 {
		if a := w.reversing(id); a.status != 200 || a.text("status") != "reversed" || a.text("order_no") != "1001" || a.text("id") != id {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := w.calls("reverse_charge"); n != 1 {
		t.Errorf("reversed %d times", n)
	}
	if got := w.charge(w.session(payer), id, ""); got.text("status") != "reversed" {
		t.Errorf("%s", got.body)
	}
	wantProblem(t, w.reversing("ch_x"), 404, "charge_not_found")
	wantProblem(t, w.reversing(w.paidOrder("1002")), 409, "order_already_paid")
}

// The answer is lost: the charge is read again.
func TestReverseWhoseOutcomeIsUnknown(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	w.clock.Add(relay.ReverseAfter)
	w.fault("reverse_charge", "502", 1)
	wantProblem(t, w.reversing(id), 503, "provider_unavailable")
	w.fault("reverse_charge", "drop", 1)
	if a := w.reversing(id); a.status != 200 || a.text("status") != "reversed" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestReversiblePaid(t *testing.T) {
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
		got := reversiblePaid(&pingpp.Charge{Channel: c.channel, Paid: true, TimePaid: paid.Unix()}, paid.Add(c.after))
		if got != c.want {
			t.Errorf("%s after %s: %t", c.channel, c.after, got)
		}
	}
	s := &Site{Now: func() time.Time { return paid }}
	for channel, want := range map[string]string{"wx_lite": "", "yeepay_wap": "channel_unsupported", "alipay": ""} {
		err := s.mayReverse(&pingpp.Charge{Channel: channel, Created: paid.Add(-time.Hour).Unix()})
		if got := ""; err != nil {
			got = asProblem(err).Code
			if got != want {
				t.Errorf("%s: %s", channel, got)
			}
		} else if want != "" {
			t.Errorf("%s can be reversed", channel)
		}
	}
}

package relay

import (
	"net/url"
	"testing"
)

// Whose the amount was stands in the metadata of the charge that an event is about, and nowhere else.
func TestAmountByRules(t *testing.T) {
	const event = `{"id":"evt_1","object":"event","type":"charge.succeeded","livemode":false,"created":1790000000,"data":{"object":`
	const charge = event + `{"id":"ch_1","object":"charge","app":"app_1","channel":"wx_lite","order_no":"o1","amount":100,"currency":"cny","livemode":false,"paid":true,` +
		`"refunded":false,"created":1790000000,"time_paid":1790000000,"time_expire":1790007200,"metadata":`
	for body, want := range map[string]string{
		charge + `{"pay_amount_by":"client"}}}}`: "client", charge + `{"pay_amount_by":"shop"}}}}`: "", charge + `{"note":"pay_amount_by"}}}}`: "", charge + `{}}}}`: "",
		event + `{"id":"sum_1","object":"app_daily_summary","metadata":{"pay_amount_by":"client"}}}}`: "",
		`{"pay_amount_by":"client"`: "", "": "",
	} {
		if got := amountBy([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
		c := config(t, nil, nil)
		ev := newEvent("evt_1", newClock().Now())
		ev.Body = []byte(body)
		req, err := c.courier(&url.URL{Path: c.Path}).request(t.Context(), ev, 1, newClock().Now())
		if err != nil || req.Header.Get("X-Pay-Amount-By") != want || req.Header["X-Pay-Replay"] != nil {
			t.Errorf("%s: %v, %v", body, req, err)
		}
	}
	if got := headerValue("a\x1fb"); got != "a%1Fb" {
		t.Errorf("%q", got)
	}
}

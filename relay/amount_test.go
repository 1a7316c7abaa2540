package relay

import (
	"fmt"
	"testing"
	"time"
)

// The backend is told when the client named the amount, by what Ping++ has signed, and by nothing else in the event.
func TestAmountBy(t *testing.T) {
	l, b := newLedger(t), newBackend(t, answerOK)
	start(t, config(t, l, b))
	const event = `{"id":"evt_%s","object":"event","type":"charge.succeeded","livemode":false,"created":1790000000,"data":{"object":{"id":"ch_1","object":"charge","app":"app_1","channel":"wx_lite",
		"order_no":"o1","amount":100,"currency":"cny","livemode":false,"paid":true,"refunded":false,"created":1790000000,"time_paid":1790000000,"time_expire":1790007200,"metadata":%s}}}`
	for i, c := range []struct{ metadata, want string }{
		{`{"pay_order_no":"o1","pay_amount_by":"client"}`, "client"},
		{`{"pay_order_no":"o1"}`, ""},
		{`{"pay_amount_by":"shop"}`, ""},
		{`{"pay_reference":"\",\"pay_amount_by\":\"client"}`, ""},
		{`{"note":"pay_amount_by client"}`, ""},
		{`[]`, ""},
	} {
		id := fmt.Sprint("evt_", i)
		e := newEvent(id, time.Now())
		e.Body = fmt.Appendf(nil, event, fmt.Sprint(i), c.metadata)
		record(t, l, e)
		waitAttempts(t, l, id, 1)
		all := b.Requests()
		if got, ok := all[len(all)-1].Header["X-Pay-Amount-By"]; ok != (c.want != "") || ok && got[0] != c.want {
			t.Errorf("%s: X-Pay-Amount-By %q, want %q", c.metadata, got, c.want)
		}
	}
	e := newEvent("evt_broken", time.Now())
	e.Body = []byte(`{"pay_amount_by":"client"`)
	record(t, l, e)
	waitAttempts(t, l, "evt_broken", 1)
	all := b.Requests()
	if got := all[len(all)-1].Header.Get("X-Pay-Amount-By"); got != "" {
		t.Errorf("a broken event says %q", got)
	}
}

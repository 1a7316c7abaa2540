package command

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
)

func TestSentLine(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 3, 4, 0, time.Local)
	for want, s := range map[string]sandbox.Sent{
		`12:03:04  refund.succeeded, live (evt_1) → http://127.0.0.1/: 200 in 7 ms, "ok", with the fault bad_signature`: {
			Type: "refund.succeeded", Livemode: true, Attempt: sandbox.Attempt{Status: 200, Millis: 7, Snippet: "ok", Fault: "bad_signature"}, Delivery: "delivered", Try: 1},
		`12:03:04  charge.succeeded of ch_1 (evt_1) → http://127.0.0.1/: no answer after 1 ms, connection refused; given up after 8 tries`: {
			Type: "charge.succeeded", Charge: "ch_1", Attempt: sandbox.Attempt{Millis: 1, Error: "connection refused"}, Delivery: "failed", Try: 8},
	} {
		s.At, s.Event, s.URL = at, "evt_1", "http://127.0.0.1/"
		if got := sentLine(s); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

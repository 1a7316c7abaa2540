package shipping

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A report that failed is told of at once and once, with why, whichever of two processes sees it and however often they are started; when it is made again
// and fails again, again. So is what the backend's answer said and what was no report at all.
func TestFailed(t *testing.T) {
	s := newStage(t)
	var told []string
	reporter := func() *Reporter {
		cfg := s.config(s.l)
		cfg.Failed = func(sh *ledger.Shipment) {
			told = append(told, fmt.Sprint(sh.OrderNo, " ", sh.Problem.Code, " ", sh.Problem.In("zh") != ""))
		}
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	look := func(what string, want ...string) {
		t.Helper()
		told = nil
		for _, r := range []*Reporter{reporter(), reporter()} {
			for range 2 {
				r.tellFailed(t.Context())
			}
		}
		s.want(what, fmt.Sprint(told), fmt.Sprint(want))
	}
	look("nothing is paid")
	id := s.paid("1", true)
	look("nothing is reported")
	s.Lever("POST", "/sandbox/faults", `{"on":"upload_shipping_info","fault":"10060009","times":1}`)
	s.report("1", tea)
	s.turn(s.reporter(s.l))
	s.want("state", s.shipment(id).State, ledger.ShipmentFailed)
	look("it failed", "1 10060009 true")
	s.Clock.Add(25 * time.Hour)
	s.turn(s.reporter(s.l))
	look("a day later")
	s.Lever("POST", "/sandbox/faults", `{"on":"upload_shipping_info","fault":"10060008","times":1}`)
	s.report("1", tea)
	s.turn(s.reporter(s.l))
	look("again", "1 10060008 true")

	s.paid("2", true)
	if _, err := s.l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "me", Now: s.Clock.Now(), Until: s.Clock.Now().Add(time.Minute), Limit: 9}); err != nil {
		t.Fatal(err)
	}
	_, problem := (&Receipts{}).Of(&ledger.Event{}, []byte(`{"pay_shipping":{"type":"boat"}}`))
	if err := s.l.Settle(t.Context(), "me", ledger.Delivery{Scope: scope, EventID: "evt_2", Attempt: 1, At: s.Clock.Now(), Status: 200, State: ledger.Delivered, ShippingProblem: problem}); err != nil {
		t.Fatal(err)
	}
	look("the backend said nonsense", "2 invalid true")
	s.report("2", tea)
	look("and what is right")
	s.turn(s.reporter(s.l))
	look("which WeChat has")

	told = nil
	r := reporter()
	s.Lever("POST", "/sandbox/faults", `{"on":"upload_shipping_info","fault":"10060026","times":1}`)
	other := tea
	other.Items = "Coffee"
	s.report("2", other)
	s.turn(r)
	s.turn(r)
	s.want("a correction", fmt.Sprint(told), fmt.Sprint([]string{"2 10060026 true"}))
}

package shipping

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/wechat"
)

// part is a report of parcels by express.
func part(complete bool, numbers ...string) ledger.Shipping {
	n := ledger.Shipping{Type: ledger.ShipExpress, Items: "茶", Complete: complete}
	for _, no := range numbers {
		n.Parcels = append(n.Parcels, ledger.Parcel{Company: "YTO", TrackingNo: no})
	}
	return n
}

// atWeChat is what WeChat has of a payment.
func (s *stage) atWeChat(chargeID string) wechat.Order {
	s.t.Helper()
	o, err := s.program().Order(s.t.Context(), s.shipment(chargeID).TransactionNo)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *stage) parcels(chargeID string) (numbers []string) {
	s.t.Helper()
	for _, p := range s.atWeChat(chargeID).Parcels {
		numbers = append(numbers, p.TrackingNo)
	}
	return numbers
}

// Parts that are sent before WeChat knows the payment all reach it, in their order, with whatever comes again; the correction is left.
func TestPartsWait(t *testing.T) {
	s := newStage(t)
	s.Lever("POST", "/sandbox/wechat/program", `{"delay_ms":60000}`)
	r := s.reporter(s.l)
	id := s.paid("1", true)
	s.report("1", part(false, "YT1"))
	s.turn(r)
	s.want("WeChat does not know the payment", s.shipment(id).Problem.Code, notFound)
	s.report("1", part(false, "YT2"))
	s.report("1", part(false, "YT1"))
	s.turn(r)
	s.report("1", part(true, "YT3"))
	s.Clock.Add(2 * time.Minute)
	s.turn(r)
	s.want("parcels at WeChat", s.parcels(id), []string{"YT1", "YT2", "YT3"})
	s.want("the report", []any{s.shipment(id).State, s.shipment(id).Stage, s.shipment(id).Uploads, s.uploads()}, []any{ledger.ShipmentReported, ledger.ReportDone, 1, 1})
	posts := s.calls(upload)
	for _, again := range []ledger.Shipping{part(false, "YT1"), part(false, "YT2"), part(true, "YT3"), part(true, "YT1", "YT2", "YT3")} {
		s.report("1", again)
	}
	s.turn(r)
	s.want("all of it again", s.calls(upload)-posts, 0)
	s.report("1", part(true, "YT1", "YT2"))
	s.Clock.Add(time.Second)
	s.turn(r)
	s.want("the correction", []any{s.parcels(id), s.shipment(id).Uploads}, []any{[]string{"YT1", "YT2"}, 2})
}

// More parcels than WeChat takes at once all reach it.
func TestManyParts(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	id := s.paid("1", true)
	want := 0
	for n := range 4 {
		var numbers []string
		for i := range 9 {
			numbers = append(numbers, fmt.Sprintf("YT%d%d", n, i))
		}
		want += len(numbers)
		s.report("1", part(n == 3, numbers...))
	}
	for range 3 {
		s.turn(r)
		s.Clock.Add(time.Minute)
	}
	s.want("at WeChat", []any{len(s.parcels(id)), s.shipment(id).State, s.shipment(id).Uploads, s.uploads()}, []any{want, ledger.ShipmentReported, 1, 3})
}

// A parcel that is reported otherwise while WeChat is being told of it is told so after that.
func TestPartChangedMeanwhile(t *testing.T) {
	for _, way := range []happening{nil, lost, broken} {
		s := newStage(t)
		r := s.reporter(s.l)
		id := s.paid("1", true)
		s.report("1", part(false, "YT1"))
		other := part(false, "YT1")
		other.Parcels[0].Company = "ZTO"
		s.line.once(upload, func(req *http.Request, to http.RoundTripper) (*http.Response, error) {
			s.report("1", other)
			s.report("1", part(true, "YT2"))
			if way != nil {
				return way(req, to)
			}
			return to.RoundTrip(req)
		})
		for range 4 {
			s.turn(r)
			s.Clock.Add(time.Minute)
		}
		got := make(map[string]string)
		for _, p := range s.atWeChat(id).Parcels {
			got[p.TrackingNo] = p.Company
		}
		s.want("at WeChat", got, map[string]string{"YT1": "ZTO", "YT2": "YTO"})
		s.want("the report", []any{s.shipment(id).State, s.shipment(id).Stage, s.shipment(id).Uploads}, []any{ledger.ShipmentReported, ledger.ReportDone, 1})
	}
}

// Two processes that tell parts at the same time tell each parcel once.
func TestPartsOfTwo(t *testing.T) {
	s := newStage(t)
	id := s.paid("1", true)
	for range 2 {
		relaytest.Run(t, s.reporter(relaytest.OpenLedgerAt(t, s.file, s.Clock.Now)).Run)
	}
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprint("YT", i))
		s.report("1", part(i == 5, want[i]))
	}
	relaytest.WaitFor(t, "all is told", func() bool {
		s.Clock.Add(time.Second)
		return s.shipment(id).State == ledger.ShipmentReported && s.shipment(id).Stage == ledger.ReportDone
	})
	s.want("at WeChat", s.parcels(id), want)
	told := make(map[string]int)
	as, err := s.l.ShippingAttempts(t.Context(), scope, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range as {
		if a.Result == ledger.ShippingAccepted {
			for _, p := range a.Shipping.Parcels {
				told[p.TrackingNo]++
			}
		}
	}
	for _, no := range want {
		s.want(no+" told", told[no], 1)
	}
}

package shipping

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

// hand enters the shipping of a payment at WeChat as somebody does who knows nothing of caddypay.
func (s *stage) hand(chargeID, items string) {
	s.t.Helper()
	report := wechat.Shipping{TransactionID: s.shipment(chargeID).TransactionNo, OpenID: payer, Type: wechat.Virtual, Parcels: []wechat.Parcel{{Items: items}}}
	if err := s.program().UploadShipping(s.t.Context(), report); err != nil {
		s.t.Fatal(err)
	}
	s.Clock.Add(time.Second)
}

// What was entered at WeChat before the first report is taken over: nothing is posted in its place, and the one correction is left for other content.
func TestEnteredByHand(t *testing.T) {
	for name, c := range map[string]struct {
		items string
		code  string
	}{"another": {"茶", ledger.ProblemDiffers}, "the same": {tea.Items, ""}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			r := s.reporter(s.l)
			id := s.paid("1", true)
			s.Clock.Add(10 * time.Minute)
			s.hand(id, c.items)
			s.report("1", tea)
			for range 3 {
				s.turn(r)
				s.Clock.Add(13 * time.Hour)
				s.report("1", tea) // again
			}
			sh := s.shipment(id)
			s.want("the report", []any{sh.State, sh.Stage, sh.Problem.Code, sh.Uploads, s.uploads(), s.calls(upload)}, []any{ledger.ShipmentReported, ledger.ReportDone, c.code, 1, 1, 1})
			other := tea
			other.Items = "红茶"
			s.report("1", other)
			s.turn(r)
			sh = s.shipment(id)
			s.want("the correction", []any{sh.State, sh.Stage, sh.Problem.Code, sh.Uploads, s.uploads(), s.atWeChat(id).Description}, []any{ledger.ShipmentReported, ledger.ReportDone, "", 2, 2, "红茶"})
		})
	}
}

// What its buyer has confirmed is taken over as it is.
func TestConfirmedByHand(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	id := s.paid("1", true)
	s.Clock.Add(10 * time.Minute)
	s.hand(id, "茶")
	s.Lever("POST", "/sandbox/wechat/orders/"+s.shipment(id).TransactionNo, `{"order_state":3}`)
	s.report("1", tea)
	s.turn(r)
	sh := s.shipment(id)
	s.want("the report", []any{sh.State, sh.Stage, sh.Problem.Code, s.calls(upload)}, []any{ledger.ShipmentConfirmed, ledger.ReportFailed, ledger.ProblemOver, 1})
}

// A young payment costs no question before its report; of an older one a question without an answer has it wait, and one that WeChat refuses does not keep it.
func TestAskedBeforePosting(t *testing.T) {
	for name, c := range map[string]struct {
		age     time.Duration
		happens happening
		asked   int
		uploads int
		result  ledger.ShippingResult
	}{
		"young":         {time.Minute, nil, 0, 1, ledger.ShippingAccepted},
		"old":           {6 * time.Minute, nil, 1, 1, ledger.ShippingAccepted},
		"busy":          {6 * time.Minute, answers(-1), 0, 0, ledger.ShippingTransient},
		"no address":    {6 * time.Minute, answers(40164), 0, 0, ledger.ShippingTransient},
		"not known yet": {6 * time.Minute, answers(10060001), 0, 0, ledger.ShippingNotFound},
		"refused":       {6 * time.Minute, answers(47001), 0, 1, ledger.ShippingAccepted},
		"odd":           {6 * time.Minute, answers(10060028), 0, 1, ledger.ShippingAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			r := s.reporter(s.l)
			id := s.paid("1", true)
			s.Clock.Add(c.age)
			s.report("1", tea)
			if c.happens != nil {
				s.line.once("get_order", c.happens)
			}
			s.want("the results", s.turn(r), []ledger.ShippingResult{c.result})
			s.want("at WeChat", []any{s.calls(order), s.uploads()}, []any{c.asked, c.uploads})
			if sh := s.shipment(id); c.uploads == 0 && (sh.Problem.Code == "" || sh.Stage != ledger.ReportOpen || !sh.Due.After(s.Clock.Now())) {
				t.Errorf("%+v, due %s", sh.Problem, sh.Due)
			}
			for range 2 {
				s.Clock.Add(2 * time.Hour)
				s.turn(r)
			}
			s.want("in the end", []any{s.shipment(id).State, s.uploads()}, []any{ledger.ShipmentReported, 1})
		})
	}
}

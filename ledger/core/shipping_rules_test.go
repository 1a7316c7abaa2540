package core

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/caddypay/caddypay/ledger"
)

// TestShippingWords: what the rules themselves find wrong is said in both languages, with a code that is its own; what an engine keeps of it says the same.
func TestShippingWords(t *testing.T) {
	codes := make(map[string]bool)
	for _, p := range []ledger.ShippingProblem{problemUnclear, problemDiffers, problemCorrected, problemOver, problemHeld, wrong(&ledger.Shipping{Type: "by mule", Items: "tea"})} {
		if p.Code == "" || codes[p.Code] || len(p.Text) < 9 || strings.ContainsFunc(p.Text, han) || !strings.ContainsFunc(p.ZH, han) || p.In("zh") != p.ZH || p.In("en") != p.Text {
			t.Errorf("%+v", p)
		}
		codes[p.Code] = true
		if got := ProblemOf(p.Code, Sentences(p)); got != p {
			t.Errorf("%+v became %+v", p, got)
		}
	}
	for kept, p := range map[string]ledger.ShippingProblem{
		"":                      {},
		"it is busy":            {Text: "it is busy"},
		"it is busy\x1e忙":       {Text: "it is busy", ZH: "忙"},
		"it is\x1e忙":            {Text: "it is", ZH: "忙"},
		"\x1e忙":                 {ZH: "忙"},
		"two parts, as it says": {Text: "two parts,\x1eas it says"},
	} {
		got := Sentences(p)
		p.Text = strings.ReplaceAll(p.Text, "\x1e", " ")
		if got != kept || ProblemOf("7", got) != (ledger.ShippingProblem{Code: "7", Text: p.Text, ZH: p.ZH}) {
			t.Errorf("%+v is kept as %q, which is %+v", p, got, ProblemOf("7", got))
		}
	}
	if p := wrong(tea); p != (ledger.ShippingProblem{}) {
		t.Errorf("what can be reported: %+v", p)
	}
}

func han(r rune) bool { return unicode.Is(unicode.Han, r) }

// TestShippingAnswersLate: what an answer does that comes when the report is over, or that says less than it should.
func TestShippingAnswersLate(t *testing.T) {
	perhaps := changed(posted(tea), func(s *Shipment) { s.fail(ledger.ShippingProblem{Code: "x"}) }) // get_order would not say
	corrected := changed(posted(tea), func(s *Shipment) { s.Uploads, s.State = 1, ledger.ShipmentReported })
	refunded := changed(shipment(tea), func(s *Shipment) { s.refund() })
	unmanaged := changed(shipment(nil), func(s *Shipment) { s.unmanaged(ledger.ShippingProblem{}); s.Due = never })
	for name, c := range map[string]struct {
		row     *Shipment
		answer  ledger.ShippingAnswer
		state   ledger.ShipmentState
		stage   ledger.ReportStage
		posted  bool // still perhaps
		uploads int
		due     time.Duration // after the answer; -1: not any more
		is      listed
	}{
		"WeChat does not even know the payment of what may have been posted": {perhaps, answer(ledger.ShippingAsk, ledger.ShippingNotFound), ledger.ShipmentFailed, ledger.ReportFailed, false, 0, shipDaily, ended},
		"get_order has the correction, and does not count":                   {corrected, told(2, 0, true), ledger.ShipmentReported, ledger.ReportDone, false, 2, shipDaily, ended},
		"what could not be posted is refunded by now":                        {refunded, answer(ledger.ShippingPost, ledger.ShippingTransient), ledger.ShipmentRefunded, ledger.ReportFailed, false, 0, -1, ended},
		"what is not managed is to be shipped":                               {unmanaged, told(1, 0, false), ledger.ShipmentUnmanaged, ledger.ReportNone, false, 0, -1, unlisted},
	} {
		_, is := c.row.answered(c.answer)
		due := never
		if c.due != -1 {
			due = at(2).Add(c.due)
		}
		s := c.row
		equal(t, name, []any{s.State, s.Stage, s.Posted != nil, s.Uploads, s.Due, is}, []any{c.state, c.stage, c.posted, c.uploads, due, c.is})
	}
}

// TestShippingRefusals: what WeChat takes no more of is refused, and it is said of which order; nothing is recorded of it.
func TestShippingRefusals(t *testing.T) {
	failed := changed(shipment(tea), func(s *Shipment) { s.fail(ledger.ShippingProblem{Code: "x"}); s.Uploads = 2 })
	for _, n := range []*ledger.Shipping{nil, coffee} {
		var refused *ledger.ShippingRefusal
		if err := failed.again(n, at(9)); !errors.As(err, &refused) || *refused != (ledger.ShippingRefusal{Reason: ledger.RefuseCorrected, OrderNo: "o"}) {
			t.Errorf("%v: %v", n, err)
		}
	}
	full := shipment(parts("0"))
	many(full, ledger.MostParcels-1)
	if fresh, why := full.report(parts("x"), at(2)); fresh || why != ledger.RefuseParcels {
		t.Errorf("more than anybody sends: %t, %q", fresh, why)
	}
}

// TestShippingAhead: a shipment that is due as late as the longest gap leads to waits for that; what is due later does so because of a clock.
func TestShippingAhead(t *testing.T) {
	a := aheadOf(noon)
	for name, c := range map[string]struct {
		row     *Shipment
		longest time.Duration
	}{"in the daily round": {shipment(nil), shipDaily}, "a report": {shipment(tea), time.Hour}} {
		for more, want := range map[time.Duration]bool{0: false, time.Millisecond: true} {
			c.row.Due = noon.Add(ledger.LongestLease + c.longest + more)
			if got := a.shipment(c.row); got != want {
				t.Errorf("%s, %s after the longest gap: %t", name, more, got)
			}
		}
	}
}

// TestRemember: the payment of a charge is found through that alone only where one leads to it in its lane, and what could not be found before stays so.
func TestRemember(t *testing.T) {
	for name, c := range map[string]struct {
		was      bool
		order    string // of the event
		lane     string
		charge   *Charge
		byCharge bool
	}{
		"of its charge's order":       {true, "o", "o", ptr(open()), true},
		"found in another way before": {false, "o", "o", ptr(open()), false},
		"of no charge's":              {true, "o", "o", nil, false},
		"of another order":            {true, "p", "o", ptr(open()), false},
		"in another lane":             {true, "o", "p", ptr(open()), false},
	} {
		e := Event{Event: *payment(), ByCharge: c.was}
		e.OrderNo, e.Lane, e.Money, e.Acks = c.order, c.lane, 100, 1
		if err := remember(nil, &e, c.charge); err != nil || e.ByCharge != c.byCharge || e.Money != 100 || e.Acks != 1 {
			t.Errorf("%s: %t, %d fen, %d times, %v", name, e.ByCharge, e.Money, e.Acks, err)
		}
	}
}

// sent is what is recorded of the deliveries of an event.
type sent struct {
	hourly
	heard bool
}

func (t sent) Sent(*Event) (bool, bool, error) { return true, t.heard, nil }

// TestRememberOlder: of a payment that an older version recorded, which counted neither its money nor that the backend has it, both are made good.
func TestRememberOlder(t *testing.T) {
	for _, acked := range []bool{false, true} {
		tx := sent{hourly{hours: make(map[time.Time]ledger.Hour)}, acked}
		e, acks := Event{Event: *payment()}, 0
		if acked {
			acks = 1
		}
		c := with(open(), func(c *Charge) { c.PaidAmount = 70 })
		if err := remember(tx, &e, &c); err != nil || e.Money != 70 || e.Acks != acks {
			t.Errorf("heard %t: %d fen, %d times, %v", acked, e.Money, e.Acks, err)
		}
		equal(t, "the hour", tx.hours[HourOf(e.Received)], ledger.Hour{Webhook: 1, Paid: 70})
		e.Acks = 3
		if err := remember(tx, &e, &c); err != nil || e.Acks != 3 {
			t.Errorf("counted %d times, %v", e.Acks, err)
		}
		equal(t, "once more", tx.hours[HourOf(e.Received)], ledger.Hour{Webhook: 1, Paid: 70})
		for counted, want := range map[int]bool{0: acked, 1: true} { // also where the attempt could not be listed
			e.Acks = counted
			if got, err := heard(tx, &e); got != want || err != nil {
				t.Errorf("counted %d times, listed %t: %t, %v", counted, acked, got, err)
			}
		}
	}
}

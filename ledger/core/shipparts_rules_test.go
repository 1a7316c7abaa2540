package core

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// numbers are parcels as parts reads them.
func numbers(from, to int) string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return strings.Join(all, " ")
}

// TestPartsTold: what is posted, and what is known afterwards, when something else is reported while a post is under way. A step is a report, "virtual" a
// complete one of no parcels, or what becomes of a post: sent, accepted, ok for both, no (final). Nothing is posted that is not due.
func TestPartsTold(t *testing.T) {
	for _, c := range []struct{ steps, posts, all string }{
		{"1, ok, 1 2, ok", "1; 2", "1 2"}, // of which WeChat has the first
		{"1 2, sent, 2 3, accepted, ok", "1 2; 3", "1 2 3"},
		{"1, ok, 2, sent, 2@ZTO, accepted, ok", "1; 2; 2@ZTO", "1 2@ZTO"},
		{"1, sent, 1., accepted, ok", "1; 1.", "1."},
		{"1 2., sent, 1., accepted, ok", "1 2.; 1.", "1."},
		{"1., sent, 1 2., accepted, ok", "1.; 1 2.", "1 2."},
		{"1, ok, 2., sent, 3., accepted, ok", "1; 2.; 1 3.", "1 3."}, // the correction says all
		{"1, 2., no, 3., ok", "1 2.; 3.", "3."},                      // nothing of what failed stays
		{"1, sent, virtual, accepted, ok", "1; virtual", "virtual"},
		{"virtual, sent, 1., accepted, ok", "virtual; 1.", "1."},
		// The first fifteen of more are a part, which stays whatever is reported in place of the whole; the rest that is not told is gone.
		{numbers(1, 20) + "., sent, 30 3., accepted, ok", numbers(1, 15) + "; 30.", "3 1 2 " + numbers(4, 15) + " 30."},
		{numbers(1, 20) + "., sent, 30 3@ZTO., accepted, ok", numbers(1, 15) + "; 30 3@ZTO.", "1 2 " + numbers(4, 15) + " 30 3@ZTO."},
		{numbers(1, 16) + "., ok, ok", numbers(1, 15) + "; 16.", numbers(1, 16) + "."},
		{numbers(1, 15) + "., ok", numbers(1, 15) + ".", numbers(1, 15) + "."},
	} {
		s := shipment(nil)
		var posts []string
		say := func(n *ledger.Shipping) string {
			if n.Type == ledger.ShipVirtual {
				return "virtual" + strings.Repeat(" with parcels", len(n.Parcels))
			}
			if n.Items != "tea" {
				return "without what was bought"
			}
			for _, p := range n.Parcels {
				if p.Items != "" {
					return p.TrackingNo + " says twice what it holds"
				}
			}
			return written(n)
		}
		send := func() {
			if s.Step() != ledger.ShippingPost {
				t.Errorf("%s: after %v nothing is due", c.steps, posts)
			}
			s.lease("a", at(60))
			posts = append(posts, say(s.post(at(1), at(60)).Shipping))
		}
		for step := range strings.SplitSeq(c.steps, ", ") {
			switch step {
			case "sent":
				send()
			case "accepted":
				s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
			case "ok":
				send()
				s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
			case "no":
				send()
				s.answered(answer(ledger.ShippingPost, ledger.ShippingFinal))
			case "virtual":
				s.report(tea, at(9))
			default:
				if _, why := s.report(parts(step), at(9)); why != "" {
					t.Errorf("%s: %s is refused: %s", c.steps, step, why)
				}
			}
		}
		if got := strings.Join(posts, "; "); got != c.posts || say(s.Shipping) != c.all || s.Stage != ledger.ReportDone {
			t.Errorf("%s: posted %s, in all %s, %s; want %s and %s", c.steps, got, say(s.Shipping), s.Stage, c.posts, c.all)
		}
	}
}

// failedPart is a shipment of which WeChat has the first part, and has refused the second.
func failedPart() *Shipment {
	s := shipment(parts("1"))
	s.post(at(1), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	s.report(parts("2"), at(2))
	s.post(at(3), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingFinal))
	return s
}

// TestPartsAfterFailure: of a report that failed, a part that WeChat has is known, and everything else is tried again.
func TestPartsAfterFailure(t *testing.T) {
	cup := parts("1")
	cup.Items = "cup"
	for name, c := range map[string]struct {
		then  *ledger.Shipping
		fresh bool
	}{
		"what WeChat has":                  {parts("1"), false},
		"what failed":                      {parts("2"), true},
		"both":                             {parts("1 2"), true},
		"that no more follows":             {parts("1."), true},
		"by another company":               {parts("1@ZTO"), true},
		"something else in the same":       {cup, true},
		"something that is no parcel":      {tea, true},
		"what WeChat has, in other words":  {&ledger.Shipping{Type: ledger.ShipExpress, Items: "x", Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "1", Items: "tea"}}}, false},
		"what WeChat has, and more beside": {parts("1 3"), true},
	} {
		s := failedPart()
		if fresh, why := s.report(c.then, at(9)); fresh != c.fresh || why != "" || fresh != (s.Stage == ledger.ReportOpen) {
			t.Errorf("%s: %t, %q, %s", name, fresh, why, s.Stage)
		}
	}
}

// TestPartsOtherwise: a person's report takes the place of what failed, as it is; not of what WeChat has, may have, or is still to be told.
func TestPartsOtherwise(t *testing.T) {
	perhaps := func(n *ledger.Shipping) *Shipment { // WeChat may have it, and does not say
		s := posted(n)
		s.answered(answer(ledger.ShippingAsk, ledger.ShippingFinal))
		return s
	}
	for name, c := range map[string]struct {
		row  *Shipment
		then string
		all  string
		why  ledger.ShippingReason
	}{
		"beside what WeChat has": {failedPart(), "3", "1 3", ""},
		"of parts and their end, of which WeChat has nothing": {changed(shipment(parts("1")), func(s *Shipment) {
			s.report(parts("2."), at(1))
			s.fail(ledger.ShippingProblem{Code: "x"})
		}), "3", "3", ""},
		"open":                               {shipment(parts("1")), "2", "1 2", ""},
		"a part beside what WeChat may have": {perhaps(parts("1")), "2", "1 2", ""},
		"a part of what may be complete":     {perhaps(parts("1.")), "2", "1.", ledger.RefuseComplete},
		"never a report":                     {changed(shipment(nil), func(s *Shipment) { s.invalid(ledger.ShippingProblem{Code: "x"}, at(1)) }), "1", "1", ""},
	} {
		err := c.row.again(parts(c.then), at(9))
		var refused *ledger.ShippingRefusal
		if c.why == "" && err != nil || c.why != "" && (!errors.As(err, &refused) || refused.Reason != c.why || refused.OrderNo != "o") || written(c.row.Shipping) != c.all {
			t.Errorf("%s: %v, %s", name, err, written(c.row.Shipping))
		}
	}
}

// TestCorrectionWhole: once there is a complete report, the next is its one correction: it is posted at once, however many parcels it has, and a part is refused
// whatever became of it.
func TestCorrectionWhole(t *testing.T) {
	s := shipment(parts(numbers(1, 12)))
	s.post(at(1), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	s.report(parts("13."), at(2))
	s.post(at(3), at(60))
	s.report(parts(numbers(14, 20)+"."), at(3))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	want := numbers(1, 12) + " " + numbers(14, 20) + "."
	if s.post(at(4), at(60)); written(s.Posted) != want || !s.Posted.Complete {
		t.Errorf("posted %s", written(s.Posted))
	}
	s.answered(answer(ledger.ShippingPost, ledger.ShippingFinal))
	if fresh, why := s.report(parts("1"), at(5)); fresh || why != ledger.RefuseComplete {
		t.Errorf("a part after it: %t, %q", fresh, why)
	}
	err := s.again(nil, at(6))
	if err != nil || s.Stage != ledger.ReportOpen || written(s.Shipping) != want {
		t.Errorf("once more: %v, %s, %s", err, s.Stage, written(s.Shipping))
	}
}

// TestNothingReported: nothing is kept of what was never reported, and it is not like any report.
func TestNothingReported(t *testing.T) {
	s := shipment(nil)
	if s.Content() != "" || s.has(tea) || s.has(parts("1")) {
		t.Errorf("%q", s.Content())
	}
}

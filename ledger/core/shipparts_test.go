package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// parts is an express report of parcels, of which one is written like "1", or with another company "1@ZTO"; "." at its end says that it is complete.
func parts(text string) *ledger.Shipping {
	text, complete := strings.CutSuffix(text, ".")
	n := &ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Complete: complete}
	for one := range strings.FieldsSeq(text) {
		no, company, other := strings.Cut(one, "@")
		if !other {
			company = "YTO"
		}
		n.Parcels = append(n.Parcels, ledger.Parcel{Company: company, TrackingNo: no})
	}
	return n
}

// written is a report as parts reads it.
func written(n *ledger.Shipping) string {
	if n == nil {
		return ""
	}
	var all []string
	for _, p := range n.Parcels {
		no := p.TrackingNo
		if p.Company != "YTO" {
			no += "@" + p.Company
		}
		all = append(all, no)
	}
	text := strings.Join(all, " ")
	if n.Complete {
		text += "."
	}
	return text
}

// TestPartsJoin: what is reported of parts, one call after the other, is posted once each, in their order, whatever WeChat does meanwhile; nothing that was
// taken is lost. A step is a report ("1"), or what WeChat says of the post: ok, lost (it has it), gone (it has not), wait (10060001), no (final).
func TestPartsJoin(t *testing.T) {
	for _, c := range []struct{ steps, posts, all string }{
		{"1, ok, 2, ok, 3., ok", "1; 2; 3.", "1 2 3."},
		{"1, 2, ok", "1 2", "1 2"},
		{"1, wait, 2, wait, 3., ok", "1; 1 2; 1 2 3.", "1 2 3."},
		{"1, wait, 1@ZTO, ok", "1; 1@ZTO", "1@ZTO"},
		{"1, 2, 1@ZTO, 3, ok", "2 1@ZTO 3", "2 1@ZTO 3"},
		{"1, ok, 1@ZTO, ok", "1; 1@ZTO", "1@ZTO"},
		{"1, ok, 2, ok, 1, 2, 1 2", "1; 2", "1 2"}, // the first again, late
		{"1, wait, 2, 1, ok", "1; 1 2", "1 2"},
		{"1, ok, 2., ok, 1, 2., 1 2.", "1; 2.", "1 2."},
		{"1, ok, 2., 2., 1, ok", "1; 2.", "1 2."},
		{"1, ok, 1., ok", "1; 1.", "1."}, // all that is new is that nothing follows
		{"1, 1., ok", "1.", "1."},
		{"1, lost, 2., ok", "1; 2.", "1 2."},
		{"1, gone, 2., ok", "1; 1 2.", "1 2."},
		{"1, no, 2, ok", "1; 1 2", "1 2"},
		{"1, no, 1@ZTO, ok", "1; 1@ZTO", "1@ZTO"},
		{"1, ok, 2, no, 1, 2@ZTO, ok", "1; 2; 2@ZTO", "1 2@ZTO"},
		{"1, 2., no, 1@ZTO, ok", "1 2.; 2 1@ZTO.", "2 1@ZTO."}, // that it is complete stays said
		{"1., no, 2, ok", "1.; 2", "2"},
		{"1., wait, 2., ok", "1.; 2.", "2."},
		{"1., ok, 2., ok", "1.; 2.", "2."},                    // a correction
		{"1, ok, 2., wait, 3., ok", "1; 2.; 3.", "1 3."},      // what WeChat has of parts stays
		{"1, ok, 2., ok, 3., ok", "1; 2.; 3.", "3."},          // until the correction
		{"1, ok, 2., ok, 1., ok", "1; 2.; 1.", "1."},          // which may take back
		{"1 2., ok, 1., ok", "1 2.; 1.", "1."},                // likewise
		{"1 2., ok, 2 1., 1", "1 2.", "1 2."},                 // in another order, and a part of it
		{"1, post, 2, accepted, ok", "1; 2", "1 2"},           // reported while it is posted
		{"1, post, 1@ZTO, accepted, ok", "1; 1@ZTO", "1@ZTO"}, // likewise
		{"1 2, post, 2@ZTO., accepted, ok", "1 2; 2@ZTO.", "1 2@ZTO."},
		{"1., post, 1 2., accepted, ok", "1.; 1 2.", "1 2."},
		{"1 2., post, 1., accepted, ok", "1 2.; 1.", "1."},
	} {
		s := shipment(nil)
		var posts []string
		sent := func() {
			s.lease("a", at(60))
			a := s.post(at(1), at(60))
			posts = append(posts, written(a.Shipping))
		}
		for step := range strings.SplitSeq(c.steps, ", ") {
			switch step {
			case "post":
				sent()
			case "accepted":
				s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
			case "ok":
				sent()
				s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
			case "wait":
				sent()
				s.answered(answer(ledger.ShippingPost, ledger.ShippingNotFound))
			case "no":
				sent()
				s.answered(answer(ledger.ShippingPost, ledger.ShippingFinal))
			case "lost", "gone":
				sent()
				s.answered(answer(ledger.ShippingPost, ledger.ShippingUnknown))
				s.answered(told(1, 0, step == "lost"))
			default:
				if _, why := s.report(parts(step), at(9)); why != "" {
					t.Errorf("%s: %s is refused: %s", c.steps, step, why)
				}
			}
		}
		if got := strings.Join(posts, "; "); got != c.posts || written(s.Shipping) != c.all {
			t.Errorf("%s: posted %s, in all %s; want %s and %s", c.steps, got, written(s.Shipping), c.posts, c.all)
		}
		if s.Stage != ledger.ReportDone || s.State == ledger.ShipmentReported != s.Shipping.Complete {
			t.Errorf("%s: %s, %s", c.steps, s.Stage, s.State)
		}
	}
}

// TestPartsRefused: a part is added to nothing complete, and not without end.
func TestPartsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		row  *Shipment
		then *ledger.Shipping
		why  ledger.ShippingReason
	}{
		"complete, not posted yet": {shipment(parts("1.")), parts("2"), ledger.RefuseComplete},
		"parts, complete":          {changed(shipment(parts("1")), func(s *Shipment) { s.report(parts("2."), at(1)) }), parts("3"), ledger.RefuseComplete},
		"a part of it":             {shipment(parts("1 2.")), parts("2"), ""},
		"too many":                 {changed(shipment(parts("0")), func(s *Shipment) { many(s, ledger.MostParcels-1) }), parts("x"), ledger.RefuseParcels},
		"the most":                 {changed(shipment(parts("0")), func(s *Shipment) { many(s, ledger.MostParcels-2) }), parts("x"), ""},
	} {
		before := written(c.row.Shipping)
		if _, why := c.row.report(c.then, at(2)); why != c.why || why != "" && written(c.row.Shipping) != before {
			t.Errorf("%s: %q, %s", name, why, written(c.row.Shipping))
		}
	}
}

// many reports more parcels, one in each part.
func many(s *Shipment, n int) {
	for i := range n {
		s.report(parts(fmt.Sprint("n", i)), at(1))
	}
}

// TestManyParcels: more than WeChat takes at once go out one post after the other, and only the last says that there are no more.
func TestManyParcels(t *testing.T) {
	s := shipment(parts("0"))
	many(s, 30)
	s.report(parts("last."), at(1))
	var sizes []string
	for s.Stage == ledger.ReportOpen {
		s.post(at(1), at(60))
		sizes = append(sizes, fmt.Sprint(len(s.Posted.Parcels), s.Posted.Complete))
		s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	}
	equal(t, "posts", []any{sizes, s.Uploads, len(s.Shipping.Parcels)}, []any{[]string{"15 false", "15 false", "2 true"}, 1, 32})
}

// TestPartsItems: each parcel keeps what its own report says that it holds, and says it only where the others hold something else.
func TestPartsItems(t *testing.T) {
	s := shipment(parts("1"))
	cup := parts("2.")
	cup.Items = "cup"
	s.report(cup, at(1))
	equal(t, "joined", s.Shipping, &ledger.Shipping{Type: ledger.ShipExpress, Items: "cup", Complete: true,
		Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "1", Items: "tea"}, {Company: "YTO", TrackingNo: "2"}}})
	if fresh, why := s.report(parts("1"), at(2)); fresh || why != "" {
		t.Errorf("the first part again: %t, %s", fresh, why)
	}
}

// TestContactsOfNoUse: a telephone number that only one of two reports has, or that is written in another way, makes no other content; another number does.
func TestContactsOfNoUse(t *testing.T) {
	with := func(contact string) *ledger.Shipping {
		n := parts("1.")
		n.Parcels[0].Contact = contact
		return n
	}
	s := shipment(with("138****1234"))
	s.post(at(1), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	for contact, want := range map[string]bool{"": false, "138****1234": false, "+86-138****1234": false, "****1234": false, "138-****-1234": false} {
		if fresh, why := s.report(with(contact), at(2)); fresh != want || why != "" {
			t.Errorf("%q: %t, %s", contact, fresh, why)
		}
	}
	if fresh, _ := s.report(with("138****1235"), at(2)); !fresh {
		t.Error("another number is no correction")
	}
}

// TestReportedOtherwise: a person's report takes the place of what failed, beside what WeChat has.
func TestReportedOtherwise(t *testing.T) {
	s := shipment(parts("1"))
	s.post(at(1), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	s.report(parts("2 3"), at(2))
	s.post(at(3), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingFinal))
	if err := s.again(parts("4."), at(4)); err != nil || written(s.Shipping) != "1 4." {
		t.Errorf("%v, %s", err, written(s.Shipping))
	}
	if s.post(at(5), at(60)); written(s.Posted) != "4." {
		t.Errorf("posted %s", written(s.Posted))
	}
}

// TestPartsOfBefore: what was accepted of parts before anybody counted them is not posted again.
func TestPartsOfBefore(t *testing.T) {
	s := changed(shipment(parts("1")), func(s *Shipment) { s.Stage, s.Reported = ledger.ReportDone, at(1) })
	s.report(parts("2"), at(2))
	if s.post(at(3), at(60)); written(s.Posted) != "2" || written(s.Shipping) != "1 2" {
		t.Errorf("posted %s of %s", written(s.Posted), written(s.Shipping))
	}
}

// TestContent: what an engine keeps of a report is all that is known of it; what one kept that knew of no parts can be read.
func TestContent(t *testing.T) {
	for _, s := range []*Shipment{shipment(nil), shipment(tea), changed(shipment(parts("1")), func(s *Shipment) { s.report(parts("2."), at(1)); s.Told = 1 })} {
		var got Shipment
		if err := got.SetContent(s.Content()); err != nil {
			t.Fatal(err)
		}
		equal(t, s.Content(), []any{got.Shipping, got.Told, got.Ended}, []any{s.Shipping, s.Told, s.Ended})
	}
	var old Shipment
	if err := old.SetContent(`{"type":"virtual","items":"tea","complete":true}`); err != nil || !old.Shipping.Same(tea) || old.Told != 0 || old.Ended != nil {
		t.Errorf("%+v, %v", old.Shipping, err)
	}
	if err := old.SetContent(`{"type":`); err == nil {
		t.Error("what is cut off is read")
	}
}

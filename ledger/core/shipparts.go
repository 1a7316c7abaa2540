package core

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caddypay/caddypay/ledger"
)

// mostPosted is how many parcels WeChat takes in one post.
const mostPosted = 15

// content is what was reported, with what is known of its parts.
type content struct {
	*ledger.Shipping
	Told  int              `json:"told,omitempty"`
	Ended *ledger.Shipping `json:"ended,omitempty"`
}

// Content is what an engine keeps of what was reported, in JSON; empty: nothing was. SetContent reads it.
func (s *Shipment) Content() string {
	if s.Shipping == nil {
		return ""
	}
	b, _ := json.Marshal(content{s.Shipping, s.Told, s.Ended}) // strings and numbers always can
	return string(b)
}

// SetContent fills in Shipping, Told and Ended.
func (s *Shipment) SetContent(text string) error {
	var c content
	if text != "" {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return fmt.Errorf("the report of a shipment: %w", err)
		}
	}
	s.Shipping, s.Told, s.Ended = c.Shipping, c.Told, c.Ended
	return nil
}

// has says that a report is among what was reported, and that nothing of it failed.
func (s *Shipment) has(n *ledger.Shipping) bool {
	switch {
	case s.Shipping == nil:
		return false
	case s.Stage == ledger.ReportFailed:
		return !n.Complete && holds(&ledger.Shipping{Items: s.Shipping.Items, Parcels: s.Shipping.Parcels[:s.told()]}, n)
	case s.Shipping.Same(n), s.Ended.Same(n):
		return true
	}
	return holds(s.Shipping, n) && (!n.Complete || s.Shipping.Complete && len(n.Parcels) == len(s.Shipping.Parcels))
}

// told is how many of the parcels WeChat has in parts. What was accepted before these were counted was all that there was.
func (s *Shipment) told() int {
	if s.Stage == ledger.ReportDone {
		return len(s.Shipping.Parcels)
	}
	return s.Told
}

// holds says that a report has all parcels of another, with the same content. One that is no express has none.
func holds(all, n *ledger.Shipping) bool {
	return n.Type == ledger.ShipExpress &&
		!slices.ContainsFunc(parcelsOf(n), func(p ledger.Parcel) bool { return !slices.ContainsFunc(parcelsOf(all), p.Same) })
}

// parcelsOf returns the parcels of a report, of which each says what it holds.
func parcelsOf(n *ledger.Shipping) []ledger.Parcel {
	ps := slices.Clone(n.Parcels)
	for i := range ps {
		if ps[i].Items == "" {
			ps[i].Items = n.Items
		}
	}
	return ps
}

// join makes a report what WeChat is to have. As long as nothing says that all is there, a further report by express joins those before it, whether WeChat
// has been told of these or not; a parcel takes the place of the one with its tracking number. Any other takes the place of all that WeChat does not have:
// what it has of parts stays with it until a correction.
func (s *Shipment) join(n *ledger.Shipping) (why ledger.ShippingReason) {
	was := s.Shipping
	if was == nil || n.Type != ledger.ShipExpress || s.Uploads > 0 {
		s.Shipping, s.Told, s.Ended = n, 0, nil
		return ""
	}
	before, told := parcelsOf(was), s.told()
	mends := s.Ended != nil && !n.Complete // one of the parts that failed, of which the last has come
	joins := !was.Complete || mends
	if !joins {
		before = before[:told]
	}
	if len(before) == 0 {
		s.Shipping, s.Told, s.Ended = n, 0, nil
		return ""
	}
	own := parcelsOf(n)
	all := &ledger.Shipping{Type: n.Type, Items: n.Items, Complete: n.Complete || mends}
	kept := 0
	for i, p := range before {
		if !slices.ContainsFunc(own, p.Same) && slices.ContainsFunc(own, func(o ledger.Parcel) bool { return o.TrackingNo == p.TrackingNo }) {
			continue
		}
		all.Parcels = append(all.Parcels, p)
		if i < told {
			kept++
		}
	}
	for _, p := range own {
		if !slices.ContainsFunc(all.Parcels, p.Same) {
			all.Parcels = append(all.Parcels, p)
		}
	}
	if len(all.Parcels) > ledger.MostParcels {
		return ledger.RefuseParcels
	}
	s.Shipping, s.Told = brief(all), kept
	if n.Complete {
		s.Ended = n
	}
	return ""
}

// brief leaves out of parcels what the report says of all.
func brief(n *ledger.Shipping) *ledger.Shipping {
	for i := range n.Parcels {
		if n.Parcels[i].Items == n.Items {
			n.Parcels[i].Items = ""
		}
	}
	return n
}

// forget takes back of a report that failed what WeChat does not have.
func (s *Shipment) forget() {
	if s.Stage != ledger.ReportFailed || s.Shipping == nil || s.Posted != nil {
		return
	}
	kept := *s.Shipping
	kept.Parcels = kept.Parcels[:s.Told]
	s.Shipping = &kept
}

// next is what is posted next: what WeChat has not been told, as far as it takes that at once.
func (s *Shipment) next() *ledger.Shipping {
	n := s.Shipping
	if s.Uploads > 0 { // in parts it would be more than the one correction
		return n
	}
	from := s.Told
	if from == len(n.Parcels) { // all that is new is that no more follow
		from = max(0, from-mostPosted)
	}
	until := min(len(n.Parcels), from+mostPosted)
	part := *n
	part.Parcels, part.Complete = n.Parcels[from:until], n.Complete && until == len(n.Parcels)
	return &part
}

// tell notes that WeChat has what was posted, and says whether that is all.
func (s *Shipment) tell(posted *ledger.Shipping) (all bool) {
	n := s.Shipping
	if posted.Same(n) {
		s.Told = len(n.Parcels)
		return true
	}
	if n.Type != ledger.ShipExpress { // reported meanwhile, in place of parcels
		return false
	}
	has, wants := parcelsOf(posted), parcelsOf(n)
	var told, rest []ledger.Parcel
	for i, p := range wants {
		if i < s.Told || slices.ContainsFunc(has, p.Same) {
			told = append(told, p)
		} else {
			rest = append(rest, p)
		}
	}
	gone := 0 // which somebody has taken back meanwhile
	for _, p := range has {
		if slices.ContainsFunc(wants, p.Same) {
			continue
		}
		if gone++; !slices.ContainsFunc(wants, func(o ledger.Parcel) bool { return o.TrackingNo == p.TrackingNo }) {
			told = append(told, p)
		}
	}
	switch {
	case len(rest) == 0 && gone == 0 && posted.Complete == n.Complete:
		s.Told = len(n.Parcels)
		return true
	case s.Uploads > 0: // what is wanted is another report, and the correction of this one
		s.Told = 0
		return false
	}
	s.Shipping = brief(&ledger.Shipping{Type: n.Type, Items: n.Items, Complete: n.Complete, Parcels: append(told, rest...)})
	s.Told = len(told)
	return false
}

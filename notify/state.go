package notify

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/check"
)

const (
	steady      = 2              // looks in a row that agree, before anybody is told
	waitingMost = 20             // messages
	waitingLong = 24 * time.Hour // after which nobody wants to know any more
)

// kinds are what is told, by the ids of findings: an incident is all that is wrong of one kind at one site. Of some a warning is enough. A backend that
// answers wrongly about an order that does not exist may do so for years: that must not hide that it takes no payments any more.
var kinds = map[string]struct {
	kind string
	warn bool
}{
	"events-pending": {kind: "backend"}, "backend-reach": {kind: "backend"}, "backend-redirect": {kind: "backend"}, "backend-refuses": {kind: "backend"},
	"backend-quote": {kind: "quote"}, "events-dead": {kind: "dead"}, "events-held": {kind: "held"}, "webhooks-silent": {kind: "silent"},
	"webhooks-refused": {kind: "refused"}, "sweep": {kind: "sweep"}, "certificate": {kind: "certificate", warn: true},
	"shipping-due": {kind: "shipping", warn: true}, "shipping-failed": {kind: "unreported"}, "shipping-paused": {kind: "paused"},
	"database-durability": {kind: "database"}, "database-clock": {kind: "database"}, "database-rows": {kind: "database"},
	"ledger-write": {kind: "ledger"}, "disk": {kind: "disk", warn: true}, "wal": {kind: "wal"},
}

// Watches reports whether what a check finds can be told, by the check's id.
func Watches(id string) bool { _, ok := kinds[id]; return ok }

// state is what a target was told, as the Store keeps it.
type state struct {
	Owner   string           `json:"owner,omitempty"` // who tells
	Until   time.Time        `json:"until"`
	Open    map[string]*open `json:"open"` // by kind and site
	Waiting []message        `json:"waiting,omitempty"`
	Next    time.Time        `json:"next"`             // no attempt before it
	Summed  string           `json:"summed,omitempty"` // the last day that was, in UTC+8
}

// open is an incident, also one that is not told yet or that seems to be over.
type open struct {
	incident
	Told  bool `json:"told"`
	Part  bool `json:"part,omitempty"` // of the backend's, in whose messages alone it is told
	Looks int  `json:"looks"`          // in a row that say otherwise than what was told
}

// readState takes one that cannot be read for none: somebody is told twice, which is better than never.
func readState(raw []byte) *state {
	s := new(state)
	if len(raw) > 0 && json.Unmarshal(raw, s) != nil {
		s = new(state)
	}
	if s.Open == nil {
		s.Open = make(map[string]*open)
	}
	return s
}

// join takes over what was told while this state could not be had, so that its end is told too, and what still waits to be.
func (s *state) join(alone *state) {
	if alone == nil {
		return
	}
	for key, o := range alone.Open {
		if known := s.Open[key]; o.Told && (known == nil || !known.Told) {
			s.Open[key] = o
		}
	}
	s.Waiting = append(s.Waiting, alone.Waiting...)
}

// mind takes in a look: what is new for as many looks as it takes is told, and what is over for as many.
func (s *state) mind(found []check.Finding, now time.Time, language string) {
	bad, well, unknown, sites := make(map[string]check.Finding), make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for _, f := range found {
		sites[f.Site] = true
		k, ok := kinds[f.ID]
		if !ok {
			continue
		}
		key := k.kind + " " + f.Site
		if f.ID == "backend-quote" && f.Result != check.Unknown {
			well["backend "+f.Site] = true // it was reached, and takes us for who we are
		}
		switch {
		case f.Result == check.Fail, f.Result == check.Warn && k.warn:
			if before, twice := bad[key]; !twice || rank(f) < rank(before) {
				bad[key] = f
			}
		case f.Result == check.Unknown:
			unknown[key] = true
		default:
			well[key] = true
		}
	}
	for key, f := range bad {
		o := s.Open[key]
		if o == nil {
			o = &open{incident: incidentOf(f, now, language)}
			s.Open[key] = o
		}
		if !o.Told || o.Part {
			o.incident = incidentOf(f, o.Since, language) // as it is when it is told
		}
		if o.Told {
			o.Looks = 0
			continue
		}
		o.Looks++
	}
	// What dies while the backend fails is part of that incident: nobody has to be told of it twice.
	dead := func(kind, site string) *open {
		if d := s.Open["dead "+site]; kind == "backend" && d != nil && (d.Part || !d.Told) {
			if _, isBad := bad["dead "+site]; isBad {
				d.Told, d.Part = true, true
				return d
			}
		}
		return nil
	}
	var begun, ended, left []incident
	for _, key := range sorted(s.Open) { // the backend's before what is dead
		o := s.Open[key]
		_, isBad := bad[key]
		kind, site, _ := strings.Cut(key, " ")
		backend := s.Open["backend "+site]
		switch {
		case site != "" && !sites[site]: // it was taken out of the configuration
			delete(s.Open, key)
		case isBad && kind == "dead" && !o.Told && backend != nil:
			o.Told, o.Part = backend.Told, backend.Told // one that is not told yet may come to nothing
		case isBad && !o.Told && o.Looks >= steady:
			o.Told, o.Looks = true, 0
			begun = append(begun, o.incident)
			if d := dead(kind, site); d != nil {
				begun = append(begun, d.incident)
			}
		case isBad || unknown[key] || !well[key]: // nobody knows that it is over
		case !o.Told:
			delete(s.Open, key)
		default:
			if o.Looks++; o.Looks < steady {
				continue
			}
			delete(s.Open, key)
			if !o.Part {
				ended = append(ended, o.incident)
			}
			if d := dead(kind, site); d != nil {
				left = append(left, d.incident)
			}
		}
	}
	if len(begun) > 0 {
		s.add(message{Type: opened, Time: now, Text: openedText(language, begun), Incidents: begun})
	}
	if len(ended) > 0 {
		s.add(message{Type: over, Time: now, Text: overText(language, ended, left, now), Incidents: ended})
	}
}

// rank puts first what says most about an incident: how much money waits.
func rank(f check.Finding) int {
	if f.ID == "events-pending" {
		return 0
	}
	return 1
}

func sorted(m map[string]*open) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}

var china = time.FixedZone("UTC+8", 8*3600)

// day is the one whose summary is due by now.
func day(now time.Time, at time.Duration) string { return now.In(china).Add(-at).Format(time.DateOnly) }

// sum tells of the day before once a day, at its time after midnight or when somebody is there again. The first day is no whole one.
func (s *state) sum(text string, now time.Time, at time.Duration) {
	if at < 0 {
		s.Summed = ""
		return
	}
	due := day(now, at)
	if s.Summed == "" {
		s.Summed = due
	}
	if text == "" || s.Summed >= due {
		return
	}
	s.Summed = due
	s.add(message{Type: summed, Time: now, Text: text})
}

func (s *state) add(m message) {
	m.ID = "msg_" + rand.Text()
	s.Waiting = append(s.Waiting, m)
}

func (s *state) told(id string) {
	s.Waiting = slices.DeleteFunc(s.Waiting, func(m message) bool { return m.ID == id })
}

// tidy drops what is too old, and of too many the oldest.
func (s *state) tidy(now time.Time) (dropped int) {
	before := len(s.Waiting)
	s.Waiting = slices.DeleteFunc(s.Waiting, func(m message) bool { return now.Sub(m.Time) > waitingLong })
	if more := len(s.Waiting) - waitingMost; more > 0 {
		s.Waiting = slices.Delete(s.Waiting, 0, more)
	}
	return before - len(s.Waiting)
}

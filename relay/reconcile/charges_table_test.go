package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// unpaidAt is a charge of ours that nobody has paid as far as we know.
func unpaidAt(id string, created time.Time) ledger.Charge {
	return ledger.Charge{Scope: relaytest.Scope, OrderNo: "o1", Number: "1x", State: ledger.Open, ID: id, Channel: "wx_pub_scan", Amount: 100, Currency: "cny",
		Created: created, TimeExpire: created.Add(2 * time.Hour), Host: "pay.example.com"}
}

const (
	get        = "GET charges/ch_1"
	reverseIt  = "POST charges/ch_1/reverse"
	refusedNow = `{"error":{"type":"channel_error","code":"code","message":"why"}}`
)

// What a look-up of a charge brings, and when the next is: by what Ping++ says of it, and of its reversal where another attempt has taken its place.
func TestLookUpRules(t *testing.T) {
	for name, c := range map[string]struct {
		age      time.Duration
		change   func(*ledger.Charge)
		answers  map[string][]string // changes of what Ping++ shows; "refused": that
		fails    string
		did      string
		observed string
		err      string
	}{
		"unpaid":            {10 * time.Minute, nil, map[string][]string{get: {}}, "", get + "; ch_1 in 21m31s", "unpaid", ""},
		"paid":              {10 * time.Minute, nil, map[string][]string{get: isPaid}, "", get + "; charge.succeeded ch_1 of o1", "paid", ""},
		"reversed":          {10 * time.Minute, nil, map[string][]string{get: isReversed}, "", get + "; ch_1 is reversed", "reversed", ""},
		"no answer":         {10 * time.Minute, nil, nil, "", get + "; ch_1 in 10m0s", "error", "code"},
		"not written":       {10 * time.Minute, nil, map[string][]string{get: {}}, "Queried", get + "; ch_1 in 21m31s", "unpaid", "the disk is full"},
		"paid, not written": {10 * time.Minute, nil, map[string][]string{get: isPaid}, "Append", get + "; charge.succeeded ch_1 of o1; ch_1 in 10m0s", "error", "the disk is full"},
		"replaced":          {10 * time.Minute, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: {}, reverseIt: isReversed}, "", get + "; " + reverseIt + "; ch_1 is reversed", "reversed", ""},
		"replaced, and paid at that moment": {10 * time.Minute, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: {}, reverseIt: append(slices.Clone(isPaid), isReversed...)}, "",
			get + "; " + reverseIt + "; charge.succeeded ch_1 of o1, returned", "paid", ""},
		"replaced, and paid before that":   {10 * time.Minute, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: append(slices.Clone(isPaid), isReversed...)}, "", get + "; charge.succeeded ch_1 of o1", "paid", ""},
		"replaced, and reversed before":    {10 * time.Minute, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: isReversed}, "", get + "; ch_1 superseded is reversed", "reversed", ""},
		"replaced, and refused":            {10 * time.Minute, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: {}, reverseIt: {"refused"}}, "", get + "; " + reverseIt + "; " + get + "; ch_1 superseded in 10m0s", "unpaid", ""},
		"replaced, and not ripe":           {59 * time.Second, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: {}}, "", get + "; ch_1 superseded in 1s", "unpaid", ""},
		"replaced, and ripe now":           {60 * time.Second, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: {}, reverseIt: isReversed}, "", get + "; " + reverseIt + "; ch_1 is reversed", "reversed", ""},
		"replaced, and lapsed":             {2 * time.Hour, func(c *ledger.Charge) { c.Superseded = true }, map[string][]string{get: {}}, "", get + "; ch_1 superseded in 24h0m0s", "unpaid", ""},
		"replaced, and cannot be reversed": {10 * time.Minute, func(c *ledger.Charge) { c.Superseded, c.Channel = true, "alipay_wap" }, map[string][]string{get: {}}, "", get + "; ch_1 superseded in 21m31s", "unpaid", ""},
		"replaced, and no answer":          {10 * time.Minute, func(c *ledger.Charge) { c.Superseded = true }, nil, "", get + "; ch_1 superseded in 10m0s", "error", "code"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			ours := unpaidAt("ch_1", s.desk.now.Add(-c.age))
			if c.change != nil {
				c.change(&ours)
			}
			s.desk.known["ch_1"] = &ours
			s.desk.fails[c.fails] = errBroken
			for what, changes := range c.answers {
				if s.desk.answers[what] = s.desk.charge("ch_1", "1x", "o1", changes...); len(changes) == 1 {
					s.desk.answers[what] = refusedNow
				}
			}
			wantErr(t, s.Charges.Ask(t.Context(), "ch_1"), c.err)
			if c.observed == "paid" && s.desk.host != "pay.example.com" {
				t.Errorf("the event is for %q", s.desk.host)
			}
			did := strings.ReplaceAll(c.did, "ch_1 superseded is reversed", "ch_1 is reversed")
			s.want(t, did, c.observed)
		})
	}
}

// Who may ask about a charge: once in five seconds, of one that is neither paid nor reversed, and as long as Ping++ may be asked.
func TestAskRules(t *testing.T) {
	s := newSitting(t)
	ours := unpaidAt("ch_1", s.desk.now.Add(-10*time.Minute))
	s.desk.known["ch_1"], s.desk.answers[get] = &ours, s.desk.charge("ch_1", "1x", "o1")
	begin := s.desk.now
	asked := 0
	for _, c := range []struct {
		in time.Duration
		is bool
	}{{0, true}, {0, false}, {askEvery - 1, false}, {askEvery, true}, {askEvery + 1, false}, {2 * askEvery, true}} {
		if s.desk.now = begin.Add(c.in); c.is {
			asked++
		}
		if err := s.Charges.Ask(t.Context(), "ch_1"); err != nil || strings.Count(strings.Join(s.desk.did, " "), get) != asked {
			t.Errorf("after %s: %q, %v", c.in, s.desk.did, err)
		}
	}
	s.desk.now, s.desk.did = begin.Add(time.Minute), nil
	for what, c := range map[string]struct {
		paid, reversed bool
		fails          string
		err            string
	}{"paid": {true, false, "", ""}, "reversed": {false, true, "", ""}, "not there": {false, false, "Charge", "the disk is full"}, "closed": {false, false, "open", "the disk is full"}} {
		s.desk.now = s.desk.now.Add(time.Minute)
		ours.Paid, ours.Reversed, s.desk.fails = c.paid, c.reversed, map[string]error{c.fails: errBroken}
		wantErr(t, s.Charges.Ask(t.Context(), "ch_1"), c.err)
		if len(s.desk.did) != 0 {
			t.Errorf("%s: %q", what, s.desk.did)
		}
	}
	ours.Paid, ours.Reversed, s.desk.fails = false, false, map[string]error{}

	// Ping++ may not be asked: nothing happens, and the next question passes.
	s.desk.now = s.desk.now.Add(time.Minute)
	budget := s.Charges.questions.Payers
	s.Charges.questions.Payers = rate.NewLimiter(0, 0)
	if err := s.Charges.Ask(t.Context(), "ch_1"); err != nil || len(s.desk.did) != 0 {
		t.Errorf("%q, %v", s.desk.did, err)
	}
	s.Charges.questions.Payers = budget
	if err := s.Charges.Ask(t.Context(), "ch_1"); err != nil || len(s.desk.did) == 0 {
		t.Errorf("%q, %v", s.desk.did, err)
	}
	// Whoever waits may leave, and what has begun goes on.
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := s.Charges.lookUp(gone, s.desk, &ours); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Questions are remembered for as long as they count, and not more of them than that.
func TestQuestionsAreForgotten(t *testing.T) {
	s := newSitting(t)
	r := s.Charges
	fill := func(n int) {
		clear(r.asked)
		for i := range n - 2 {
			r.asked[fmt.Sprint(i)] = s.desk.now.Add(-time.Hour)
		}
		r.asked["old"], r.asked["young"] = s.desk.now.Add(-askEvery), s.desk.now.Add(1-askEvery)
	}
	for n, left := range map[int]int{10_000: 10_001, 10_001: 2} {
		fill(n)
		if !r.mayAsk("new") || len(r.asked) != left || r.mayAsk("young") || r.mayAsk("new") {
			t.Errorf("of %d questions %d are left", n, len(r.asked))
		}
	}
}

// A charge is looked up for its refund, whether it is ours or not.
func TestRecoverRules(t *testing.T) {
	for name, c := range map[string]struct {
		ours   bool
		answer []string
		fails  string
		did    string
		err    string
	}{
		"paid":               {true, isPaid, "", get + "; charge.succeeded ch_1 of o1", ""},
		"not ours, and paid": {false, isPaid, "", get + "; charge.succeeded ch_1 of o2", ""},
		"unpaid":             {true, []string{}, "", get, ""},
		"no answer":          {true, nil, "", get, "code"},
		"not read":           {true, isPaid, "Charge", "", "the disk is full"},
		"not opened":         {true, isPaid, "open", "", "the disk is full"},
		"not written":        {true, isPaid, "Append", get + "; charge.succeeded ch_1 of o1", "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			if ours := unpaidAt("ch_1", s.desk.now); c.ours {
				s.desk.known["ch_1"] = &ours
			}
			s.desk.fails[c.fails] = errBroken
			if c.answer != nil {
				s.desk.answers[get] = s.desk.charge("ch_1", "1x", "o2", c.answer...)
			}
			wantErr(t, s.Charges.Recover(t.Context(), "ch_1", nil), c.err)
			s.want(t, c.did, "")
		})
	}
	s := newSitting(t)
	s.Charges.questions.Refunds = rate.NewLimiter(0, 0)
	if err := s.Charges.Recover(t.Context(), "ch_1", nil); !errors.Is(err, asking.ErrTooMuch) {
		t.Error(err)
	}
}

// A charge that takes the money by itself is undone, or nobody can say.
func TestUndoRules(t *testing.T) {
	for name, c := range map[string]struct {
		age     time.Duration
		channel string
		answers map[string][]string
		fails   string
		sure    bool
		did     string
		err     string
	}{
		"unpaid":             {time.Minute, "wx_pub_scan", map[string][]string{get: {}, reverseIt: isReversed}, "", true, get + "; " + reverseIt + "; ch_1 is reversed", ""},
		"paid":               {time.Minute, "wx_pub_scan", map[string][]string{get: isPaid}, "", true, get + "; charge.succeeded ch_1 of o1", ""},
		"reversed":           {time.Minute, "wx_pub_scan", map[string][]string{get: isReversed}, "", true, get + "; ch_1 is reversed", ""},
		"not ripe":           {time.Minute - 1, "wx_pub_scan", map[string][]string{get: {}}, "", false, get, ""},
		"not reversible":     {time.Minute, "alipay_wap", map[string][]string{get: {}}, "", false, get, ""},
		"not, and lapsed":    {2 * time.Hour, "alipay_wap", map[string][]string{get: {}}, "", true, get, ""},
		"not, nearly lapsed": {2*time.Hour - 1, "alipay_wap", map[string][]string{get: {}}, "", false, get, ""},
		"paid, and given back": {time.Minute, "wx_pub_scan", map[string][]string{get: {}, reverseIt: append(slices.Clone(isPaid), isReversed...)}, "", true,
			get + "; " + reverseIt + "; charge.succeeded ch_1 of o1, returned", ""},
		"refused":               {time.Minute, "wx_pub_scan", map[string][]string{get: {}, reverseIt: {"refused"}}, "", false, get + "; " + reverseIt + "; " + get, "why"},
		"lapsed, and refused":   {2 * time.Hour, "wx_pub_scan", map[string][]string{get: {}, reverseIt: {"refused"}}, "", true, get + "; " + reverseIt + "; " + get, ""},
		"not reversed by it":    {time.Minute, "wx_pub_scan", map[string][]string{get: {}, reverseIt: {}}, "", false, get + "; " + reverseIt + "; " + get, "answer"},
		"no answer":             {time.Minute, "wx_pub_scan", nil, "", false, get, "code"},
		"reversed, not written": {time.Minute, "wx_pub_scan", map[string][]string{get: isReversed}, "Queried", true, get + "; ch_1 is reversed", "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			ours := unpaidAt("ch_1", s.desk.now.Add(-c.age))
			ours.Channel = c.channel
			s.desk.fails[c.fails] = errBroken
			for what, changes := range c.answers {
				if s.desk.answers[what] = s.desk.charge("ch_1", "1x", "o1", changes...); len(changes) == 1 {
					s.desk.answers[what] = refusedNow
				}
			}
			sure, err := s.Reversals.Undo(t.Context(), s.desk, &ours)
			wantErr(t, err, c.err)
			s.want(t, c.did, "")
			if sure != c.sure {
				t.Errorf("sure %t", sure)
			}
		})
	}
	// Refused, since it was paid or reversed in that moment: its record says so, also where it has lapsed by our clock.
	for _, age := range []time.Duration{time.Minute, 2 * time.Hour} {
		for end, changes := range map[string][]string{"charge.succeeded ch_1 of o1": isPaid, "ch_1 is reversed": isReversed} {
			s := newSitting(t)
			ours := unpaidAt("ch_1", s.desk.now.Add(-age))
			s.desk.answers[get], s.desk.answers[reverseIt], s.desk.then = s.desk.charge("ch_1", "1x", "o1"), refusedNow, map[string]string{get: s.desk.charge("ch_1", "1x", "o1", changes...)}
			if sure, err := s.Reversals.Undo(t.Context(), s.desk, &ours); !sure || err != nil {
				t.Errorf("%t, %v", sure, err)
			}
			s.want(t, get+"; "+reverseIt+"; "+get+"; "+end, "")
		}
	}
	s := newSitting(t)
	s.Reversals.payers = rate.NewLimiter(0, 0)
	ours := unpaidAt("ch_1", s.desk.now)
	if sure, err := s.Reversals.Undo(t.Context(), s.desk, &ours); sure || !errors.Is(err, asking.ErrTooMuch) {
		t.Error(sure, err)
	}
	// One that somebody else has reversed is recorded if it is ours.
	found := &pingpp.Charge{ID: "ch_1", Reversed: true}
	if err := s.Reversals.Record(t.Context(), s.desk, found); !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
	s.desk.known["ch_1"] = &ours
	if err := s.Reversals.Record(t.Context(), s.desk, found); err != nil {
		t.Error(err)
	}
	s.want(t, "ch_1 is reversed", "")
}

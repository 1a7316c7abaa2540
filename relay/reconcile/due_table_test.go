package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
)

// What is done about the charges that are due, and which budget that takes from.
func TestRoundRules(t *testing.T) {
	due := func(change func(*ledger.Charge)) func(*desk) []ledger.Charge {
		return func(d *desk) []ledger.Charge {
			c := unpaidAt("ch_1", d.now.Add(-10*time.Minute))
			if change != nil {
				change(&c)
			}
			return []ledger.Charge{c}
		}
	}
	for name, c := range map[string]struct {
		claimed  func(*desk) []ledger.Charge
		did      string
		observed string
		lists    int
		first    float64 // questions that are left of that budget
	}{
		"none":               {func(*desk) []ledger.Charge { return nil }, "", "", 0, 10},
		"a charge":           {due(nil), get + "; ch_1 in 21m31s", "unpaid", 0, 9},
		"an unknown attempt": {due(func(c *ledger.Charge) { c.ID, c.State = "", ledger.Unknown }), "1x never", "absent", 2, 10},
		"a taken one":        {due(func(c *ledger.Charge) { c.ID, c.State = "", ledger.Taken }), "1x in 10m0s", "error", 1, 10},
		"replaced, not ripe": {due(func(c *ledger.Charge) {
			c.Superseded = true
			c.Created = c.Created.Add(10*time.Minute - 59*time.Second)
		}), "ch_1 superseded in 1s", "", 0, 10},
		"replaced, young, and cannot be reversed": {due(func(c *ledger.Charge) {
			c.Superseded, c.Channel = true, "cb_wx"
			c.Created = c.Created.Add(10*time.Minute - 59*time.Second)
		}), get + "; ch_1 superseded in 1m0s", "unpaid", 0, 9},
		"replaced, and ripe": {due(func(c *ledger.Charge) { c.Superseded = true }), get + "; " + reverseIt + "; " + get + "; ch_1 superseded in 21m31s", "unpaid", 0, 9},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // no question comes back meanwhile
				s := newSitting(t)
				s.desk.claimed, s.desk.answers[get], s.desk.pages = c.claimed(s.desk), s.desk.charge("ch_1", "1x", "o1"), [][]string{{""}, {""}}
				if strings.HasPrefix(name, "a taken") {
					s.desk.pages = nil
				}
				n, err := s.Due.Round(t.Context(), ledger.QueryFirst)
				if n != len(s.desk.claimed) || err != nil {
					t.Error(n, err)
				}
				s.want(t, c.did, c.observed)
				if left := s.Due.questions.First.Tokens(); len(s.desk.listed) != c.lists || left != c.first {
					t.Errorf("%d lists, %v questions are left", len(s.desk.listed), left)
				}
				if got := s.desk.claim; got.Kind != ledger.QueryFirst || got.Owner != "me" || !got.Now.Equal(s.desk.now) || !got.Until.Equal(s.desk.now.Add(time.Minute)) || got.Limit != 100 || got.Scope != s.Due.scope {
					t.Errorf("%+v", got)
				}
			})
		})
	}
	for _, fails := range []string{"open", "ClaimQueries"} {
		s := newSitting(t)
		s.desk.fails[fails] = errBroken
		if n, err := s.Due.Round(t.Context(), ledger.QueryLater); n != 0 || !errors.Is(err, errBroken) {
			t.Error(fails, n, err)
		}
	}
	// When questions are spent nobody is asked: the leases run out.
	s := newSitting(t)
	s.desk.claimed, s.Due.questions.First = due(nil)(s.desk), rate.NewLimiter(0, 0)
	if n, err := s.Due.Round(t.Context(), ledger.QueryFirst); n != 1 || err != nil {
		t.Error(n, err)
	}
	s.want(t, "", "")
	// So it is when this comes too late.
	over, end := context.WithCancel(t.Context())
	end()
	s.desk.claimed = due(func(c *ledger.Charge) { c.ID, c.State = "", ledger.Unknown })(s.desk)
	if n, err := s.Due.Round(over, ledger.QueryFirst); n != 1 || err != nil {
		t.Error(n, err)
	}
	s.want(t, "", "")
}

// From nine charges on a list answers for many.
func TestListRules(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		pages func(*desk, func(...int) string) [][]string
		gets  int // charges that are asked for by themselves
		lists []string
		warn  bool
	}{
		"eight are asked for": {8, func(*desk, func(...int) string) [][]string { return nil }, 8, nil, false},
		"nine are listed": {9, func(_ *desk, items func(...int) string) [][]string {
			return [][]string{{items(8, 7, 6, 5, 4, 3, 2, 1, 0)}}
		}, 0, []string{"0-8"}, false},
		"all but one": {9, func(_ *desk, items func(...int) string) [][]string {
			return [][]string{{"+" + items(8, 7, 6, 5, 4, 3, 2, 1)}}
		}, 1, []string{"0-8"}, false},
		"all but two, and there are no more": {9, func(_ *desk, items func(...int) string) [][]string { return [][]string{{items(8, 7, 6, 5, 4, 3, 2)}} }, 2, []string{"0-8"}, false},
		"on two pages": {9, func(_ *desk, items func(...int) string) [][]string {
			return [][]string{{"+" + items(8, 7, 6, 5), items(4, 3, 2, 1, 0)}}
		}, 0, []string{"0-8", "0-4"}, false},
		"on two pages, from the middle of one second": {9, func(_ *desk, items func(...int) string) [][]string {
			return [][]string{{"+" + items(8, 7, 6, 4), items(5, 3, 2, 1, 0)}}
		}, 0, []string{"0-8", "0-5 after ch_4"}, false},
		"so many lists are not worth it": {9, func(_ *desk, items func(...int) string) [][]string {
			return [][]string{{"+" + items(8), "+" + items(7), items(6)}}
		}, 7, []string{"0-8", "0-7"}, false},
		"nobody answers": {9, func(*desk, func(...int) string) [][]string { return nil }, 9, []string{"0-8"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			at := func(n int) time.Time { return s.desk.now.Add(time.Duration(n)*time.Second - 10*time.Minute) }
			for n := range c.n {
				s.desk.claimed = append(s.desk.claimed, unpaidAt(fmt.Sprint("ch_", n), at(n)))
				s.desk.answers[fmt.Sprint("GET charges/ch_", n)] = s.desk.charge(fmt.Sprint("ch_", n), "1x", "o1")
			}
			s.desk.pages = c.pages(s.desk, func(ns ...int) string {
				var items []string
				for _, n := range ns {
					created := fmt.Sprintf(`"created":%d`, s.desk.now.Unix())
					items = append(items, s.desk.charge(fmt.Sprint("ch_", n), "1x", "o1", created, fmt.Sprintf(`"created":%d`, at(n).Unix())))
				}
				return strings.Join(items, ",")
			})
			if n, err := s.Due.Round(t.Context(), ledger.QueryFirst); n != c.n || err != nil {
				t.Fatal(n, err)
			}
			gets, done := 0, 0
			for _, did := range s.desk.did {
				if strings.HasPrefix(did, "GET") {
					gets++
				} else {
					done++
				}
			}
			if gets != c.gets || done != c.n || len(s.observed) != c.n {
				t.Errorf("%d are asked for by themselves, want %d; %d are done, %d observed", gets, c.gets, done, len(s.observed))
			}
			var lists []string
			for _, span := range c.lists {
				var from, to int
				after := ""
				if n, _ := fmt.Sscanf(span, "%d-%d after %s", &from, &to, &after); n < 2 {
					t.Fatal(span)
				}
				lists = append(lists, between(at(from), at(to), after))
			}
			if !slices.Equal(s.desk.listed, lists) {
				t.Errorf("listed %q\nwant %q", s.desk.listed, lists)
			}
			if warned := s.lines.FilterMessage("charges that are due could not be listed, asking for each by itself").Len() == 1; warned != c.warn {
				t.Errorf("warned %t", warned)
			}
		})
	}
	// What is sought or reversed is no matter of lists, and what cannot be written is said.
	s := newSitting(t)
	for n := range 10 {
		c := unpaidAt(fmt.Sprint("ch_", n), s.desk.now)
		switch n {
		case 3:
			c.ID, c.State = "", ledger.Unknown
		case 4:
			c.Superseded = true
		}
		s.desk.claimed = append(s.desk.claimed, c)
	}
	s.desk.fails["Queried"] = errBroken
	s.desk.pages = [][]string{{strings.Join([]string{s.desk.charge("ch_1", "1x", "o1"), s.desk.charge("ch_4", "1x", "o1"), s.desk.charge("ch_99", "1x", "o1")}, ",")}}
	left := s.Due.list(t.Context(), s.desk, s.Due.questions.Later, s.desk.claimed)
	var ids []string
	for _, c := range left {
		ids = append(ids, c.ID)
	}
	if !slices.Equal(ids, []string{"", "ch_4", "ch_0", "ch_2", "ch_5", "ch_6", "ch_7", "ch_8", "ch_9"}) || s.lines.FilterMessage("a charge could not be looked up").Len() != 1 {
		t.Errorf("%q are left; %v", ids, s.lines.All())
	}
	if all := s.Due.list(t.Context(), s.desk, rate.NewLimiter(0, 0), s.desk.claimed); len(all) != 10 || len(s.desk.listed) != 1 {
		t.Errorf("without questions %d are left, and %q was listed", len(all), s.desk.listed)
	}
	s.Due.logLookUp(t.Context(), &left[0], nil)
	gone, leave := context.WithCancel(t.Context())
	leave()
	s.Due.logLookUp(gone, &left[0], errBroken) // it is told to stop
	if s.lines.FilterMessage("a charge could not be looked up").Len() != 1 {
		t.Errorf("%v", s.lines.All())
	}
}

// What lies ahead because the clock was put back is said, and so is that it could not be looked for.
func TestOverdueRules(t *testing.T) {
	for name, c := range map[string]struct {
		overdue int
		fails   string
		lines   string
	}{
		"none": {0, "", ""}, "one": {1, "", "the clock was put back: what it had left too far ahead is due now"},
		"not opened": {1, "open", "cannot look in the ledger for what is due too late because the clock was put back, trying again in a minute"},
		"not looked": {0, "Overdue", "cannot look in the ledger for what is due too late because the clock was put back, trying again in a minute"},
	} {
		s := newSitting(t)
		s.desk.overdue, s.desk.fails[c.fails] = c.overdue, errBroken
		s.overdue.look(t.Context(), s.desk.now)
		gone, leave := context.WithCancel(t.Context())
		leave()
		if c.fails != "" {
			s.overdue.look(gone, s.desk.now)
		}
		lines := ""
		for _, l := range s.lines.All() {
			lines += l.Message
			if records, ok := l.ContextMap()["records"]; ok && records != int64(c.overdue) {
				t.Errorf("%s: %v", name, records)
			}
		}
		if lines != c.lines {
			t.Errorf("%s: %q, want %q", name, lines, c.lines)
		}
	}
}

// All of an order that is not known is asked for, as long as Ping++ may be asked; what goes wrong with one stops none.
func TestOrderRules(t *testing.T) {
	s := newSitting(t)
	paid, reversed, taken, unknown, reserving, open := unpaidAt("ch_2", s.desk.now), unpaidAt("ch_3", s.desk.now), unknownAt("4x", "o1", s.desk.now), unknownAt("5x", "o1", s.desk.now), unknownAt("6x", "o1", s.desk.now), unpaidAt("ch_1", s.desk.now)
	paid.Paid, reversed.Reversed, taken.State, reserving.State = true, true, ledger.Taken, ledger.Reserving
	s.desk.claimed = []ledger.Charge{paid, reversed, taken, unknown, reserving, open}
	s.desk.answers[get] = s.desk.charge("ch_1", "1x", "o1", isReversed...)
	s.desk.pages = [][]string{{s.desk.charge("ch_4", "4x", "o1", append(isPaid, credential...)...)}, {s.desk.charge("ch_5", "5x", "o1", credential...)}}
	if err := s.Order(t.Context(), "o1"); err != nil {
		t.Error(err)
	}
	s.want(t, "attempts of o1; created ch_4; charge.succeeded ch_4 of o1; "+get+"; ch_1 is reversed; created ch_5; refunds of o1", "reversed")

	s = newSitting(t)
	s.desk.claimed, s.desk.fails["RefundsOf"] = []ledger.Charge{taken, unknown, open}, errBroken
	err := s.Order(t.Context(), "o1")
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 4 || !errors.Is(err, errBroken) {
		t.Errorf("%d errors: %v", n, err)
	}
	s.Charges.questions.Payers = rate.NewLimiter(0, 0)
	s.desk.claimed = []ledger.Charge{open}
	if err := s.Order(t.Context(), "o1"); !errors.Is(err, asking.ErrTooMuch) {
		t.Error(err)
	}
	for _, fails := range []string{"open", "Attempts"} {
		s := newSitting(t)
		s.desk.fails[fails] = errBroken
		if err := s.Order(t.Context(), "o1"); !errors.Is(err, errBroken) {
			t.Error(fails, err)
		}
	}

	// Of an order without attempts it is asked whether it was paid all the same.
	s = newSitting(t)
	s.desk.pages = [][]string{{s.desk.charge("ch_9", "9x", "o9", isPaid...) + "," + s.desk.charge("ch_1", "1x", "o1", isPaid...)}}
	if err := s.Order(t.Context(), "o1"); err != nil {
		t.Error(err)
	}
	s.want(t, "attempts of o1; charge.succeeded ch_1 of o1", "")
}

// A paid charge of an order under whatever number, among the payments of two days.
func TestFindPaymentRules(t *testing.T) {
	const page = "app%%5Bid%%5D=app_test&created%%5Bgte%%5D=%d&limit=100&paid=true%s"
	for name, c := range map[string]struct {
		pages []string
		known *ledger.Charge
		fails string
		found bool
		did   string
		lists int
		err   string
	}{
		"there":                      {[]string{"1 o1 paid"}, nil, "", true, "charge.succeeded ch_1 of o1", 1, ""},
		"on the second page":         {[]string{"9 o9 paid", "1 o1 paid"}, nil, "", true, "charge.succeeded ch_1 of o1", 2, ""},
		"of another order":           {[]string{"1 o9 paid"}, nil, "", false, "", 1, ""},
		"not paid":                   {[]string{"1 o1"}, nil, "", false, "", 1, ""},
		"known to be paid":           {[]string{"1 o1 paid"}, &ledger.Charge{Paid: true}, "", false, "", 1, ""},
		"known, and not to be paid":  {[]string{"1 o1 paid"}, &ledger.Charge{OrderNo: "o1"}, "", true, "charge.succeeded ch_1 of o1", 1, ""},
		"not read":                   {[]string{"1 o1 paid"}, nil, "Charge", false, "", 1, "the disk is full"},
		"not written":                {[]string{"1 o1 paid"}, nil, "Append", true, "charge.succeeded ch_1 of o1", 1, "the disk is full"},
		"no answer":                  {nil, nil, "", false, "", 1, "none"},
		"more than can be looked at": {slices.Repeat([]string{"9 o9 paid"}, findPages+1), nil, "", false, "", findPages, "only the newest payments could be looked through, 10000 of them"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			s.desk.fails[c.fails] = errBroken
			s.Attempts.questions.Payers = rate.NewLimiter(rate.Inf, 1)
			if c.known != nil {
				s.desk.known["ch_1"] = c.known
			}
			var pages []string
			for _, p := range c.pages {
				words := strings.Fields(p)
				var changes []string
				if len(words) > 2 {
					changes = isPaid
				}
				pages = append(pages, s.desk.charge("ch_"+words[0], words[0]+"x", words[1], changes...))
			}
			if s.desk.pages = [][]string{pages}; c.pages == nil {
				s.desk.pages = nil
			}
			found, err := s.Attempts.FindPayment(t.Context(), s.desk, "o1")
			wantErr(t, err, c.err)
			s.want(t, c.did, "")
			if found != c.found || len(s.desk.listed) != c.lists || s.desk.listed[0] != fmt.Sprintf(page, s.desk.now.Add(-paidSince).Unix(), "") ||
				c.lists == 2 && s.desk.listed[1] != fmt.Sprintf(page, s.desk.now.Add(-paidSince).Unix(), "&starting_after=ch_9") {
				t.Errorf("found %t, listed %q", found, s.desk.listed)
			}
		})
	}
	// When the time is over the newest have been looked through, or none.
	for hangs, newest := range map[int]bool{1: false, 2: true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSitting(t)
			s.desk.pages, s.desk.hangs = [][]string{{"+" + s.desk.charge("ch_9", "9x", "o9", isPaid...)}}, hangs
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			found, err := s.Attempts.FindPayment(ctx, s.desk, "o1")
			if found || err == nil || errors.Is(err, ErrNewestOnly) != newest || newest && !strings.Contains(err.Error(), "looked through, 100 of them: ") {
				t.Errorf("at list %d: %t, %v", hangs, found, err)
			}
		})
	}
	s := newSitting(t) // what goes wrong in time is no matter of time
	s.desk.pages = [][]string{{"+" + s.desk.charge("ch_9", "9x", "o9", isPaid...)}}
	if found, err := s.Attempts.FindPayment(t.Context(), s.desk, "o1"); found || err == nil || errors.Is(err, ErrNewestOnly) {
		t.Error(found, err)
	}
	s = newSitting(t)
	s.desk.pages, s.desk.known["ch_1"] = [][]string{{s.desk.charge("ch_1", "1x", "o1", isPaid...)}}, &ledger.Charge{ID: "ch_1", OrderNo: "o1", Host: "pay.example.com"}
	if found, err := s.Attempts.FindPayment(t.Context(), s.desk, "o1"); !found || err != nil || s.desk.host != "pay.example.com" {
		t.Errorf("%t, %v, for %q", found, err, s.desk.host)
	}
	// A charge that names another order is another's, also where the number is this order's own.
	s = newSitting(t)
	taken := unknownAt("o1", "o1", s.desk.now)
	taken.State = ledger.Taken
	s.desk.pages = [][]string{{s.desk.charge("ch_1", "o1", "o9", isPaid...)}}
	if holder, err := s.Attempts.FindPaid(t.Context(), s.desk, &taken); holder != HolderOther || err != nil {
		t.Errorf("%q, %v", holder, err)
	}
}

// Whose a payment was that was made beside this ledger, only its openid can say.
func TestTakenIsWhose(t *testing.T) {
	for name, c := range map[string]struct {
		changes []string
		payer   string
	}{
		"the same": {nil, "oA"}, "another openid": {[]string{`"open_id":"oA"`, `"open_id":"oB"`}, ""}, "none": {[]string{`"extra":{"open_id":"oA"}`, `"extra":[]`}, ""},
		"another channel": {[]string{`"channel":"wx_lite"`, `"channel":"wx_pub"`}, ""},
	} {
		s := newSitting(t)
		taken := unknownAt("1x", "o1", s.desk.now)
		taken.State = ledger.Taken
		s.desk.pages = [][]string{{"+" + s.desk.charge("ch_8", "1x", "o1") + "," + s.desk.charge("ch_9", "8x", "o1", isPaid...), s.desk.charge("ch_1", "1x", "", append(append(slices.Clone(isPaid), credential...), c.changes...)...)}}
		holder, err := s.Attempts.FindPaid(t.Context(), s.desk, &taken)
		if holder != HolderUnknown || err != nil { // the number alone does not tell, where it is not the order's own
			t.Errorf("%s: %q, %v", name, holder, err)
		}
		s = newSitting(t)
		taken.Number = "o1"
		s.desk.pages = [][]string{{"+" + s.desk.charge("ch_8", "o1", "o1"), s.desk.charge("ch_1", "o1", "", append(append(slices.Clone(isPaid), credential...), c.changes...)...)}}
		holder, err = s.Attempts.FindPaid(t.Context(), s.desk, &taken)
		if holder != HolderOrder || err != nil || len(s.desk.created) != 1 || s.desk.created[0].Payer != c.payer || (s.desk.created[0].PayerAppID == "") != (c.payer == "") {
			t.Errorf("%s: %q, %v, %+v", name, holder, err, s.desk.created)
		}
		if want := fmt.Sprintf("app%%5Bid%%5D=app_test&created%%5Bgte%%5D=%d&limit=100&paid=true", s.desk.now.Add(-takenSince).Unix()); s.desk.listed[0] != want || s.desk.listed[1] != want+"&starting_after=ch_8" {
			t.Errorf("listed %q, want %q", s.desk.listed, want)
		}
	}
}

// The time in which charges were created.
func TestWindowRules(t *testing.T) {
	at := func(sec int64) *ledger.Charge { return &ledger.Charge{Created: time.Unix(sec, 0)} }
	for want, cs := range map[[2]int64]map[string]*ledger.Charge{{5, 5}: {"a": at(5)}, {5, 9}: {"a": at(7), "b": at(5), "c": at(9)}} {
		if got := window(cs); got != (pingpp.ListParams{Limit: 100, CreatedGTE: want[0], CreatedLTE: want[1]}) {
			t.Errorf("%+v", got)
		}
	}
}

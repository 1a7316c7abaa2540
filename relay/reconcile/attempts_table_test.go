package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// unknownAt is an attempt of ours whose answer was lost.
func unknownAt(number, orderNo string, created time.Time) ledger.Charge {
	return ledger.Charge{Scope: relaytest.Scope, OrderNo: orderNo, Number: number, State: ledger.Unknown, Channel: "wx_lite", Payer: "oA", PayerAppID: "wx1", Host: "pay.example.com",
		Amount: 7, Currency: "usd", Created: created}
}

func between(from, to time.Time, after string) string {
	q := fmt.Sprintf("app%%5Bid%%5D=app_test&created%%5Bgte%%5D=%d&created%%5Blte%%5D=%d&limit=100", from.Unix(), to.Unix())
	if after != "" {
		q += "&starting_after=" + after
	}
	return q
}

// Where the charges of unknown attempts are looked for, and which are taken for theirs.
func TestWhereAttemptsAreFound(t *testing.T) {
	const sec, m = time.Second, time.Minute
	both := [][2]time.Duration{{-5 * sec, m}, {-5 * m, 15 * m}}
	for name, c := range map[string]struct {
		ages  []time.Duration // of attempts 1x, 2x…, of orders o1, o2…
		pages func(*desk) [][]string
		found int
		did   string
		spans [][2]time.Duration // around now, of each question
		err   string
	}{
		"at once": {[]time.Duration{0}, func(d *desk) [][]string { return [][]string{{d.charge("ch_1", "1x", "o1", credential...)}} }, 1, "created ch_1", [][2]time.Duration{{-5 * sec, m}}, ""},
		"of two, the older first": {[]time.Duration{m, 3 * m}, func(d *desk) [][]string {
			return [][]string{{d.charge("ch_2", "2x", "o2", credential...), d.charge("ch_1", "1x", "o1", credential...)}}
		}, 2, "created ch_2; created ch_1", [][2]time.Duration{{-3*m - 5*sec, 0}, {-3*m - 5*sec, 0}}, ""},
		"of two, the younger first": {[]time.Duration{3 * m, m}, func(d *desk) [][]string {
			return [][]string{{d.charge("ch_2", "2x", "o2", credential...) + "," + d.charge("ch_1", "1x", "o1", credential...), "never"}}
		}, 2, "created ch_2; created ch_1", [][2]time.Duration{{-3*m - 5*sec, 0}}, ""},
		"later":                     {[]time.Duration{0}, func(d *desk) [][]string { return [][]string{{""}, {d.charge("ch_1", "1x", "o1", credential...)}} }, 1, "created ch_1", both, ""},
		"nowhere":                   {[]time.Duration{0}, func(d *desk) [][]string { return [][]string{{""}, {""}} }, 0, "", both, ""},
		"of another system":         {[]time.Duration{0}, func(d *desk) [][]string { return [][]string{{d.charge("ch_1", "1x", "", credential...)}, {""}} }, 0, "", both, ""},
		"of another of our orders":  {[]time.Duration{0}, func(d *desk) [][]string { return [][]string{{d.charge("ch_1", "1x", "o9", credential...)}, {""}} }, 0, "", both, ""},
		"by another number":         {[]time.Duration{0}, func(d *desk) [][]string { return [][]string{{d.charge("ch_1", "9x", "o1", credential...)}, {""}} }, 0, "", both, ""},
		"one of two, and no answer": {[]time.Duration{0, 0}, func(d *desk) [][]string { return [][]string{{d.charge("ch_1", "1x", "o1", credential...)}} }, 1, "created ch_1", both, "none"},
		"nobody answers":            {[]time.Duration{0}, func(d *desk) [][]string { return nil }, 0, "", both[:1], "none"},
		"it cannot be recorded": {[]time.Duration{0}, func(d *desk) [][]string {
			d.fails["Created"] = errBroken
			return [][]string{{d.charge("ch_1", "1x", "o1", credential...)}}
		}, 0, "created ch_1", both[:1], "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			var unknown []ledger.Charge
			for i, age := range c.ages {
				unknown = append(unknown, unknownAt(fmt.Sprint(i+1, "x"), fmt.Sprint("o", i+1), s.desk.now.Add(-age)))
			}
			s.desk.pages = c.pages(s.desk)
			found, err := s.Attempts.Find(t.Context(), s.desk, unknown)
			wantErr(t, err, c.err)
			s.want(t, c.did, "")
			var asked []string
			for i, span := range c.spans {
				after := ""
				if i == 1 && c.spans[0] == c.spans[1] {
					after = "ch_2"
				}
				asked = append(asked, between(s.desk.now.Add(span[0]), s.desk.now.Add(span[1]), after))
			}
			if found != c.found || !slices.Equal(s.desk.listed, asked) {
				t.Errorf("found %d, want %d; asked %q\nwant %q", found, c.found, s.desk.listed, asked)
			}
		})
	}
	s := newSitting(t)
	s.desk.pages = [][]string{slices.Repeat([]string{s.desk.charge("ch_9", "9x", "o9")}, findPages+1)}
	s.Attempts.questions.Later = rate.NewLimiter(rate.Inf, 1)
	found, err := s.Attempts.find(t.Context(), s.desk, s.Attempts.questions.Later, []ledger.Charge{unknownAt("1x", "o1", s.desk.now)})
	if wantErr(t, err, "more than 10000 charges were created around"); found != 0 || len(s.desk.listed) != findPages {
		t.Errorf("%d after %d pages", found, len(s.desk.listed))
	}
	s.Attempts.questions.Payers = rate.NewLimiter(0, 0)
	if _, err := s.Attempts.Find(t.Context(), s.desk, []ledger.Charge{unknownAt("1x", "o1", s.desk.now)}); !errors.Is(err, asking.ErrTooMuch) {
		t.Error(err)
	}
}

// What is recorded of a charge that was found.
func TestWhatIsRecordedOfAFoundCharge(t *testing.T) {
	for name, c := range map[string]struct {
		listed, whole []string // changes
		did           string
		reversed, raw bool
	}{
		"with its credential":          {credential, nil, "created ch_1", false, true},
		"without it in the list":       {nil, credential, "GET charges/ch_1; created ch_1", false, true},
		"without any":                  {nil, []string{}, "GET charges/ch_1; created ch_1", false, false},
		"without any, and not told":    {nil, nil, "GET charges/ch_1; created ch_1", false, false},
		"reversed":                     {isReversed, nil, "created ch_1", true, false},
		"paid":                         {isPaid, nil, "created ch_1; charge.succeeded ch_1 of o1", false, false},
		"paid by the time it is asked": {nil, isPaid, "GET charges/ch_1; created ch_1; charge.succeeded ch_1 of o1", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			other := []string{fmt.Sprintf(`"created":%d`, s.desk.now.Unix()), fmt.Sprintf(`"created":%d`, s.desk.now.Unix()+9)}
			s.desk.pages = [][]string{{s.desk.charge("ch_1", "1x", "o1", append(c.listed, other...)...)}}
			if c.whole != nil {
				s.desk.answers["GET charges/ch_1"] = s.desk.charge("ch_1", "1x", "o1", append(c.whole, other...)...)
			}
			ours := unknownAt("1x", "o1", s.desk.now)
			if found, err := s.Attempts.Find(t.Context(), s.desk, []ledger.Charge{ours}); found != 1 || err != nil {
				t.Fatal(found, err)
			}
			s.want(t, c.did, "")
			if got := s.desk.host; got != map[bool]string{true: "pay.example.com"}[strings.Contains(c.did, "charge.succeeded")] {
				t.Errorf("the event is for %q", got)
			}
			got := s.desk.created[0]
			if got.State != ledger.Open || got.ID != "ch_1" || got.Channel != "wx_lite" || got.Amount != 100 || got.Currency != "cny" || !got.Quoted.Equal(s.desk.now) ||
				!got.Created.Equal(s.desk.now.Add(9*time.Second).Truncate(time.Second)) || !got.TimeExpire.Equal(s.desk.now.Add(2*time.Hour).Truncate(time.Second)) || got.Reversed != c.reversed ||
				!got.NextQuery.Equal(s.desk.now) || got.Fingerprint == "" || (got.Raw != nil) != c.raw || got.OrderNo != "o1" || got.Number != "1x" || got.Payer != "oA" || got.Host != "pay.example.com" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What a look-up of an attempt that is unknown, or taken, brings, and when the next is: by its age, and by what Ping++ lists.
func TestSeekRules(t *testing.T) {
	const m, h = time.Minute, time.Hour
	none := func(*desk) [][]string { return [][]string{{""}, {""}} }
	nobody := func(*desk) [][]string { return nil }
	ours := func(d *desk) [][]string {
		return [][]string{{d.charge("ch_1", "1x", "o1", append(isPaid, credential...)...)}}
	}
	other := func(d *desk) [][]string { return [][]string{{d.charge("ch_1", "1x", "o9", isPaid...)}} }
	for name, c := range map[string]struct {
		taken    bool
		age      time.Duration
		pages    func(*desk) [][]string
		fails    string
		did      string
		observed string
		err      string
		line     string
	}{
		"found":                         {false, m, ours, "", "created ch_1; charge.succeeded ch_1 of o1", "found", "", "charge of an unknown attempt found"},
		"absent":                        {false, 2 * m, none, "", "1x in 2m0s", "absent", "", ""},
		"absent for nearly as long":     {false, findUntil - 1, none, "", "1x in 5m0s", "absent", "", ""},
		"absent for long":               {false, findUntil, none, "", "1x never", "absent", "", "Ping++ has no charge for an attempt that got no answer"},
		"no answer":                     {false, 2 * m, nobody, "", "1x in 2m0s", "error", "none", ""},
		"no answer for long":            {false, errorsUntil, nobody, "", "1x never", "error", "none", ""},
		"no answer for nearly":          {false, errorsUntil - 1, nobody, "", "1x in 6h0m0s", "error", "none", ""},
		"not written":                   {false, 2 * m, nobody, "Queried", "1x in 2m0s", "error", "the disk is full", ""},
		"taken, and found":              {true, m, ours, "", "created ch_1; charge.succeeded ch_1 of o1", "found", "", "the order was paid outside of this ledger; the payment is recorded and delivered"},
		"taken, and absent":             {true, 2 * m, none, "", "1x in 2m0s", "absent", "", ""},
		"taken, and no answer":          {true, 2 * m, nobody, "", "1x in 2m0s", "error", "none", ""},
		"taken, absent for nearly":      {true, takenUntil - 1, none, "", "1x in 6h0m0s", "absent", "", ""},
		"taken, and absent for long":    {true, takenUntil, none, "", "1x never", "absent", "", "the channel says that an order is paid, and Ping++ lists no paid charge of its number; nobody is charged for it again"},
		"taken, no answer for long":     {true, takenUntil, nobody, "", "1x never", "error", "none", "the channel says that an order is paid, and Ping++ lists no paid charge of its number; nobody is charged for it again"},
		"taken, by another order":       {true, 24 * h, other, "", "released 1x as refused", "found", "", ""},
		"taken, another's, not written": {true, 2 * m, other, "Release", "released 1x as refused; 1x in 2m0s", "error", "the disk is full", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			s.desk.pages, s.desk.fails[c.fails] = c.pages(s.desk), errBroken
			attempt, seek := unknownAt("1x", "o1", s.desk.now.Add(-c.age)), s.Attempts.seek
			if c.taken {
				attempt.State, seek = ledger.Taken, s.Attempts.seekPaid
			}
			err := seek(t.Context(), s.desk, &attempt)
			wantErr(t, err, c.err)
			s.want(t, c.did, c.observed)
			if c.line != "" && s.lines.FilterMessage(c.line).Len() != 1 || c.line == "" && s.lines.Len() != 0 {
				t.Errorf("%v", s.lines.All())
			}
		})
	}
}

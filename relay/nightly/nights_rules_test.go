package nightly

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// nightBooks are books that also know how far the comparison has come.
type nightBooks struct {
	*books
	from    []time.Time // of the claims, one after the other
	granted []bool
	claims  []ledger.SweepClaim
	swept   []ledger.Swept
}

func (b *nightBooks) ClaimSweep(_ context.Context, c ledger.SweepClaim) (time.Time, bool, error) {
	n := len(b.claims)
	b.claims = append(b.claims, c)
	return b.from[n], b.granted[n], b.fails["ClaimSweep"]
}

func (b *nightBooks) Swept(_ context.Context, s ledger.Swept) error {
	b.swept = append(b.swept, s)
	return b.fails["Swept"]
}

func newNights(t *testing.T, b *nightBooks, p *there) (*Nights, *observer.ObservedLogs) {
	t.Helper()
	b.books = &books{charges: map[string]*ledger.Charge{}, fails: map[string]error{}}
	n := newComparison(t, b.books, p)
	n.Ledger = func(context.Context) (ledger.Ledger, error) { return b, b.fails["open"] }
	n.Now = func() time.Time { return theDay.AddDate(0, 0, 2).Add(3 * time.Hour) } // two days are over
	core, lines := observer.New(zap.DebugLevel)
	return &Nights{Comparison: n, Owner: "me", Logger: zap.New(core)}, lines
}

// Which days are compared, and when somebody looks again.
func TestNightsRules(t *testing.T) {
	broken := errors.New("the disk is full")
	due := theDay.AddDate(0, 0, 2)
	zero := time.Time{}
	for name, c := range map[string]struct {
		from     []time.Time
		granted  []bool
		fails    string
		wait     time.Duration // 0: until the next night, an hour at most
		err      string
		swept    []time.Time // up to where; zero: no farther
		compared []string
	}{
		"nothing to compare":        {[]time.Time{zero}, []bool{false}, "", 0, "", nil, nil},
		"all is compared":           {[]time.Time{due}, []bool{false}, "", 0, "", nil, nil},
		"another compares":          {[]time.Time{theDay}, []bool{false}, "", sweepLease, "", nil, nil},
		"a day":                     {[]time.Time{theDay.AddDate(0, 0, 1), due}, []bool{true, false}, "", 0, "", []time.Time{due}, []string{"2026-11-23"}},
		"two days":                  {[]time.Time{theDay.Add(7 * time.Hour), theDay.AddDate(0, 0, 1), due}, []bool{true, true, false}, "", 0, "", []time.Time{theDay.AddDate(0, 0, 1), due}, []string{"2026-11-22", "2026-11-23"}},
		"the ledger is not opened":  {nil, nil, "open", 0, "the disk is full", nil, nil},
		"no claim":                  {[]time.Time{zero}, []bool{true}, "ClaimSweep", 0, "the disk is full", nil, nil},
		"a day that is not read":    {[]time.Time{theDay}, []bool{true}, "ChargesCreated", 0, "2026-11-22: the disk is full", []time.Time{zero}, nil},
		"a day that is not written": {[]time.Time{theDay}, []bool{true}, "Swept", 0, "the disk is full", []time.Time{theDay.AddDate(0, 0, 1)}, []string{"2026-11-22"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &nightBooks{from: c.from, granted: c.granted}
			n, lines := newNights(t, b, &there{})
			b.fails[c.fails] = broken
			wait, err := n.catchUp(t.Context())
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("%v", err)
			}
			want := c.wait
			if want == 0 && err == nil {
				want = min(n.untilSweep(n.Now()), sweepAgain)
			}
			if wait != want {
				t.Errorf("waits %s, want %s", wait, want)
			}
			var swept []time.Time
			for _, s := range b.swept {
				if swept = append(swept, s.To); s.Owner != "me" || s.Scope != n.Scope {
					t.Errorf("%+v", s)
				}
			}
			if fmt.Sprint(swept) != fmt.Sprint(c.swept) {
				t.Errorf("up to %v, want %v", swept, c.swept)
			}
			var compared []string
			for _, l := range lines.All() {
				if l.Message == "day compared with Ping++" && l.Level == zap.InfoLevel {
					compared = append(compared, l.ContextMap()["date"].(string))
				}
			}
			if fmt.Sprint(compared) != fmt.Sprint(c.compared) {
				t.Errorf("compared %v, want %v", compared, c.compared)
			}
			for _, claim := range b.claims {
				if claim.Owner != "me" || !claim.To.Equal(due) || !claim.Now.Equal(n.Now()) || !claim.Until.Equal(n.Now().Add(sweepLease)) || claim.Scope != n.Scope {
					t.Errorf("%+v", claim)
				}
			}
		})
	}
	if n, _ := newNights(t, &nightBooks{}, &there{}); n.untilSweep(n.Now()) <= sweepAgain {
		t.Error("this test is about a time of the day that is far from the night")
	}
}

// A day that fails is tried as often as may be, and then left out; what is too long ago is not compared.
func TestNightsThatFail(t *testing.T) {
	broken := errors.New("the disk is full")
	b := &nightBooks{}
	n, lines := newNights(t, b, &there{})
	b.fails["ChargesCreated"] = broken
	claim := ledger.SweepClaim{Scope: n.Scope, Owner: "me", To: theDay.AddDate(0, 0, 2)}
	for try := range sweepTries {
		err := n.sweepFrom(t.Context(), b, claim, theDay)
		last := try == sweepTries-1
		if left := lines.FilterMessage("a day could not be compared with Ping++ and is left out; run caddy pay reconcile --date when the cause is mended").Len() == 1; (err == nil) != last || left != last || n.failed != (try+1)%sweepTries ||
			b.swept[try].To.IsZero() == last {
			t.Fatalf("try %d: %v, %+v", try, err, b.swept[try])
		}
	}
	if to := b.swept[sweepTries-1].To; !to.Equal(theDay.AddDate(0, 0, 1)) {
		t.Errorf("up to %s", to)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := n.sweepFrom(gone, b, claim, theDay); err == nil || n.failed != 0 {
		t.Errorf("%v, %d", err, n.failed)
	}

	b.fails = map[string]error{}
	lines.TakeAll()
	oldest := claim.To.AddDate(0, 0, -sweepDays)
	for from, skipped := range map[time.Time]bool{oldest: false, oldest.Add(-1): true, oldest.AddDate(0, 0, -9): true} {
		b.swept = nil
		n.failed = 3
		if err := n.sweepFrom(t.Context(), b, claim, from); err != nil || n.failed != 0 || !b.swept[0].To.Equal(oldest.AddDate(0, 0, 1)) {
			t.Errorf("from %s: %v, up to %s", from, err, b.swept[0].To)
		}
		if said := lines.FilterMessage("days that were over long ago are not compared with Ping++; run caddy pay reconcile --date for each of them").Len() == 1; said != skipped {
			t.Errorf("from %s: said %t", from, said)
		}
		lines.TakeAll()
	}
}

// What differs is a warning, and so is a day that is cut; what went back in the month before is looked for once, for the last day that is over.
func TestNightsSay(t *testing.T) {
	n, lines := newNights(t, &nightBooks{}, &there{})
	for _, c := range []struct {
		s     Sweep
		level string
		text  string
	}{
		{Sweep{Date: "d", AtPingpp: 1, InLedger: 2, Recovered: 3, Returned: 4}, "info", "day compared with Ping++"},
		{Sweep{Date: "d", OnlyThere: make([]Item, 5), OnlyHere: make([]Item, 6), Differ: make([]Item, 7)}, "warn", "day compared with Ping++"},
		{Sweep{Date: "d", Cut: true}, "warn", "day compared with Ping++, but not whole: it has more charges than can be compared"},
	} {
		n.report(&c.s)
		l := lines.TakeAll()[0]
		m := l.ContextMap()
		if l.Level.String() != c.level || l.Message != c.text || m["at_pingpp"] != int64(c.s.AtPingpp) || m["in_ledger"] != int64(c.s.InLedger) || m["recovered"] != int64(c.s.Recovered) || m["returned"] != int64(c.s.Returned) ||
			m["only_there"] != int64(len(c.s.OnlyThere)) || m["only_here"] != int64(len(c.s.OnlyHere)) || m["differ"] != int64(len(c.s.Differ)) || m["cut"] != c.s.Cut {
			t.Errorf("%s %s %v", l.Level, l.Message, m)
		}
	}
	for day, lists := range map[time.Time]int{theDay: 1, theDay.AddDate(0, 0, 1): 2} {
		b, p := &nightBooks{}, &there{}
		n, _ := newNights(t, b, p)
		if _, err := n.sweepHeld(t.Context(), b, ledger.SweepClaim{To: theDay.AddDate(0, 0, 2)}, day); err != nil || len(p.asked) != lists {
			t.Errorf("%s: %d lists, %v", day, len(p.asked), err)
		}
	}
}

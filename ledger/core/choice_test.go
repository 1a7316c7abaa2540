package core

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestAllows: what a person may decide about an event.
func TestAllows(t *testing.T) {
	leases := Span{noon, at(120)}
	all := []ledger.State{ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Held, ledger.Discarded, ledger.Filtered}
	for action, allowed := range map[ledger.Action][]ledger.State{
		ledger.ActionReplay:  {ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Discarded, ledger.Filtered},
		ledger.ActionRelease: {ledger.Held},
		ledger.ActionDiscard: {ledger.Held, ledger.Pending, ledger.Dead},
	} {
		for _, state := range all {
			e := &Event{Event: ledger.Event{ID: "evt_1", State: state}, HasBody: true}
			err := e.allows(ledger.Decision{EventID: "evt_1", Action: action}, leases)
			if slices.Contains(allowed, state) != (err == nil) || err != nil && (!errors.Is(err, ledger.ErrState) || !strings.Contains(err.Error(), "evt_1 is "+string(state))) {
				t.Errorf("%s of one that is %s: %v", action, state, err)
			}
		}
	}
	for name, c := range map[string]struct {
		event  Event
		action ledger.Action
		want   string
	}{
		"pruned, replayed":                {Event{Event: ledger.Event{State: ledger.Dead}}, ledger.ActionReplay, "pruned"},
		"pruned, released":                {Event{Event: ledger.Event{State: ledger.Held}}, ledger.ActionRelease, ""},
		"under way, discarded":            {Event{Event: ledger.Event{State: ledger.Pending}, Owner: "a", Until: at(9)}, ledger.ActionDiscard, "being delivered right now"},
		"the lease ran out, discarded":    {Event{Event: ledger.Event{State: ledger.Pending}, Owner: "a", Until: noon}, ledger.ActionDiscard, ""},
		"leased much too long, discarded": {Event{Event: ledger.Event{State: ledger.Pending}, Owner: "a", Until: at(121)}, ledger.ActionDiscard, ""},
		"under way, replayed":             {Event{Event: ledger.Event{State: ledger.Pending}, Owner: "a", Until: at(9), HasBody: true}, ledger.ActionReplay, ""},
	} {
		err := c.event.allows(ledger.Decision{Action: c.action}, leases)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestHurry: a pending event that a person wants delivered at once.
func TestHurry(t *testing.T) {
	leases := Span{noon, at(120)}
	for name, c := range map[string]struct{ due, until, wantDue, wantUntil time.Time }{
		"due later":            {at(60), never, noon, never},
		"due already":          {at(-60), never, at(-60), never},
		"under way":            {at(60), at(9), noon, at(9)},
		"leased much too long": {at(60), at(121), noon, never},
	} {
		e := &Event{Event: ledger.Event{Due: c.due}, Owner: "a", Until: c.until}
		e.hurry(noon, leases)
		if !e.Due.Equal(c.wantDue) || !e.Until.Equal(c.wantUntil) || e.Owner != "a" { // something may have been sent
			t.Errorf("%s: due %s, until %s, of %q", name, e.Due, e.Until, e.Owner)
		}
	}
}

// TestTellable: the backend hears which money check failed, and not why something was filtered.
func TestTellable(t *testing.T) {
	equal(t, "all", tellable([]string{"amount", "effect_seen", "currency", "type", "payment_held", "no_app", "reversed"}), []string{"amount", "currency", "reversed"})
	equal(t, "none", tellable([]string{"type"}), []string(nil))
}

// TestWhose: which charge an event is the payment of, and which could not be read.
func TestWhose(t *testing.T) {
	e := Event{Event: ledger.Event{Seq: 7, Type: "charge.succeeded", ChargeID: "ch_1", State: ledger.Held, Reasons: []string{"unreadable"}}}
	for name, c := range map[string]struct {
		event                     Event
		charge                    *Charge
		payment, awaits, unreadOf bool
	}{
		"no charge":               {e, nil, false, true, false},
		"its payment":             {e, &Charge{Payment: 7}, true, true, false},
		"another's payment":       {e, &Charge{Payment: 8}, false, true, false},
		"cannot be read":          {e, &Charge{Hold: Unread}, false, true, true},
		"a refund, not read":      {with(e, func(e *Event) { e.Type = "refund.succeeded" }), &Charge{Hold: Unread}, false, true, false},
		"of no charge":            {with(e, func(e *Event) { e.ChargeID = "" }), nil, false, false, false},
		"held for another reason": {with(e, func(e *Event) { e.Reasons = []string{"amount"} }), nil, false, false, false},
		"for several":             {with(e, func(e *Event) { e.Reasons = []string{"unreadable", "amount"} }), nil, false, false, false},
		"pending":                 {with(e, func(e *Event) { e.State = ledger.Pending }), nil, false, false, false},
	} {
		if got := c.event.isPaymentOf(c.charge); got != c.payment {
			t.Errorf("%s: its payment %t", name, got)
		}
		if got := c.event.awaitsReading(); got != c.awaits {
			t.Errorf("%s: to be read %t", name, got)
		}
		if got := c.event.unreadOf(c.charge); got != c.unreadOf {
			t.Errorf("%s: its hold %t", name, got)
		}
	}
}

// TestOutcome: what a delivery makes of an event.
func TestOutcome(t *testing.T) {
	d := ledger.Delivery{At: noon, Took: 2 * time.Second, Due: at(60), Back: at(30)}
	for state, c := range map[ledger.State]struct {
		want     Outcome
		recorded ledger.Delivery
	}{
		ledger.Pending:   {Outcome{State: ledger.Pending, Counted: true, Due: at(60), Back: at(30)}, with(d, func(d *ledger.Delivery) { d.State, d.Back = ledger.Pending, never })},
		ledger.Delivered: {Outcome{State: ledger.Delivered, Counted: true, Settled: at(2)}, with(d, func(d *ledger.Delivery) { d.State, d.Due, d.Back = ledger.Delivered, never, never })},
		ledger.Dead:      {Outcome{State: ledger.Dead, Counted: true, Settled: at(2)}, with(d, func(d *ledger.Delivery) { d.State, d.Due, d.Back = ledger.Dead, never, never })},
	} {
		d.State = state
		equal(t, string(state), outcome(d), c.want)
		equal(t, string(state), kept(d), c.recorded)
	}
	d.State, d.Uncounted = ledger.Pending, true
	equal(t, "uncounted", outcome(d), Outcome{State: ledger.Pending, Due: at(60), Back: at(30)})

	for state, settled := range map[ledger.State]time.Time{ledger.Pending: at(5), ledger.Dead: at(5), ledger.Delivered: at(1)} {
		e := Event{Event: ledger.Event{State: state, Settled: at(1), Attempts: 3, Tries: 1, Due: at(9)}, Owner: "a", Until: at(9), Blocked: true}
		e.acknowledge(at(5))
		equal(t, "acknowledged when "+string(state), e, Event{Event: ledger.Event{State: ledger.Delivered, Settled: settled, Acks: 1, Attempts: 4, Tries: 2}})
	}
}

// TestWithholdable: a refund that somebody is delivering is not recalled.
func TestWithholdable(t *testing.T) {
	for name, c := range map[string]struct {
		owner string
		until time.Time
		want  bool
	}{
		"free": {"", never, true}, "under way": {"a", at(9), false}, "ran out": {"a", noon, true}, "leased much too long": {"a", at(121), true}, "as long as may be": {"a", at(120), false},
	} {
		if got := (&Event{Owner: c.owner, Until: c.until}).withholdable(noon); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestLanes: how an event that becomes pending stands to the first of its lane.
func TestLanes(t *testing.T) {
	first := &Place{Seq: 5, Rank: 1, Created: noon}
	for name, c := range map[string]struct {
		first  *Place
		event  ledger.Event
		ahead  bool
		behind int64
	}{
		"an empty lane":                            {nil, ledger.Event{}, false, 0},
		"itself":                                   {first, ledger.Event{Seq: 5, Rank: 9}, false, 0},
		"of a later rank":                          {first, ledger.Event{Rank: 2, Created: at(-9)}, true, 0},
		"of an earlier rank":                       {first, ledger.Event{Rank: 0, Created: at(9)}, false, 5},
		"created later":                            {first, ledger.Event{Rank: 1, Created: at(1)}, true, 0},
		"created earlier":                          {first, ledger.Event{Rank: 1, Created: at(-1)}, false, 5},
		"its equal, new":                           {first, ledger.Event{Rank: 1, Created: noon}, true, 0},
		"its equal, recorded before":               {first, ledger.Event{Seq: 4, Rank: 1, Created: noon}, false, 5},
		"its equal, recorded after":                {first, ledger.Event{Seq: 6, Rank: 1, Created: noon}, true, 0},
		"created at what is kept as the same time": {first, ledger.Event{Rank: 1, Created: noon.Add(time.Microsecond)}, true, 0},
	} {
		ahead, behind := event(c.event).queue(c.first)
		if ahead != c.ahead || behind != c.behind {
			t.Errorf("%s: ahead %t, behind %d", name, ahead, behind)
		}
	}
}

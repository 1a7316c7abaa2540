package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestKind: which look-ups are the urgent ones.
func TestKind(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Charge)
		want   ledger.QueryKind
	}{
		"the first":                     {func(*Charge) {}, ledger.QueryFirst},
		"the client has seen something": {func(c *Charge) { c.Client.At, c.NextQuery = at(30), at(30) }, ledger.QueryTold},
		"it was looked up since":        {func(c *Charge) { c.Client.At, c.Queries = at(29), 1 }, ledger.QueryLater},
		"the second":                    {func(c *Charge) { c.Queries = 1 }, ledger.QueryLater},
		"superseded":                    {func(c *Charge) { c.Superseded = true }, ledger.QueryLater},
		"unknown":                       {func(c *Charge) { c.State = ledger.Unknown }, ledger.QueryLater},
	} {
		if got := ptr(with(open(), c.change)).Kind(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestDue: which attempts are to be looked up, and which events delivered.
func TestDue(t *testing.T) {
	leases := Span{noon, at(120)}
	for name, c := range map[string]struct {
		change func(*Charge)
		want   bool
	}{
		"due":                           {func(*Charge) {}, true},
		"later":                         {func(c *Charge) { c.NextQuery = at(31) }, false},
		"not any more":                  {func(c *Charge) { c.NextQuery = never }, false},
		"leased":                        {func(c *Charge) { c.QueryUntil = at(40) }, false},
		"of another kind":               {func(c *Charge) { c.Queries = 1 }, false},
		"paid":                          {func(c *Charge) { c.Paid = true }, false},
		"reversed":                      {func(c *Charge) { c.Reversed = true }, false},
		"refused, whatever else it has": {func(c *Charge) { c.State, c.Client.At = ledger.Refused, at(30) }, false},
	} {
		if got := ptr(with(open(), c.change)).Due(ledger.QueryClaim{Kind: ledger.QueryFirst, Now: at(30)}, leases); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for state, want := range map[ledger.AttemptState]bool{ledger.Unknown: true, ledger.Taken: true, ledger.Reserving: false, ledger.Refused: false} {
		c := with(open(), func(c *Charge) { c.State, c.ID = state, "" })
		if got := c.Due(ledger.QueryClaim{Kind: ledger.QueryLater, Now: at(30)}, leases); got != want {
			t.Errorf("%s: %t", state, got)
		}
		c.ID = "ch_1"
		if c.Due(ledger.QueryClaim{Kind: ledger.QueryLater, Now: at(30)}, leases) {
			t.Errorf("%s, and its charge known: due", state)
		}
	}
	for name, c := range map[string]struct {
		change func(*Event)
		want   bool
	}{
		"due":                  {func(*Event) {}, true},
		"delivered":            {func(e *Event) { e.State = ledger.Delivered }, false},
		"blocked":              {func(e *Event) { e.Blocked = true }, false},
		"later":                {func(e *Event) { e.Due = at(31) }, false},
		"under way":            {func(e *Event) { e.Owner, e.Until = "a", at(40) }, false},
		"its lease ran out":    {func(e *Event) { e.Owner, e.Until = "a", noon }, true},
		"leased much too long": {func(e *Event) { e.Owner, e.Until = "a", at(121) }, true},
	} {
		e := with(Event{Event: ledger.Event{State: ledger.Pending, Due: at(30)}}, c.change)
		if got := e.Claimable(ledger.Claim{Now: at(30)}, leases); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestWaits: what would be due sooner if the backend were back.
func TestWaits(t *testing.T) {
	for name, c := range map[string]struct {
		state     ledger.State
		due, back time.Time
		want      bool
	}{
		"sooner": {ledger.Pending, at(60), at(30), true}, "not sooner": {ledger.Pending, at(30), at(30), false}, "not for the backend": {ledger.Pending, at(60), never, false},
		"dead": {ledger.Dead, at(60), at(30), false},
	} {
		if got := (&Event{Event: ledger.Event{State: c.state, Due: c.due, Back: c.back}}).Waits(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestBecause: what waits for its payment, or for being read.
func TestBecause(t *testing.T) {
	withheld := Event{Event: ledger.Event{State: ledger.Filtered, Reasons: []string{"payment_held"}}, HasBody: true}
	for name, c := range map[string]struct {
		event                Event
		withheld, unreadable bool
	}{
		"withheld":             {withheld, true, false},
		"withheld, and pruned": {with(withheld, func(e *Event) { e.HasBody = false }), false, false},
		"discarded":            {with(withheld, func(e *Event) { e.State = ledger.Discarded }), false, false},
		"filtered by its type": {with(withheld, func(e *Event) { e.Reasons = []string{"type"} }), false, false},
		"unreadable":           {Event{Event: ledger.Event{State: ledger.Held, Reasons: []string{"unreadable"}}}, false, true},
		"read since":           {Event{Event: ledger.Event{State: ledger.Filtered, Reasons: []string{"unreadable"}}}, false, false},
	} {
		if got := c.event.Withheld(); got != c.withheld {
			t.Errorf("%s: withheld %t", name, got)
		}
		if got := c.event.Unreadable(); got != c.unreadable {
			t.Errorf("%s: unreadable %t", name, got)
		}
	}
}

// TestQueried: when an attempt is looked up again.
func TestQueried(t *testing.T) {
	leased := with(open(), func(c *Charge) { c.QueryUntil, c.NextQuery = at(60), at(60) })
	for name, c := range map[string]struct {
		charge Charge
		what   func(*ledger.Queried)
		next   time.Time
	}{
		"not paid":                      {leased, nil, at(300)},
		"never again":                   {leased, func(q *ledger.Queried) { q.Next = never }, never},
		"paid meanwhile":                {with(leased, func(c *Charge) { c.Paid = true }), nil, never},
		"reversed":                      {leased, func(q *ledger.Queried) { q.Reversed = true }, never},
		"reversed before":               {with(leased, func(c *Charge) { c.Reversed = true }), nil, never},
		"not open":                      {with(leased, func(c *Charge) { c.State = ledger.Refused }), nil, never},
		"the client has seen something": {with(leased, func(c *Charge) { c.NextQuery = at(40) }), nil, at(40)},
		"superseded meanwhile":          {with(leased, func(c *Charge) { c.Superseded, c.NextQuery, c.QueryUntil = true, at(-60), at(-90) }), nil, at(-60)},
		"superseded, as whoever asked knew": {with(leased, func(c *Charge) { c.Superseded, c.NextQuery, c.QueryUntil = true, at(-60), at(-90) }),
			func(q *ledger.Queried) { q.Superseded = true }, at(300)},
		"superseded, and due later": {with(leased, func(c *Charge) { c.Superseded = true }), nil, at(300)},
		"looked up no more":         {with(leased, func(c *Charge) { c.NextQuery = never }), nil, at(300)},
	} {
		q := ledger.Queried{Next: at(300), Lease: c.charge.QueryUntil}
		if c.what != nil {
			c.what(&q)
		}
		got := c.charge
		got.queried(q)
		want := c.charge
		want.Queries, want.QueryUntil, want.NextQuery, want.Reversed = 1, never, c.next, c.charge.Reversed || q.Reversed
		equal(t, name, got, want)
	}
	for name, lease := range map[string]time.Time{"another's": at(61), "nobody's": never} {
		got := leased
		got.queried(ledger.Queried{Next: at(300), Lease: lease})
		equal(t, "leased as "+name, got, leased)
		got.queried(ledger.Queried{Next: at(300), Lease: lease, Reversed: true})
		equal(t, "reversed, and leased as "+name, got, with(leased, func(c *Charge) { c.Reversed, c.NextQuery = true, never }))
	}
	c := leased
	c.leaseQuery(at(90))
	equal(t, "leased", c, with(leased, func(c *Charge) { c.QueryUntil, c.NextQuery = at(90), at(90) }))
	c.sought(at(99))
	equal(t, "sought", c, with(leased, func(c *Charge) { c.Queries, c.QueryUntil, c.NextQuery = 1, never, at(99) }))
	if (*Charge)(nil).isSought() {
		t.Error("what is not there is looked for")
	}
}

// TestNote: what a client says is a reason to ask.
func TestNote(t *testing.T) {
	for name, c := range map[string]struct {
		charge Charge
		at     time.Time
		next   time.Time
	}{
		"sooner":            {open(), at(5), at(5)},
		"no sooner":         {open(), at(50), at(30)},
		"looked up no more": {with(open(), func(c *Charge) { c.NextQuery = never }), at(5), at(5)},
		"at no time":        {open(), never, ledger.FirstTime},
		"paid":              {with(open(), func(c *Charge) { c.Paid, c.NextQuery = true, never }), at(5), never},
		"reversed":          {with(open(), func(c *Charge) { c.Reversed, c.NextQuery = true, never }), at(5), never},
		"not open":          {with(open(), func(c *Charge) { c.State = ledger.Foreign }), at(5), at(30)},
	} {
		n := ledger.ClientNote{Result: "success", At: c.at}
		got := c.charge
		got.note(n)
		equal(t, name, got, with(c.charge, func(w *Charge) { w.Client, w.NextQuery = n, c.next }))
	}
}

// TestAhead: what waits only because the clock was ahead.
func TestAhead(t *testing.T) {
	a := aheadOf(noon)
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		due   time.Time
		tries int
		last  time.Time
		want  bool
	}{
		"due": {noon, 0, never, false}, "soon": {at(60), 0, never, false}, "ahead": {at(61), 0, never, true},
		"at a gap": {noon.Add(day), 3, noon, false}, "after a try that lies ahead": {noon.Add(day), 3, at(61), true}, "and is due": {noon, 3, at(61), false},
	} {
		if got := a.event(&Event{Event: ledger.Event{Due: c.due, Tries: c.tries}}, c.last); got != c.want {
			t.Errorf("event %s: %t", name, got)
		}
	}
	for name, c := range map[string]struct {
		created, expire, next time.Time
		charge, refund        bool
	}{
		"due":                         {noon, never, noon, false, false},
		"created ahead":               {at(61), never, at(61), true, true},
		"created ahead, and due":      {at(61), never, at(60), false, false},
		"at a gap":                    {noon, never, noon.Add(9 * day), false, false},
		"further ahead than a gap is": {noon, never, noon.Add(10*day + time.Second), true, true},
		"after a late expiry":         {noon, noon.Add(30 * day), noon.Add(31 * day), false, true},
		"long after a late expiry":    {noon, noon.Add(30 * day), noon.Add(40 * day), true, true},
	} {
		if got := a.charge(&Charge{Charge: ledger.Charge{Created: c.created, TimeExpire: c.expire, NextQuery: c.next}}); got != c.charge {
			t.Errorf("charge %s: %t", name, got)
		}
		if got := a.refund(&Refund{Refund: ledger.Refund{Created: c.created, NextQuery: c.next}}); got != c.refund {
			t.Errorf("refund %s: %t", name, got)
		}
		if got := a.refund(&Refund{Refund: ledger.Refund{Created: noon, Asked: c.created, NextQuery: c.next}}); got != c.refund {
			t.Errorf("refund asked %s: %t", name, got)
		}
	}
}

// TestOver: what may be pruned.
func TestOver(t *testing.T) {
	for state, want := range map[ledger.State]bool{ledger.Delivered: true, ledger.Discarded: true, ledger.Filtered: true, ledger.Pending: false, ledger.Dead: false, ledger.Held: false} {
		e := &Event{Event: ledger.Event{State: state, Received: at(-9), Settled: at(-5)}}
		if bodyOver(e, noon) != want || bodyOver(e, at(-5)) || bodyOver(&Event{Event: ledger.Event{State: state, Received: noon}}, noon) {
			t.Errorf("%s: %t", state, bodyOver(e, noon))
		}
	}
	old := with(open(), func(c *Charge) { c.TimeExpire, c.NextQuery = at(-50), never })
	for name, c := range map[string]struct {
		charge Charge
		want   bool
	}{
		"lapsed":               {old, true},
		"not lapsed":           {open(), false},
		"still looked up":      {with(old, func(c *Charge) { c.NextQuery = at(9) }), false},
		"paid":                 {with(old, func(c *Charge) { c.Paid, c.TimePaid, c.NextQuery = true, at(-40), at(9) }), true},
		"paid late":            {with(old, func(c *Charge) { c.Paid, c.TimePaid = true, noon }), false},
		"reversed":             {with(old, func(c *Charge) { c.Reversed, c.NextQuery = true, at(9) }), true},
		"held":                 {with(old, func(c *Charge) { c.Hold = Awaits }), false},
		"cannot be read":       {with(old, func(c *Charge) { c.Hold = Unread }), false},
		"a person was against": {with(old, func(c *Charge) { c.Hold = Dismissed }), true},
		"reserved":             {with(old, func(c *Charge) { c.State = ledger.Reserving }), false},
	} {
		if got := answerOver(&c.charge, noon); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	p := page{}
	for _, r := range []struct {
		seq       int64
		old, over bool
	}{{1, true, true}, {2, true, false}, {3, true, true}, {4, false, true}, {5, true, true}} {
		p.add(r.seq, r.old, r.over, func(Tx) error { return nil })
	}
	if p.last != 3 || !p.end || len(p.over) != 2 {
		t.Errorf("of a page that ends: %d, %t, %d rows", p.last, p.end, len(p.over))
	}
}

// TestSweep: how far a scope's charges are compared, and by whom.
func TestSweep(t *testing.T) {
	claim := ledger.SweepClaim{Owner: "a", To: at(-100), Now: noon, Until: at(60)}
	mine := Sweep{Compared: at(-200), Owner: "a", Until: at(60)}
	for name, c := range map[string]struct {
		sweep   Sweep
		first   time.Time
		from    time.Time
		granted bool
		want    Sweep
	}{
		"nothing to compare":        {Sweep{}, never, never, false, Sweep{}},
		"from the first charge":     {Sweep{}, at(-300), at(-300), true, Sweep{Owner: "a", Until: at(60)}},
		"from where it was":         {Sweep{Compared: at(-200)}, at(-300), at(-200), true, mine},
		"all is compared":           {Sweep{Compared: at(-100)}, at(-300), at(-100), false, Sweep{Compared: at(-100)}},
		"another is at it":          {Sweep{Compared: at(-200), Owner: "b", Until: at(60)}, never, at(-200), false, Sweep{Compared: at(-200), Owner: "b", Until: at(60)}},
		"another's lease ran out":   {Sweep{Compared: at(-200), Owner: "b", Until: noon}, never, at(-200), true, mine},
		"another's is too long":     {Sweep{Compared: at(-200), Owner: "b", Until: at(121)}, never, at(-200), true, mine},
		"by a clock ahead of ours":  {Sweep{Compared: at(-200), Owner: "b", Until: at(120)}, never, at(-200), false, Sweep{Compared: at(-200), Owner: "b", Until: at(120)}},
		"its own":                   {Sweep{Compared: at(-200), Owner: "a", Until: at(9)}, never, at(-200), true, mine},
		"compared by a wrong clock": {Sweep{Compared: at(1)}, at(-300), at(-300), true, Sweep{Owner: "a", Until: at(60)}},
	} {
		from, granted := c.sweep.claim(claim, spanAt(noon), c.first)
		if !from.Equal(c.from) || granted != c.granted {
			t.Errorf("%s: from %s, %t", name, from, granted)
		}
		equal(t, name, c.sweep, c.want)
	}
	claim.Prolong = true
	for name, c := range map[string]struct {
		sweep   Sweep
		granted bool
	}{
		"its own":             {Sweep{Compared: at(-200), Owner: "a", Until: at(9)}, true},
		"its own, run out":    {Sweep{Compared: at(-200), Owner: "a", Until: at(-9)}, true},
		"another's":           {Sweep{Compared: at(-200), Owner: "b", Until: at(60)}, false},
		"another's, run out":  {Sweep{Compared: at(-200), Owner: "b", Until: at(-9)}, false},
		"given up by another": {Sweep{Compared: at(-200)}, false},
	} {
		was := c.sweep
		if _, granted := c.sweep.claim(claim, spanAt(noon), never); granted != c.granted {
			t.Errorf("%s is prolonged: %t", name, granted)
		}
		if !c.granted {
			equal(t, name+", not prolonged", c.sweep, was)
		}
	}
	s := mine
	s.end(never)
	equal(t, "given up", s, Sweep{Compared: at(-200)})
	s.end(at(-100))
	equal(t, "done", s, Sweep{Compared: at(-100)})
}

// TestKept: times as a ledger keeps them.
func TestKept(t *testing.T) {
	for _, c := range [][2]time.Time{
		{never, never},
		{noon.Add(time.Microsecond).In(time.FixedZone("", 3600)), noon},
		{time.Date(1, 2, 3, 4, 5, 6, 7, time.UTC), ledger.FirstTime},
		{time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), ledger.LastTime},
	} {
		if got := Kept(c[0]); got != c[1] {
			t.Errorf("%s is kept as %s", c[0], got)
		}
	}
}

// TestProlonged: a lease is not shortened, unless it ends further ahead than any may.
func TestProlonged(t *testing.T) {
	for name, c := range map[string]struct{ until, want, then time.Time }{
		"longer":            {at(5), at(9), at(9)},
		"shorter":           {at(9), at(5), at(9)},
		"as long as may be": {at(125), at(5), at(125)},
		"too long":          {at(126), at(5), at(5)},
		"there was none":    {never, at(5), at(5)},
	} {
		if got := prolonged(c.until, c.want); !got.Equal(c.then) {
			t.Errorf("%s: until %s", name, got)
		}
	}
	s := newSteps(noon)
	equal(t, "leases", s.leases(noon, time.Second), Span{noon, at(120)})
	span := spanAt(noon)
	for until, want := range map[time.Time]bool{never: false, noon: false, at(1): true, at(120): true, at(121): false} {
		if span.InUse(until) != want {
			t.Errorf("in use until %s: %t", until, !want)
		}
	}
}

package core

import (
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestReserved: the attempt that a reservation begins, who holds an order, and what becomes of a dead holder's.
func TestReserved(t *testing.T) {
	r := ledger.Reservation{Scope: scope, OrderNo: "o", Now: noon, Until: at(30), Channel: "wx_lite", Payer: "p", PayerAppID: "wx", Host: "h"}
	want := &Charge{ReservedUntil: at(30), Charge: ledger.Charge{
		Scope: scope, OrderNo: "o", Number: "o-1", State: ledger.Reserving, Created: noon, Channel: "wx_lite", Payer: "p", PayerAppID: "wx", Host: "h",
	}}
	equal(t, "attempt", reserved(r, "o-1"), want)
	if holder(nil) != nil || holder([]Charge{open()}) != nil {
		t.Error("an order that nobody holds is held")
	}
	cs := []Charge{open(), *want}
	if holder(cs) != &cs[1] {
		t.Error("the reserved attempt is not found")
	}
	cs[1].forsake(at(40))
	equal(t, "forsaken", cs[1], with(*want, func(c *Charge) { c.State, c.ReservedUntil, c.NextQuery = ledger.Unknown, never, at(40) }))
	known := with(*want, func(c *Charge) { c.ID, c.NextQuery = "ch_1", at(3) })
	known.forsake(at(40))
	equal(t, "forsaken, and its charge known", known, with(*want, func(c *Charge) { c.ID, c.State, c.ReservedUntil = "ch_1", ledger.Unknown, never }))
}

// TestRelease: what becomes of an attempt whose number is given back.
func TestRelease(t *testing.T) {
	states := map[ledger.AttemptState]map[ledger.AttemptState]struct {
		what released
		over bool
		as   ledger.AttemptState
		next time.Time
	}{
		ledger.Reserving: {
			ledger.Unsent:  {goes, true, ledger.Reserving, at(30)},
			ledger.Refused: {changes, true, ledger.Refused, never},
			ledger.Unknown: {changes, true, ledger.Unknown, at(-60)},
			ledger.Taken:   {changes, true, ledger.Taken, at(-60)},
		},
		ledger.Unknown: { // it ran out
			ledger.Unsent:  {stays, false, ledger.Unknown, at(30)},
			ledger.Refused: {changes, false, ledger.Refused, never},
			ledger.Unknown: {stays, false, ledger.Unknown, at(30)},
			ledger.Taken:   {changes, false, ledger.Taken, at(-60)},
		},
		ledger.Taken: {
			ledger.Unsent:  {stays, true, ledger.Taken, at(30)},
			ledger.Refused: {changes, true, ledger.Refused, never},
			ledger.Unknown: {stays, true, ledger.Taken, at(30)},
			ledger.Taken:   {stays, true, ledger.Taken, at(30)},
		},
		ledger.Open:    {ledger.Unsent: {notOne, false, ledger.Open, at(30)}},
		ledger.Refused: {ledger.Refused: {notOne, false, ledger.Refused, at(30)}},
		ledger.Foreign: {ledger.Taken: {notOne, false, ledger.Foreign, at(30)}},
	}
	for from, outcomes := range states {
		for as, want := range outcomes {
			c := with(open(), func(c *Charge) { c.State, c.ID, c.ReservedUntil = from, "", at(9) })
			what, over := c.release(as)
			if what != want.what || over != want.over || c.State != want.as || !c.NextQuery.Equal(want.next) || what == changes && !c.ReservedUntil.IsZero() {
				t.Errorf("%s as %s: %d %t, %s, next %s, until %s", from, as, what, over, c.State, c.NextQuery, c.ReservedUntil)
			}
		}
	}
	for as, want := range map[ledger.AttemptState]ledger.AttemptState{ledger.Unsent: ledger.Unknown, ledger.Unknown: ledger.Unknown, ledger.Refused: ledger.Refused} {
		c := with(open(), func(c *Charge) { c.State = ledger.Reserving }) // an event knows its charge
		if what, over := c.release(as); what != changes || !over || c.State != want || !c.NextQuery.IsZero() {
			t.Errorf("paid, as %s: %d %t, %s, next %s", as, what, over, c.State, c.NextQuery)
		}
	}
	taken := with(open(), func(c *Charge) { c.State = ledger.Taken })
	if what, over := taken.release(ledger.Refused); what != stays || !over {
		t.Errorf("taken, and its charge known: %d %t", what, over)
	}
}

// TestAnswer: what Ping++'s answer makes of a reserved attempt.
func TestAnswer(t *testing.T) {
	reserved := Charge{Seq: 1, ReservedUntil: at(30), QueryUntil: at(20), Charge: ledger.Charge{
		Scope: scope, OrderNo: "o", Number: "o-1", State: ledger.Reserving, Created: at(-1), Channel: "c", Payer: "x", PayerAppID: "y", Host: "z"}}
	answer := ledger.Charge{Scope: scope, OrderNo: "o", Number: "o-1", ID: "ch_1", Channel: "wx_lite", Payer: "p", PayerAppID: "wx", Host: "h", Amount: 100,
		Currency: "cny", Created: noon, TimeExpire: at(7200), NextQuery: at(30), Fingerprint: "f", Raw: []byte("{}")}
	made := with(reserved, func(c *Charge) {
		c.Charge, c.ReservedUntil, c.QueryUntil = answer, never, never
		c.State = ledger.Open
	})
	paidOther := with(open(), func(c *Charge) { c.Seq, c.Paid = 2, true })
	paidFirst := func(c *Charge) {
		c.ID, c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.Hold, c.AmountRefunded = "ch_1", true, at(5), 100, 7, Awaits, 40
	}
	for name, c := range map[string]struct {
		attempt    Charge
		answer     ledger.Charge
		others     []Charge
		want       Charge
		superseded bool
	}{
		"the first":               {reserved, answer, nil, made, false},
		"after it was forsaken":   {with(reserved, func(c *Charge) { c.State, c.NextQuery = ledger.Unknown, at(1) }), answer, nil, made, false},
		"others are not paid":     {reserved, answer, []Charge{open()}, made, false},
		"another has paid":        {reserved, answer, []Charge{open(), paidOther}, with(made, func(c *Charge) { c.Superseded, c.NextQuery = true, noon }), true},
		"another's money is back": {reserved, answer, []Charge{with(paidOther, func(c *Charge) { c.Hold = WentBack })}, made, false},
		"a later one took its place": {with(reserved, func(c *Charge) { c.Superseded = true }), answer, nil,
			with(made, func(c *Charge) { c.Superseded, c.NextQuery = true, noon }), true},
		"an event was first": {with(reserved, paidFirst), answer, []Charge{paidOther}, with(with(made, paidFirst), func(c *Charge) { c.NextQuery = never }), true},
		"paid already": {reserved, with(answer, func(a *ledger.Charge) { a.Paid, a.TimePaid, a.AmountRefunded = true, at(3), 10 }), nil,
			with(made, func(c *Charge) { c.Paid, c.TimePaid, c.AmountRefunded, c.NextQuery = true, at(3), 10, never }), false},
		"reversed already": {reserved, with(answer, func(a *ledger.Charge) { a.Reversed = true }), nil,
			with(made, func(c *Charge) { c.Reversed, c.NextQuery = true, never }), false},
	} {
		t.Run(name, func(t *testing.T) {
			c.answer.Superseded = !c.superseded // it is filled in
			c.attempt.answer(&c.answer, c.others)
			equal(t, "attempt", c.attempt, c.want)
			equal(t, "superseded", c.answer.Superseded, c.superseded)
		})
	}
}

// TestCheckAnswer: an answer that is another attempt's changes nothing.
func TestCheckAnswer(t *testing.T) {
	a := &ledger.Charge{ID: "ch_1", Number: "o"}
	for name, c := range map[string]struct {
		id    string
		known *Charge
		want  string
	}{
		"new":              {"", nil, ""},
		"the same again":   {"ch_1", nil, ""},
		"foreign so far":   {"", &Charge{Seq: 2, Charge: ledger.Charge{State: ledger.Foreign}}, ""},
		"itself":           {"ch_1", &Charge{Seq: 1}, ""},
		"another id":       {"ch_9", nil, "number o belongs to charge ch_9 already, not to ch_1"},
		"another's number": {"", &Charge{Seq: 2, Charge: ledger.Charge{Number: "x", State: ledger.Open}}, "charge ch_1 has the number x already, not o"},
	} {
		attempt := with(open(), func(o *Charge) { o.ID = c.id })
		err := attempt.checkAnswer(a, c.known)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestApart: the attempt itself, the charge that its answer names, and those it takes the place of.
func TestApart(t *testing.T) {
	numbered := func(seq int64, order, id string) Charge {
		return Charge{Seq: seq, Charge: ledger.Charge{OrderNo: order, ID: id}}
	}
	c := numbered(2, "o", "")
	others, answered := apart([]Charge{numbered(1, "o", "ch_1"), c, numbered(3, "o", "ch_3"), numbered(4, "x", "ch_9"), numbered(5, "x", "ch_x")}, &c, "ch_9")
	equal(t, "others", others, []Charge{numbered(1, "o", "ch_1"), numbered(3, "o", "ch_3")})
	equal(t, "answered", answered, ptr(numbered(4, "x", "ch_9")))
	equal(t, "before it", c.before(others), []Charge{numbered(1, "o", "ch_1")})
	if _, none := apart([]Charge{c}, &c, ""); none != nil {
		t.Error("the attempt is taken for another one")
	}
}

// TestQuotes: of two quotes the later counts.
func TestQuotes(t *testing.T) {
	q := func(amount int64, currency string, closed bool, at time.Time) ledger.Quote {
		return ledger.Quote{Amount: amount, Currency: currency, Closed: closed, At: at}
	}
	old := q(100, "cny", false, noon)
	for name, c := range map[string]struct {
		old, new ledger.Quote
		last     bool
		want     ledger.Quote
		ok       bool
	}{
		"the first":                             {ledger.Quote{}, q(1, "cny", false, noon), false, q(1, "cny", false, noon), true},
		"the first says closed":                 {ledger.Quote{}, q(0, "", true, noon), false, q(0, "", true, noon), true},
		"a later one":                           {old, q(1, "usd", false, at(1)), false, q(1, "usd", false, at(1)), true},
		"at the same time":                      {old, q(1, "usd", false, noon.Add(time.Microsecond)), false, q(1, "usd", false, noon.Add(time.Microsecond)), true},
		"an earlier one":                        {old, q(1, "usd", false, at(-1)), false, old, false},
		"an earlier one, of who held the order": {old, q(1, "usd", false, at(-1)), true, q(1, "usd", false, at(-1)), true},
		"closed":                                {old, q(0, "", true, at(1)), false, q(100, "cny", true, at(1)), true},
		"open again":                            {q(100, "cny", true, noon), q(90, "cny", false, at(1)), false, q(90, "cny", false, at(1)), true},
	} {
		got, ok := newer(c.old, c.new, c.last)
		equal(t, name, got, c.want)
		equal(t, name, ok, c.ok)
	}
	a := ledger.Charge{Amount: 100, Currency: "cny", Created: noon}
	equal(t, "price", price(&a), old)
	a.Quoted = at(-3)
	equal(t, "price that was named", price(&a), q(100, "cny", false, at(-3)))
}

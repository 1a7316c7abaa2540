package core

import (
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func ours() Refund {
	return Refund{Seq: 1, Owner: "a", Until: at(30), Refund: ledger.Refund{
		Scope: scope, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o", Amount: 30, Description: "d", FundingSource: "f", State: ledger.RefundAsked,
		Created: noon, Asked: noon, Asks: 1, NextQuery: at(30),
	}}
}

func asking() ledger.RefundReservation {
	return ledger.RefundReservation{Scope: scope, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o", Amount: 30, Description: "d", FundingSource: "f", Paid: 100,
		Owner: "a", Now: noon, Until: at(30)}
}

// TestSameRefund: which request means the refund that has its number.
func TestSameRefund(t *testing.T) {
	whole := with(ours(), func(r *Refund) { r.Whole = true })
	learned := with(ours(), func(r *Refund) { r.Asks, r.Description, r.FundingSource = 0, "", "" })
	for name, c := range map[string]struct {
		refund Refund
		ask    func(*ledger.RefundReservation)
		want   bool
	}{
		"as it was":                    {ours(), func(*ledger.RefundReservation) {}, true},
		"another amount":               {ours(), func(r *ledger.RefundReservation) { r.Amount = 31 }, false},
		"the rest":                     {ours(), func(r *ledger.RefundReservation) { r.Amount = 0 }, false},
		"the rest, as it was":          {whole, func(r *ledger.RefundReservation) { r.Amount = 0 }, true},
		"what the rest was":            {whole, func(*ledger.RefundReservation) {}, true},
		"another charge":               {ours(), func(r *ledger.RefundReservation) { r.ChargeID = "x" }, false},
		"another description":          {ours(), func(r *ledger.RefundReservation) { r.Description = "x" }, false},
		"another source":               {ours(), func(r *ledger.RefundReservation) { r.FundingSource = "x" }, false},
		"learned by its event":         {learned, func(r *ledger.RefundReservation) { r.Description = "x" }, true},
		"learned, and the rest":        {learned, func(r *ledger.RefundReservation) { r.Amount = 0 }, true},
		"learned, of another amount":   {learned, func(r *ledger.RefundReservation) { r.Amount = 31 }, false},
		"learned, of another's charge": {learned, func(r *ledger.RefundReservation) { r.ChargeID = "x" }, false},
	} {
		r := asking()
		c.ask(&r)
		if got := c.refund.same(r); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestRefundBusy: a charge's refunds are made one after the other.
func TestRefundBusy(t *testing.T) {
	leases := Span{noon, at(120)}
	for name, c := range map[string]struct {
		change        func(*Refund)
		busy, another bool
	}{
		"leased":                {func(*Refund) {}, true, true},
		"by whoever asks":       {func(r *Refund) { r.Owner = "b" }, false, true},
		"ran out":               {func(r *Refund) { r.Until = noon }, false, false},
		"ends too far ahead":    {func(r *Refund) { r.Until = at(121) }, false, false},
		"free":                  {func(r *Refund) { r.Owner, r.Until = "", never }, false, false},
		"pending":               {func(r *Refund) { r.State = ledger.RefundPending }, true, false},
		"the one that is asked": {func(r *Refund) { r.RefundNo = "R2" }, true, false},
	} {
		re := with(ours(), c.change)
		if got := re.busy("b", leases); got != c.busy {
			t.Errorf("%s: busy %t", name, got)
		}
		if got := anotherBusy([]Refund{with(ours(), func(r *Refund) { r.Until = never }), re}, "R2", leases); got != c.another {
			t.Errorf("%s: another busy %t", name, got)
		}
	}
}

// TestLeft: what is left of a charge, and what a new refund may take of it.
func TestLeft(t *testing.T) {
	charge := with(open(), func(c *Charge) { c.AmountRefunded = 20 })
	sized := func(amount int64, state ledger.RefundState, counted bool) Refund {
		return Refund{Counted: counted, Refund: ledger.Refund{Amount: amount, State: state}}
	}
	for name, c := range map[string]struct {
		charge *Charge
		of     []Refund
		want   int64
	}{
		"a charge that we never saw": {nil, nil, 100},
		"what events say":            {&charge, nil, 80},
		"what events say once":       {&charge, []Refund{sized(20, ledger.RefundSucceeded, true)}, 80},
		"what is on its way":         {&charge, []Refund{sized(5, ledger.RefundAsked, false), sized(6, ledger.RefundPending, false), sized(7, ledger.RefundSucceeded, false)}, 62},
		"what came to nothing":       {&charge, []Refund{sized(50, ledger.RefundFailed, false)}, 80},
	} {
		if got := left(100, c.charge, c.of); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
	fresh := with(ours(), func(r *Refund) { r.Seq = 0 })
	for name, c := range map[string]struct {
		amount, left int64
		want         *Refund
	}{
		"a part":       {30, 31, &fresh},
		"all":          {30, 30, &fresh},
		"too much":     {30, 29, nil},
		"the rest":     {0, 70, ptr(with(fresh, func(r *Refund) { r.Amount, r.Whole = 70, true }))},
		"no rest":      {0, 0, nil},
		"less than no": {0, -1, nil},
	} {
		r := asking()
		r.Amount = c.amount
		got, err := asked(r, c.left)
		equal(t, name, got, c.want)
		if (c.want == nil) != errors.Is(err, ledger.ErrRefundExceeds) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefundLife: what becomes of a refund between its asking and its end.
func TestRefundLife(t *testing.T) {
	failed := ledger.RefundChange{ID: "re_1", State: ledger.RefundFailed, FailureCode: "c", FailureMsg: "m"}
	succeeded := ledger.RefundChange{ID: "re_1", State: ledger.RefundSucceeded, TimeSucceeded: at(9)}
	over := func(r *Refund) { r.Owner, r.Until, r.NextQuery, r.ID = "", never, never, "re_1" }
	made := with(ours(), func(r *Refund) { over(r); r.State, r.NextQuery = ledger.RefundPending, at(60) })
	done := with(ours(), func(r *Refund) { over(r); r.State, r.TimeSucceeded = ledger.RefundSucceeded, at(9) })
	lost := with(ours(), func(r *Refund) { over(r); r.State, r.FailureCode, r.FailureMsg = ledger.RefundFailed, "c", "m" })
	for name, c := range map[string]struct {
		refund Refund
		what   func(*Refund)
		want   Refund
	}{
		"leased": {ours(), func(r *Refund) { r.lease("b", at(40)) }, with(ours(), func(r *Refund) { r.Owner, r.Until, r.NextQuery = "b", at(40), at(40) })},
		"asked for again": {with(ours(), func(r *Refund) { r.Unclear = "x" }), func(r *Refund) { r.ask(ledger.RefundAsk{Through: "or_1", Asks: 2, Now: at(5), Until: at(40)}) },
			with(ours(), func(r *Refund) { r.Through, r.Asks, r.Asked, r.Until, r.NextQuery = "or_1", 2, at(5), at(40), at(40) })},
		"given up until asked again": {ours(), func(r *Refund) { r.end(at(60)) }, with(ours(), func(r *Refund) { r.Owner, r.Until, r.NextQuery = "", never, at(60) })},
		"given up when it was over":  {done, func(r *Refund) { r.end(at(60)) }, done},
		"made":                       {with(ours(), func(r *Refund) { r.Unclear = "x" }), func(r *Refund) { r.made("re_1", at(60)) }, made},
		"made, and it was over":      {lost, func(r *Refund) { r.made("re_1", at(60)) }, lost},
		"succeeded":                  {made, func(r *Refund) { r.tell(succeeded, false) }, done},
		"succeeded, counted":         {ours(), func(r *Refund) { r.tell(succeeded, true) }, with(done, func(r *Refund) { r.Counted = true })},
		"failed":                     {made, func(r *Refund) { r.tell(failed, false) }, lost},
		"failed, and succeeded then": {lost, func(r *Refund) { r.tell(succeeded, true) }, with(done, func(r *Refund) { r.Counted = true })},
		"succeeded, and failed then": {with(done, func(r *Refund) { r.Counted = true }), func(r *Refund) { r.tell(failed, false) }, with(done, func(r *Refund) { r.Counted = true })},
		"its own id stays":           {done, func(r *Refund) { r.tell(with(succeeded, func(c *ledger.RefundChange) { c.ID = "" }), false) }, done},
		"told before it was made":    {made, func(r *Refund) { r.adopt(ptr(with(done, func(r *Refund) { r.Counted = true }))) }, with(done, func(r *Refund) { r.Counted = true })},
	} {
		t.Run(name, func(t *testing.T) {
			c.what(&c.refund)
			equal(t, "refund", c.refund, c.want)
		})
	}
	var none *Refund
	for name, c := range map[string]struct {
		refund *Refund
		owner  string
		want   bool
	}{
		"none": {none, "a", false}, "its owner": {ptr(ours()), "a", true}, "another": {ptr(ours()), "b", false},
		"nobody": {ptr(with(ours(), func(r *Refund) { r.Owner = "" })), "", false}, "made": {ptr(with(made, func(r *Refund) { r.Owner = "a" })), "a", false},
	} {
		if got := c.refund.heldBy(c.owner); got != c.want {
			t.Errorf("held by %s: %t", name, got)
		}
	}
}

// TestRefundOf: which refund an event is about.
func TestRefundOf(t *testing.T) {
	numbered := with2(refund(30), func(e *ledger.Event) { e.Refund.RefundNo = "R1" })
	known := with(ours(), func(r *Refund) { r.Seq, r.RefundNo, r.ID = 2, "", "re_1" })
	for name, c := range map[string]struct {
		event *ledger.Event
		known []Refund
		want  int64
	}{
		"none":                         {numbered, nil, 0},
		"by its id":                    {refund(30), []Refund{known}, 2},
		"by its number":                {numbered, []Refund{ours()}, 1},
		"the id is worth more":         {numbered, []Refund{ours(), known}, 2},
		"a number that has an id":      {numbered, []Refund{with(ours(), func(r *Refund) { r.ID = "re_2" })}, 0},
		"a number of another charge":   {numbered, []Refund{with(ours(), func(r *Refund) { r.ChargeID = "x" })}, 0},
		"a number of another amount":   {numbered, []Refund{with(ours(), func(r *Refund) { r.Amount = 31 })}, 0},
		"without a number":             {refund(30), []Refund{with(ours(), func(r *Refund) { r.RefundNo = "" })}, 0},
		"without an id, by its number": {with2(refund(30), func(e *ledger.Event) { e.Refund.ID, e.Refund.RefundNo = "", "R1" }), []Refund{ours()}, 1},
	} {
		var got int64
		if re := refundOf(c.known, c.event); re != nil {
			got = re.Seq
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	want := Refund{Counted: true, Refund: ledger.Refund{Scope: scope, ChargeID: "ch_1", OrderNo: "o", Amount: 30, State: ledger.RefundSucceeded, ID: "re_1",
		Created: noon, TimeSucceeded: noon}}
	e := event(*numbered)
	equal(t, "learned", elsewhere(nil, e, true), with(want, func(r *Refund) { r.RefundNo = "R1" }))
	equal(t, "learned, and the number is another's", elsewhere([]Refund{ours()}, e, true), want)
	equal(t, "made elsewhere", elsewhere(nil, event(*refund(30)), true), want)
	if byID([]Refund{known}, "re_2") != nil || byID([]Refund{known}, "re_1") == nil {
		t.Error("found by another id, or not by its own")
	}
}

// TestDueRefund: which refunds are to be looked up.
func TestDueRefund(t *testing.T) {
	leases := Span{noon, at(120)}
	for name, c := range map[string]struct {
		change func(*Refund)
		want   bool
	}{
		"due":                  {func(r *Refund) { r.Until, r.NextQuery = noon, noon }, true},
		"leased":               {func(r *Refund) { r.NextQuery = noon }, false},
		"later":                {func(r *Refund) { r.Until, r.NextQuery = never, at(1) }, false},
		"not any more":         {func(r *Refund) { r.Until, r.NextQuery = never, time.Time{} }, false},
		"over":                 {func(r *Refund) { r.Until, r.NextQuery, r.State = never, noon, ledger.RefundFailed }, false},
		"made elsewhere":       {func(r *Refund) { r.Until, r.NextQuery, r.RefundNo = never, noon, "" }, false},
		"leased much too long": {func(r *Refund) { r.Until, r.NextQuery = at(121), noon }, true},
	} {
		if got := ptr(with(ours(), c.change)).Due(ledger.QueryClaim{Now: noon}, leases); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

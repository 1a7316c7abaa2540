package core

import (
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// keptPayment is ch_1, paid by wx_lite, whose event is recorded.
func keptPayment() Charge {
	return with(open(), func(c *Charge) {
		c.Channel, c.Paid, c.TimePaid, c.PaidAmount, c.Payment, c.TransactionNo = ledger.ShippingChannel, true, noon, 100, 7, "4200"
	})
}

var (
	tea    = &ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}
	coffee = &ledger.Shipping{Type: ledger.ShipVirtual, Items: "coffee", Complete: true}
	milk   = &ledger.Shipping{Type: ledger.ShipVirtual, Items: "milk", Complete: true}
	part1  = &ledger.Shipping{Type: ledger.ShipExpress, Items: "half", Parcels: []ledger.Parcel{{Company: "SF", TrackingNo: "1"}}}
	part2  = &ledger.Shipping{Type: ledger.ShipExpress, Items: "half", Parcels: []ledger.Parcel{{Company: "SF", TrackingNo: "1"}, {Company: "SF", TrackingNo: "2"}}}
)

// shipment is that of keptPayment, about which something was reported at noon.
func shipment(n *ledger.Shipping) *Shipment {
	c := keptPayment()
	s := owed(&c, noon)
	if n != nil {
		s.report(n, noon)
	}
	return s
}

func posted(n *ledger.Shipping) *Shipment {
	s := shipment(n)
	s.lease("a", at(60))
	s.post(at(1), at(60))
	return s
}

func answer(step ledger.ShippingStep, result ledger.ShippingResult) ledger.ShippingAnswer {
	a := ledger.ShippingAnswer{Step: step, Result: result, At: at(2)}
	if result != ledger.ShippingAccepted && result != ledger.ShippingTold {
		a.Problem = ledger.ShippingProblem{Code: "code", Text: "text"}
	}
	return a
}

func told(state, finished int, has bool) ledger.ShippingAnswer {
	a := answer(ledger.ShippingAsk, ledger.ShippingTold)
	a.OrderState, a.Finished, a.Has = state, finished, has
	return a
}

// TestUnshippable: of which payments WeChat keeps the money, and which of them can be reported.
func TestUnshippable(t *testing.T) {
	for name, c := range map[string]struct {
		change       func(*Charge)
		kept, report ledger.ShippingReason
	}{
		"paid":                     {func(*Charge) {}, "", ""},
		"in test mode":             {func(c *Charge) { c.Scope.Mode = ledger.Test }, ledger.RefuseTestMode, ledger.RefuseTestMode},
		"by another channel":       {func(c *Charge) { c.Channel = "wx_pub" }, ledger.RefuseChannel, ledger.RefuseChannel},
		"foreign":                  {func(c *Charge) { c.State = ledger.Foreign }, ledger.RefuseChannel, ledger.RefuseChannel},
		"not paid":                 {func(c *Charge) { c.Paid = false }, ledger.RefuseNotPaid, ledger.RefuseNotPaid},
		"paid, and not checked":    {func(c *Charge) { c.Payment = 0 }, ledger.RefuseNotPaid, ledger.RefuseNotPaid},
		"paid, and cannot be read": {func(c *Charge) { c.Payment, c.Hold = 0, Unread }, ledger.RefuseNotPaid, ledger.RefuseHeld},
		"held":                     {func(c *Charge) { c.Hold = Awaits }, "", ledger.RefuseHeld},
		"a person decided against": {func(c *Charge) { c.Hold = Dismissed }, "", ledger.RefuseHeld},
		"dead":                     {func(c *Charge) { c.Hold = Unheard }, "", ""},
		"went back":                {func(c *Charge) { c.Hold = WentBack }, ledger.RefuseReversed, ledger.RefuseReversed},
		"reversed":                 {func(c *Charge) { c.Reversed = true }, ledger.RefuseReversed, ledger.RefuseReversed},
		"refunded in part":         {func(c *Charge) { c.AmountRefunded = 99 }, "", ""},
		"refunded whole":           {func(c *Charge) { c.AmountRefunded, c.Hold = 100, WentBack }, ledger.RefuseRefunded, ledger.RefuseRefunded},
		"held, refunded whole":     {func(c *Charge) { c.AmountRefunded, c.Hold = 100, Awaits }, ledger.RefuseRefunded, ledger.RefuseRefunded},
		"unread, in test mode":     {func(c *Charge) { c.Scope.Mode, c.Hold = ledger.Test, Unread }, ledger.RefuseTestMode, ledger.RefuseTestMode},
		"of nothing":               {func(c *Charge) { c.PaidAmount = 0 }, "", ""},
	} {
		row := with(keptPayment(), c.change)
		if kept, report := row.unkept(), row.refuses(); kept != c.kept || report != c.report {
			t.Errorf("%s: %q, reported %q; want %q and %q", name, kept, report, c.kept, c.report)
		}
		if c.report != "" && c.report.Text() == "" {
			t.Errorf("%s has no words", c.report)
		}
	}
}

// TestReportable: which of an order's charges a report is about, and what is said if none can be reported.
func TestReportable(t *testing.T) {
	unpaid, good := open(), keptPayment()
	held := with(keptPayment(), func(c *Charge) { c.ID, c.Hold = "ch_2", Awaits })
	unread := with(open(), func(c *Charge) { c.ID, c.Channel, c.Hold = "ch_3", ledger.ShippingChannel, Unread })
	for name, c := range map[string]struct {
		of   []Charge
		want string
		why  ledger.ShippingReason
	}{
		"none":             {nil, "", ""},
		"one":              {[]Charge{good}, "ch_1", ""},
		"not paid":         {[]Charge{unpaid}, "ch_1", ledger.RefuseNotPaid},
		"the paid one":     {[]Charge{held, good}, "ch_1", ""},
		"says more":        {[]Charge{unpaid, held}, "ch_2", ledger.RefuseHeld},
		"says more, first": {[]Charge{held, unpaid}, "ch_2", ledger.RefuseHeld},
		"unread":           {[]Charge{unread, unpaid}, "ch_3", ledger.RefuseHeld},
		"unread, last":     {[]Charge{unpaid, unread}, "ch_3", ledger.RefuseHeld},
	} {
		got, why := reportable(c.of)
		id := ""
		if got != nil {
			id = got.ID
		}
		if id != c.want || why != c.why {
			t.Errorf("%s: %s, %q; want %s, %q", name, id, why, c.want, c.why)
		}
	}
}

// TestReport: the same content is the same report, unless that failed; other content replaces what WeChat does not have; of what it has there is one
// correction.
func TestReport(t *testing.T) {
	done := func(uploads int) func(*Shipment) {
		return func(s *Shipment) { s.Stage, s.Uploads, s.State = ledger.ReportDone, uploads, ledger.ShipmentReported }
	}
	failed := func(s *Shipment) { s.fail(ledger.ShippingProblem{Code: "x"}); s.Tries, s.Missed, s.Unclear = 3, 2, 1 }
	perhaps := func(n *ledger.Shipping, uploads int) func(*Shipment) {
		return func(s *Shipment) { s.Posted, s.Uploads = n, uploads }
	}
	state := func(is ledger.ShipmentState) func(*Shipment) {
		return func(s *Shipment) { s.State, s.Stage = is, ledger.ReportDone }
	}
	for name, c := range map[string]struct {
		was, now *ledger.Shipping
		change   func(*Shipment)
		fresh    bool
		why      ledger.ShippingReason
	}{
		"the first":                          {nil, tea, func(*Shipment) {}, true, ""},
		"the same, not posted yet":           {tea, &ledger.Shipping{Type: tea.Type, Items: tea.Items, Complete: true}, func(*Shipment) {}, false, ""},
		"the same, accepted":                 {tea, tea, done(1), false, ""},
		"the same, accepted as correction":   {tea, tea, done(2), false, ""},
		"the same, failed":                   {tea, tea, failed, true, ""},
		"the same, failed as a third":        {tea, tea, func(s *Shipment) { failed(s); s.Uploads = 2 }, false, ledger.RefuseCorrected},
		"the same, perhaps posted":           {tea, tea, perhaps(tea, 1), false, ""},
		"the same, failed, perhaps posted":   {tea, tea, func(s *Shipment) { failed(s); s.Posted, s.Uploads = tea, 1 }, true, ""},
		"the same, settled":                  {tea, tea, state(ledger.ShipmentSettled), false, ""},
		"other, not posted yet":              {tea, coffee, func(*Shipment) {}, true, ""},
		"other, perhaps posted":              {tea, coffee, perhaps(tea, 0), true, ""},
		"a correction":                       {tea, coffee, done(1), true, ""},
		"a correction of a correction":       {coffee, milk, func(s *Shipment) { s.Uploads = 1 }, true, ""}, // which was not posted
		"of a correction perhaps posted":     {coffee, milk, perhaps(coffee, 1), false, ledger.RefuseCorrected},
		"a third":                            {coffee, milk, done(2), false, ledger.RefuseCorrected},
		"what was first, again":              {coffee, tea, done(2), false, ledger.RefuseCorrected},
		"more parcels":                       {part1, part2, done(0), true, ""},
		"more parcels, perhaps posted":       {part1, part2, perhaps(part1, 0), true, ""},
		"a part as correction":               {tea, part1, done(1), false, ledger.RefuseComplete},
		"a part, perhaps complete":           {tea, part1, perhaps(tea, 0), false, ledger.RefuseComplete},
		"a part, complete by hand":           {nil, part1, func(s *Shipment) { s.State, s.Uploads = ledger.ShipmentReported, 1 }, false, ledger.RefuseComplete},
		"all at once, after parts":           {part1, tea, done(0), true, ""},
		"other parcels after a correction":   {part1, part2, done(2), false, ledger.RefuseCorrected},
		"other, failed":                      {tea, coffee, failed, true, ""},
		"other, confirmed":                   {tea, coffee, state(ledger.ShipmentConfirmed), false, ledger.RefuseOver},
		"other, settled":                     {tea, coffee, state(ledger.ShipmentSettled), false, ledger.RefuseOver},
		"other, refunded as WeChat says":     {tea, coffee, state(ledger.ShipmentRefunded), true, ""},
		"the same, done, refunded":           {tea, tea, state(ledger.ShipmentRefunded), false, ""},
		"the same, of a program unmanaged":   {tea, tea, func(s *Shipment) { s.unmanaged(ledger.ShippingProblem{}) }, true, ""},
		"other, of a program unmanaged":      {tea, coffee, func(s *Shipment) { s.unmanaged(ledger.ShippingProblem{}) }, true, ""},
		"after it was shipped by hand":       {nil, tea, func(s *Shipment) { s.State, s.Uploads = ledger.ShipmentReported, 1 }, true, ""},
		"after it was shipped twice by hand": {nil, tea, func(s *Shipment) { s.State, s.Uploads = ledger.ShipmentReported, 2 }, false, ledger.RefuseCorrected},
	} {
		s := shipment(c.was)
		c.change(s)
		before := *s
		fresh, why := s.report(c.now, at(9))
		if fresh != c.fresh || why != c.why {
			t.Errorf("%s: %t, %q; want %t, %q", name, fresh, why, c.fresh, c.why)
		}
		if !fresh {
			equal(t, name, *s, before)
			continue
		}
		waits := ledger.ShipmentWaiting
		if before.State == ledger.ShipmentReported {
			waits = ledger.ShipmentReported
		}
		equal(t, name, []any{s.Stage, s.State, s.Shipping, s.Recorded, s.Due, s.Problem, s.Tries, s.Missed, s.Unclear, s.Posted},
			[]any{ledger.ReportOpen, waits, c.now, at(9), at(9), ledger.ShippingProblem{}, 0, 0, 0, before.Posted})
	}
}

// TestShippingStep: what may have been posted is asked about first; only an open report is posted.
func TestShippingStep(t *testing.T) {
	done := reportedTea()
	failed := shipment(tea)
	failed.fail(ledger.ShippingProblem{Code: "x"})
	for name, c := range map[string]struct {
		row  *Shipment
		want ledger.ShippingStep
	}{
		"a report":                           {shipment(tea), ledger.ShippingPost},
		"perhaps posted":                     {posted(tea), ledger.ShippingAsk},
		"perhaps posted, and reported since": {changed(posted(tea), func(s *Shipment) { s.report(coffee, at(3)) }), ledger.ShippingAsk},
		"accepted":                           {done, ledger.ShippingAsk},
		"failed":                             {failed, ledger.ShippingAsk},
		"nothing reported":                   {shipment(nil), ledger.ShippingAsk},
	} {
		if got := c.row.Step(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestReportAgain: what a person may decide.
func TestReportAgain(t *testing.T) {
	failed := func(change func(*Shipment)) *Shipment {
		s := shipment(tea)
		s.fail(ledger.ShippingProblem{Code: "x"})
		change(s)
		return s
	}
	for name, c := range map[string]struct {
		row  *Shipment
		with *ledger.Shipping
		want error // nil: it is due
		why  ledger.ShippingReason
	}{
		"failed":                          {failed(func(*Shipment) {}), nil, nil, ""},
		"failed, with its content":        {failed(func(*Shipment) {}), tea, nil, ""},
		"failed, with another":            {failed(func(*Shipment) {}), coffee, nil, ""},
		"failed after a correction":       {failed(func(s *Shipment) { s.Uploads = 2 }), nil, nil, ledger.RefuseCorrected},
		"a part, complete by hand since":  {failed(func(s *Shipment) { s.Shipping, s.Uploads = part1, 1 }), nil, nil, ledger.RefuseComplete},
		"failed, confirmed":               {failed(func(s *Shipment) { s.State = ledger.ShipmentConfirmed }), nil, ledger.ErrState, ""},
		"failed, settled":                 {failed(func(s *Shipment) { s.State = ledger.ShipmentSettled }), nil, ledger.ErrState, ""},
		"not managed":                     {failed(func(s *Shipment) { s.State = ledger.ShipmentUnmanaged }), nil, nil, ""},
		"failed, refunded as WeChat says": {failed(func(s *Shipment) { s.State = ledger.ShipmentRefunded }), nil, nil, ""},
		"open":                            {changed(shipment(tea), func(s *Shipment) { s.Due = at(3600) }), nil, nil, ""},
		"nothing":                         {shipment(nil), nil, ledger.ErrState, ""},
		"nothing, with something":         {shipment(nil), tea, nil, ""},
		"done":                            {reportedTea(), nil, ledger.ErrState, ""},
		"done, with the same":             {reportedTea(), tea, ledger.ErrState, ""},
		"done, with a correction":         {reportedTea(), coffee, nil, ""},
	} {
		err := c.row.again(c.with, at(9))
		var refused *ledger.ShippingRefusal
		if c.why != "" {
			if !errors.As(err, &refused) || refused.Reason != c.why {
				t.Errorf("%s: %v, want %s", name, err, c.why)
			}
			continue
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if due := c.row.Stage == ledger.ReportOpen && c.row.Due.Equal(at(9)); due != (c.want == nil) {
			t.Errorf("%s: %s, due %s", name, c.row.Stage, c.row.Due)
		}
	}
}

// TestShippingGap: get_order is asked daily, and of old payments less often; what a clock that was put back has left further ahead is due.
func TestShippingGap(t *testing.T) {
	s := shipment(nil)
	for age, want := range map[time.Duration]time.Duration{0: shipDaily, 240 * time.Hour: shipDaily, 480 * time.Hour: 48 * time.Hour, -time.Hour: shipDaily} {
		if got := s.gap(noon.Add(age)); got != want {
			t.Errorf("%s after the payment: %s, want %s", age, got, want)
		}
	}
	for name, c := range map[string]struct {
		row  *Shipment
		due  time.Duration
		want bool
	}{
		"in the daily round":         {shipment(nil), shipDaily, false},
		"after the daily round":      {shipment(nil), shipDaily + 2*time.Minute, true},
		"a report":                   {shipment(tea), time.Hour, false},
		"a report that waits longer": {shipment(tea), time.Hour + 2*time.Minute, true},
	} {
		c.row.Due = noon.Add(c.due)
		if got := aheadOf(noon).shipment(c.row); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestShipmentOver: which shipments are pruned.
func TestShipmentOver(t *testing.T) {
	for _, state := range ledger.ShipmentStates {
		s := changed(shipment(nil), func(s *Shipment) { s.State = state })
		over := state == ledger.ShipmentSettled || state == ledger.ShipmentRefunded || state == ledger.ShipmentUnmanaged
		if got := shipmentOver(s, at(1)); got != over {
			t.Errorf("%s: %t", state, got)
		}
		if shipmentOver(s, noon) {
			t.Errorf("%s: paid at the time, and not before it", state)
		}
	}
}

// TestShipmentOwed: a payment whose time nobody knows was made when it was heard of.
func TestShipmentOwed(t *testing.T) {
	c := with(keptPayment(), func(c *Charge) { c.TimePaid = never })
	equal(t, "paid", owed(&c, at(5)).TimePaid, at(5))
	equal(t, "known", shipment(nil).TimePaid, noon)
}

// TestShippingHurried: a person's decision about a report that is open makes it due, and forgets nothing of it.
func TestShippingHurried(t *testing.T) {
	for due, want := range map[time.Time]time.Time{at(5): at(5), at(99): at(9)} {
		s := changed(shipment(tea), func(s *Shipment) { s.Due, s.Missed = due, 3 })
		if err := s.again(nil, at(9)); err != nil || !s.Due.Equal(want) || s.Missed != 3 {
			t.Errorf("%v, due %s, missed %d", err, s.Due, s.Missed)
		}
	}
}

// TestShipmentRefund: a report that is open when the money goes back fails.
func TestShipmentRefund(t *testing.T) {
	s := shipment(tea)
	s.refund()
	equal(t, "open", []any{s.State, s.Stage, s.Problem, s.Due}, []any{ledger.ShipmentRefunded, ledger.ReportFailed,
		ledger.ShippingProblem{Code: ledger.ProblemOver, Text: ledger.RefuseOver.Text(), ZH: "买家已确认收货或资金已结算，微信不再接受发货信息"}, never})
	s = reportedTea()
	s.refund()
	equal(t, "done", []any{s.State, s.Stage, s.Problem, s.Due}, []any{ledger.ShipmentRefunded, ledger.ReportDone, ledger.ShippingProblem{}, never})
}

// TestShipmentLeaseOfNothing: nobody has a lease on what nobody has leased.
func TestShipmentLeaseOfNothing(t *testing.T) {
	var none *Shipment
	if none.heldBy(ledger.ShipmentLease{}) || shipment(tea).heldBy(ledger.ShipmentLease{}) {
		t.Error("held")
	}
}

package ledgertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// turn reads a list page by page; between two pages something happens.
func turn[T any](t *testing.T, read func(cursor string) (ledger.Page[T], error), name func(*T) string, between func(page int)) (names []string) {
	t.Helper()
	cursor := ""
	for page := 0; ; page++ {
		p, err := read(cursor)
		must(t, err)
		for i := range p.Rows {
			names = append(names, name(&p.Rows[i]))
		}
		if cursor = p.Next; cursor == "" {
			return names
		}
		if page > 1000 {
			t.Fatal("the list has no end")
		}
		between(page)
	}
}

func quiet(int) {}

func eventID(e *ledger.Event) string   { return e.ID }
func chargeID(c *ledger.Charge) string { return c.ID + c.Number }

func listEvents(t *testing.T, l ledger.Ledger, f ledger.Filter) []string {
	t.Helper()
	f.Scope = live
	return turn(t, func(cursor string) (ledger.Page[ledger.Event], error) {
		f.Cursor = cursor
		return l.ListEvents(t.Context(), f)
	}, eventID, quiet)
}

func listCharges(t *testing.T, l ledger.Ledger, f ledger.ChargeFilter) []string {
	t.Helper()
	f.Scope, f.Now = live, at(60)
	return turn(t, func(cursor string) (ledger.Page[ledger.Charge], error) {
		f.Cursor = cursor
		return l.ListCharges(t.Context(), f)
	}, chargeID, quiet)
}

// Whoever turns the pages sees each event once, in order, whatever comes meanwhile.
func testEventPages(t *testing.T, l ledger.Ledger) {
	var want []string
	for i := range 23 {
		e := event(live, fmt.Sprint("evt_", i))
		if i%3 == 1 {
			e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonType}
		}
		if i%3 == 2 {
			e.State, e.Reasons = ledger.Held, []string{ledger.ReasonAmount, ledger.ReasonPaidTwice}
		}
		add(t, l, e, ledger.Recorded)
		want = append(want, e.ID)
	}
	slices.Reverse(want)
	elsewhere := event(test, "evt_elsewhere")
	add(t, l, elsewhere, ledger.Recorded)
	for _, f := range []ledger.Filter{{}, {States: []ledger.State{ledger.Pending, ledger.Held, ledger.Filtered}}} {
		got := turn(t, func(cursor string) (ledger.Page[ledger.Event], error) {
			f.Scope, f.Limit, f.Cursor = live, 4, cursor
			return l.ListEvents(t.Context(), f)
		}, eventID, func(page int) {
			add(t, l, event(live, fmt.Sprint("evt_late_", len(f.States), page)), ledger.Recorded)
			if page == 0 { // one that was not shown yet, and stays in the list
				must(t, decide(t, l, ledger.ActionReplay, fmt.Sprint("evt_", len(f.States)*3+1), 1))
			}
		})
		got = slices.DeleteFunc(got, func(id string) bool { return id[:5] == "evt_l" })
		equal(t, "pages", got, want)
	}
	p, err := l.ListEvents(t.Context(), ledger.Filter{Scope: live, Limit: 4})
	must(t, err)
	equal(t, "a page", len(p.Rows), 4)
	for _, broken := range []string{"x", "1", "1.x", "."} {
		_, err = l.ListEvents(t.Context(), ledger.Filter{Scope: live, Cursor: broken})
		wantErr(t, err, ledger.ErrCursor)
	}
	p, err = l.ListEvents(t.Context(), ledger.Filter{Scope: other})
	must(t, err)
	equal(t, "of an empty scope", len(p.Rows), 0)
}

func testEventFilters(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	for i, e := range []*ledger.Event{payment("evt_0", "ch_1", "1"), event(live, "evt_1"), event(live, "evt_2"), event(live, "evt_3"), payment("evt_4", "ch_4", "4")} {
		e.Received, e.Due = at(i), at(i)
		switch i {
		case 1:
			e.State, e.Reasons = ledger.Held, []string{ledger.ReasonAmount, ledger.ReasonCurrency}
		case 2:
			e.Type, e.Source = "order.succeeded", ledger.Query
		case 3:
			e.OrderNo = "1"
		}
		add(t, l, e, ledger.Recorded)
	}
	for _, c := range []struct {
		what   string
		filter ledger.Filter
		want   []string
	}{
		{"all", ledger.Filter{}, []string{"evt_4", "evt_3", "evt_2", "evt_1", "evt_0"}},
		{"state", ledger.Filter{States: []ledger.State{ledger.Held}}, []string{"evt_1"}},
		{"a state of an order", ledger.Filter{OrderNo: "1", States: []ledger.State{ledger.Held}}, nil},
		{"order", ledger.Filter{OrderNo: "1"}, []string{"evt_3", "evt_0"}},
		{"type", ledger.Filter{Type: "order.succeeded"}, []string{"evt_2"}},
		{"payments", ledger.Filter{Type: "charge.succeeded"}, []string{"evt_4", "evt_0"}},
		{"reason", ledger.Filter{Reason: ledger.ReasonCurrency}, []string{"evt_1"}},
		{"source", ledger.Filter{Source: ledger.Query}, []string{"evt_2"}},
		{"since", ledger.Filter{Since: at(3)}, []string{"evt_4", "evt_3"}},
		{"until", ledger.Filter{Until: at(1)}, []string{"evt_0"}},
		{"since and until", ledger.Filter{Since: at(1), Until: at(3)}, []string{"evt_2", "evt_1"}},
		{"money at risk", ledger.Filter{AtRisk: true}, []string{"evt_4", "evt_0"}},
		{"money at risk of an order", ledger.Filter{AtRisk: true, OrderNo: "4"}, []string{"evt_4"}},
		{"money at risk and held", ledger.Filter{AtRisk: true, States: []ledger.State{ledger.Held}}, nil},
		{"money at risk and delivered", ledger.Filter{AtRisk: true, States: []ledger.State{ledger.Delivered}}, nil},
	} {
		equal(t, c.what, listEvents(t, l, c.filter), c.want)
		c.filter.Limit = 1
		equal(t, c.what+", one a page", listEvents(t, l, c.filter), c.want)
	}
}

// created makes a charge in a second.
func created(t *testing.T, l ledger.Ledger, orderNo, id, channel string, second int) {
	t.Helper()
	r := reserve(t, l, orderNo, at(second), at(second+30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id, Channel: channel, Amount: 100, Currency: "cny",
		Created: at(second), TimeExpire: at(second + 50), Raw: []byte("{}")}))
}

func testChargeLists(t *testing.T, l ledger.Ledger) {
	created(t, l, "1", "ch_1", "wx_lite", 1)
	created(t, l, "2", "ch_2", "wx_pub", 2)
	created(t, l, "3", "ch_3", "wx_lite", 20)
	created(t, l, "3", "ch_3b", "alipay_qr", 20)
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	unseen := payment("evt_9", "ch_9", "9")
	unseen.Created = at(10)
	add(t, l, unseen, ledger.Recorded)
	refused := reserve(t, l, "5", at(30), at(60))
	release(t, l, refused.Number, ledger.Refused, nil)
	reserve(t, l, "6", at(40), at(70))
	all := []string{"6", "5", "ch_3b3-1-0", "ch_33", "ch_9", "ch_22", "ch_11"}
	for _, c := range []struct {
		what   string
		filter ledger.ChargeFilter
		want   []string
	}{
		{"all", ledger.ChargeFilter{}, all},
		{"order", ledger.ChargeFilter{OrderNo: "3"}, []string{"ch_3b3-1-0", "ch_33"}},
		{"channel", ledger.ChargeFilter{Channel: "wx_lite"}, []string{"ch_33", "ch_11"}},
		{"paid", ledger.ChargeFilter{Statuses: []ledger.Status{ledger.StatusPaid}}, []string{"ch_9", "ch_11"}},
		{"created", ledger.ChargeFilter{Statuses: []ledger.Status{ledger.StatusCreated}}, []string{"ch_3b3-1-0", "ch_33"}},
		{"expired", ledger.ChargeFilter{Statuses: []ledger.Status{ledger.StatusExpired}}, []string{"ch_22"}},
		{"refused", ledger.ChargeFilter{Statuses: []ledger.Status{ledger.StatusRefused}}, []string{"5"}},
		{"preparing and refused", ledger.ChargeFilter{Statuses: []ledger.Status{ledger.StatusPreparing, ledger.StatusRefused}}, []string{"6", "5"}},
		{"since", ledger.ChargeFilter{Since: at(30)}, []string{"6", "5"}},
		{"until", ledger.ChargeFilter{Until: at(2)}, []string{"ch_11"}},
		{"since and until", ledger.ChargeFilter{Since: at(2), Until: at(20)}, []string{"ch_9", "ch_22"}},
	} {
		equal(t, c.what, listCharges(t, l, c.filter), c.want)
		c.filter.Limit = 1
		equal(t, c.what+", one a page", listCharges(t, l, c.filter), c.want)
	}
	late := 100
	got := turn(t, func(cursor string) (ledger.Page[ledger.Charge], error) {
		return l.ListCharges(t.Context(), ledger.ChargeFilter{Scope: live, Limit: 2, Cursor: cursor})
	}, chargeID, func(int) { late++; created(t, l, fmt.Sprint(late), fmt.Sprint("ch_", late), "wx_lite", late) })
	equal(t, "while charges are made", got, all)
	p, err := l.ListCharges(t.Context(), ledger.ChargeFilter{Scope: live})
	must(t, err)
	for _, c := range p.Rows {
		if c.Raw != nil {
			t.Fatalf("a list has credentials: %s", show(c))
		}
	}
}

func testOrderLists(t *testing.T, l ledger.Ledger) {
	created(t, l, "1", "ch_1", "wx_lite", 1)
	created(t, l, "2", "ch_2", "wx_pub", 2)
	created(t, l, "3", "ch_3", "wx_lite", 3)
	created(t, l, "1", "ch_1b", "alipay_qr", 4) // its order stays where it is
	again := payment("evt_1", "ch_1", "1")
	add(t, l, again, ledger.Recorded)
	add(t, l, payment("evt_2", "ch_9", ""), ledger.Recorded) // of no order
	list := func(f ledger.OrderFilter) []string {
		f.Scope, f.Now = live, at(52)
		return turn(t, func(cursor string) (ledger.Page[ledger.Order], error) {
			f.Cursor = cursor
			return l.ListOrders(t.Context(), f)
		}, func(o *ledger.Order) string {
			return fmt.Sprint(o.OrderNo, " ", len(o.Attempts), " ", o.Status(at(52)))
		}, quiet)
	}
	all := []string{"3 1 created", "2 1 expired", "1 2 paid"}
	equal(t, "all", list(ledger.OrderFilter{}), all)
	equal(t, "one a page", list(ledger.OrderFilter{Limit: 1}), all)
	equal(t, "paid", list(ledger.OrderFilter{Statuses: []ledger.Status{ledger.StatusPaid}}), all[2:])
	equal(t, "of a channel", list(ledger.OrderFilter{Channel: "alipay_qr"}), all[2:])
	equal(t, "since", list(ledger.OrderFilter{Since: at(3)}), all[:1])
	equal(t, "until", list(ledger.OrderFilter{Until: at(3)}), all[1:])
}

func testRefundLists(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	for i := range 3 {
		r := asking(fmt.Sprint("R", i), 10, i)
		reserveRefund(t, l, r, true)
		must(t, l.RefundMade(t.Context(), lease(r), fmt.Sprint("re_", i), at(30)))
	}
	done := refunded("evt_r", "re_1", "R1", 10)
	add(t, l, done, ledger.Recorded)
	last := asking("R3", 10, 40)
	reserveRefund(t, l, last, true)
	must(t, l.ReleaseRefund(t.Context(), lease(last), ledger.RefundPause{Next: at(50), Asks: 1, Unclear: "lost"}))
	for _, c := range []struct {
		what   string
		filter ledger.RefundFilter
		want   []string
	}{
		{"all", ledger.RefundFilter{}, []string{"R3", "R2", "R1", "R0"}},
		{"of the order", ledger.RefundFilter{OrderNo: "1"}, []string{"R3", "R2", "R1", "R0"}},
		{"of the charge", ledger.RefundFilter{ChargeID: "ch_1"}, []string{"R3", "R2", "R1", "R0"}},
		{"of another order", ledger.RefundFilter{OrderNo: "2"}, nil},
		{"of another charge", ledger.RefundFilter{ChargeID: "ch_2"}, nil},
		{"of another charge of the order", ledger.RefundFilter{OrderNo: "1", ChargeID: "ch_2"}, nil},
		{"succeeded", ledger.RefundFilter{States: []ledger.RefundState{ledger.RefundSucceeded}}, []string{"R1"}},
		{"unclear", ledger.RefundFilter{Unclear: true}, []string{"R3"}},
		{"since", ledger.RefundFilter{Since: at(2)}, []string{"R3", "R2"}},
		{"until", ledger.RefundFilter{Until: at(1)}, []string{"R0"}},
	} {
		for _, limit := range []int{0, 1} {
			got := turn(t, func(cursor string) (ledger.Page[ledger.Refund], error) {
				f := c.filter
				f.Scope, f.Cursor, f.Limit = live, cursor, limit
				return l.ListRefunds(t.Context(), f)
			}, func(r *ledger.Refund) string { return r.RefundNo }, quiet)
			equal(t, c.what, got, c.want)
		}
	}
}

// The audit log has what was decided, when, by whom and why; what was not allowed is no decision.
func testAudit(t *testing.T, l ledger.Ledger) {
	e := event(live, "evt_1")
	e.OrderNo = "1"
	add(t, l, e, ledger.Recorded)
	add(t, l, event(live, "evt_2"), ledger.Recorded)
	add(t, l, event(test, "evt_1"), ledger.Recorded)
	first := ledger.Decision{Scope: live, EventID: "evt_1", Action: ledger.ActionDiscard, Now: at(1), By: "address 127.0.0.1", Said: "ops", Reason: "because"}
	must(t, l.Decide(t.Context(), first))
	wantErr(t, l.Decide(t.Context(), first), ledger.ErrState)
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 2))
	must(t, decide(t, l, ledger.ActionDiscard, "evt_2", 3))
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: test, EventID: "evt_1", Action: ledger.ActionDiscard, Now: at(4)}))
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: live, Action: ledger.ActionPause, Now: at(5), By: "ops"}))

	list := func(f ledger.AuditFilter) []string {
		f.Scope = live
		return turn(t, func(cursor string) (ledger.Page[ledger.Decided], error) {
			f.Cursor = cursor
			return l.ListAudit(t.Context(), f)
		}, func(d *ledger.Decided) string {
			return fmt.Sprint(d.Action, " ", d.EventID, " ", d.Was, " ", d.OrderNo)
		}, quiet)
	}
	all := []string{"pause   ", "discard evt_2 pending ", "replay evt_1 discarded 1", "discard evt_1 pending 1"}
	equal(t, "all", list(ledger.AuditFilter{}), all)
	equal(t, "one a page", list(ledger.AuditFilter{Limit: 1}), all)
	equal(t, "of an event", list(ledger.AuditFilter{EventID: "evt_1"}), all[2:])
	equal(t, "of an action", list(ledger.AuditFilter{Actions: []ledger.Action{ledger.ActionDiscard}}), []string{all[1], all[3]})
	equal(t, "since", list(ledger.AuditFilter{Since: at(3)}), all[:2])
	equal(t, "until", list(ledger.AuditFilter{Until: at(3)}), all[2:])
	equal(t, "of an event that is not there", list(ledger.AuditFilter{EventID: "evt_3"}), nil)
	p, err := l.ListAudit(t.Context(), ledger.AuditFilter{Scope: live})
	must(t, err)
	equal(t, "the first", p.Rows[3].Decision, first)
}

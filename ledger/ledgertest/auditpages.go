package ledgertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// A list of decisions reads on behind those that it does not want, also where many were made at one moment; each is there once.
func testAuditPages(t *testing.T, l ledger.Ledger) {
	const many = 70       // more than are read at a time
	var all, few []string // newest first
	for i := range many {
		e := event(live, fmt.Sprintf("evt_%02d", i))
		e.State, e.Reasons = ledger.Held, []string{ledger.ReasonType}
		add(t, l, e, ledger.Recorded)
		action := ledger.ActionRelease
		if i%6 == 1 {
			action = ledger.ActionDiscard
			few = append(few, e.ID)
		}
		must(t, decide(t, l, action, e.ID, 5))
		all = append(all, e.ID)
	}
	slices.Reverse(all)
	slices.Reverse(few)
	for _, limit := range []int{1, 20} {
		list := func(actions ...ledger.Action) []string {
			f := ledger.AuditFilter{Scope: live, Actions: actions, Limit: limit}
			return turn(t, func(cursor string) (ledger.Page[ledger.Decided], error) {
				f.Cursor = cursor
				return l.ListAudit(t.Context(), f)
			}, func(d *ledger.Decided) string { return d.EventID }, quiet)
		}
		equal(t, "all", list(), all)
		equal(t, "some", list(ledger.ActionDiscard), few)
	}
}

package ledgertest

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// testPayable looks for one payer's charges that may still be paid, among all others.
func testPayable(t *testing.T, l ledger.Ledger) {
	made := func(order, payer string, expire time.Time) string {
		t.Helper()
		r := reserve(t, l, order, noon, at(30))
		id := "ch_" + r.Number
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id, Payer: payer, Amount: 1, Currency: "cny", Created: noon, TimeExpire: expire}))
		return id
	}
	first, second, unending := made("1", "a", at(600)), made("1", "a", at(600)), made("2", "a", time.Time{})
	made("3", "b", at(600))
	made("4", "a", at(60))
	reversed, payment := made("5", "a", at(600)), made("6", "a", at(600))
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: reversed, Reversed: true, At: noon}))
	add(t, l, paid(live, "evt_1", payment, "6"), ledger.Recorded)
	refused := reserve(t, l, "7", noon, at(30))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: refused.Number, As: ledger.Refused}))

	ids := func(now time.Time) (ids []string) {
		t.Helper()
		cs, err := l.Payable(t.Context(), live, "a", now)
		must(t, err)
		for _, c := range cs {
			ids = append(ids, c.ID)
		}
		return ids
	}
	equal(t, "at one minute", ids(at(60)), []string{first, second, unending})
	equal(t, "at ten minutes", ids(at(600)), []string{unending})
	equal(t, "after a day", ids(noon.Add(24*time.Hour)), []string(nil))
	if cs, err := l.Payable(t.Context(), ledger.Scope{App: "app_none", Mode: ledger.Live}, "a", noon); err != nil || len(cs) != 0 {
		t.Errorf("of an app that is not known: %s, %v", show(cs), err)
	}
}

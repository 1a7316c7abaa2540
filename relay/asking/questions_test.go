package asking

import (
	"testing"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
)

// Each purpose has a budget of its own: the look-up of a charge whose payer has just reported something, the first one of a charge, and all others.
func TestBudgetsOfQuestions(t *testing.T) {
	q := NewQuestions()
	for kind, want := range map[ledger.QueryKind]*rate.Limiter{ledger.QueryTold: q.Payers, ledger.QueryFirst: q.First, ledger.QueryLater: q.Later} {
		if got := q.Of(kind); got != want {
			t.Errorf("look-ups of kind %d take from another's budget", kind)
		}
	}
	all := []*rate.Limiter{q.Payers, q.Refunds, q.First, q.Later}
	for i, b := range all {
		if !b.Allow() {
			t.Fatalf("budget %d begins empty", i)
		}
		for b.Allow() {
		}
		for j, other := range all {
			if j > i && !other.Allow() {
				t.Errorf("spending budget %d spends %d", i, j)
			}
		}
	}
}

package reconcile

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/relay/asking"
)

// What stands for what a configuration leaves out, and that what it says stays.
func TestDefaults(t *testing.T) {
	r := New(Config{})
	r.Charges.observe("")
	r.Refunds.Unclear("")
	if at := r.Charges.now(); time.Since(at) > time.Minute || r.Charges.questions == nil || r.Charges.schedule.after != DefaultAfter || r.Charges.schedule.until != DefaultUntil {
		t.Errorf("%s %+v", at, r.Charges)
	}
	if n := r.Refunds.Rand(); n < 0 || n >= 1 {
		t.Error(n)
	}
	r.Schedule(time.Minute, time.Hour)
	if r.Charges.schedule.after != time.Minute || r.Charges.schedule.until != time.Hour {
		t.Errorf("%+v", r.Charges.schedule)
	}

	told, q := "", asking.NewQuestions()
	r = New(Config{
		Now: func() time.Time { return time.Unix(7, 0) }, Rand: func() float64 { return 0.25 }, Questions: q,
		Observe: func(result string) { told += result }, Unclear: func(why string) { told += why },
	})
	r.Charges.observe("a")
	r.Due.observe("b")
	r.DueRefunds.Observe("c")
	r.Attempts.observe("d")
	r.Refunds.Unclear("e")
	if told != "abcde" || r.Charges.now().Unix() != 7 || r.Reversals.rand() != 0.25 || r.Charges.questions != q || r.DueRefunds.Budget != q.Refunds || r.Days.Budget != q.Later || r.Events.budget != q.Refunds || r.Reversals.payers != q.Payers {
		t.Errorf("%q %+v", told, r)
	}
}

// The parts are put together of what they need.
func TestPartsOfAReconciler(t *testing.T) {
	s := newSitting(t)
	r := s.Reconciler
	scope, client, questions := r.Charges.scope, r.Learner.Pingpp, r.Charges.questions
	if scope.App == "" || client == nil || questions == nil {
		t.Fatal("nothing to compare with")
	}
	for name, ok := range map[string]bool{
		"learner":   r.Learner.Scope == scope && r.Learner.Intake != nil && r.Learner.Now != nil && r.Learner.Logger != nil,
		"reversals": r.Reversals.scope == scope && r.Reversals.pingpp == client && r.Reversals.learner == r.Learner && r.Reversals.payers == questions.Payers && r.Reversals.now != nil && r.Reversals.rand != nil && r.Reversals.logger != nil,
		"charges": r.Charges.ledger != nil && r.Charges.pingpp == client && r.Charges.learner == r.Learner && r.Charges.reversals == r.Reversals && r.Charges.schedule.now != nil && r.Charges.schedule.rand != nil &&
			r.Charges.observe != nil && r.Charges.now != nil && r.Charges.logger != nil && r.Charges.asked != nil,
		"attempts": r.Attempts.scope == scope && r.Attempts.pingpp == client && r.Attempts.learner == r.Learner && r.Attempts.questions == questions && r.Attempts.now != nil && r.Attempts.rand != nil && r.Attempts.observe != nil && r.Attempts.logger != nil,
		"refunds":  r.Refunds.Scope == scope && r.Refunds.Pingpp == client && r.Refunds.Learner == r.Learner && r.Refunds.Unclear != nil && r.Refunds.Now != nil && r.Refunds.Rand != nil && r.Refunds.Logger != nil,
		"days":     r.Days.Scope == scope && r.Days.Ledger != nil && r.Days.Pingpp == client && r.Days.Learner == r.Learner && r.Days.Budget == questions.Later && r.Days.Now != nil,
		"events":   r.Events.pingpp == client && r.Events.budget == questions.Refunds,
		"due": r.Due.scope == scope && r.Due.ledger != nil && r.Due.pingpp == client && r.Due.charges == r.Charges && r.Due.attempts == r.Attempts && r.Due.questions == questions && r.Due.owner == "me" &&
			r.Due.observe != nil && r.Due.now != nil && r.Due.logger != nil,
		"due refunds": r.DueRefunds.Maker == r.Refunds && r.DueRefunds.Ledger != nil && r.DueRefunds.Budget == questions.Refunds && r.DueRefunds.Owner == "me" && r.DueRefunds.Observe != nil,
		"nights":      r.Nights.Comparison == r.Days && r.Nights.Owner == "me" && r.Nights.Logger != nil,
		"overdue":     r.overdue.scope == scope && r.overdue.ledger != nil && r.overdue.now != nil && r.overdue.logger != nil,
	} {
		if !ok {
			t.Errorf("the %s lack something", name)
		}
	}
}

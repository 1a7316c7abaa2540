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

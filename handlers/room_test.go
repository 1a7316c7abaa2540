package handlers

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/limits"
)

// again asks for another attempt of an order: at another price.
func (w *world) again(session, orderNo string, n int) answer {
	w.t.Helper()
	w.setQuote(w.answerQuote(map[string]any{"amount": 100 + n}))
	return w.pay(session, orderNo)
}

func wantExceeded(t *testing.T, a answer, seconds string) {
	t.Helper()
	wantProblem(t, a, 429, "attempts_exceeded")
	if got := a.header.Get("Retry-After"); got != seconds {
		t.Errorf("Retry-After %q, want %s", got, seconds)
	}
}

// However often somebody changes what is bought, ten charges of an order may be paid, and old ones are reversed for new ones.
func TestAttemptsOfAnOrder(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) {
		c.Budgets = limits.NewBudgets(limits.Limits{Address: roomy.Address, OpenID: roomy.OpenID, App: roomy.App, Refused: roomy.Refused, Waiters: 1, Attempts: 10})
	})
	session := w.session(payer)
	for i := range 10 {
		if a := w.again(session, "1001", i); a.status != 201 {
			t.Fatalf("attempt %d: %d %s", i, a.status, a.body)
		}
	}
	for range 5 {
		wantExceeded(t, w.again(session, "1001", 10), "60")
	}
	if n := w.calls("create_charge"); n != 10 {
		t.Errorf("%d charges", n)
	}
	if a := w.again(session, "1001", 9); a.status != 200 {
		t.Errorf("the latest is handed out again: %d %s", a.status, a.body)
	}
	w.created(session, "1002") // another order

	w.clock.Add(time.Minute)
	for i := range 3 { // each has one reversed
		if a := w.again(session, "1001", 10+i); a.status != 201 {
			t.Fatalf("after a minute: %d %s", a.status, a.body)
		}
	}
	for i, c := range w.attempts("1001") {
		if c.Reversed != (i < 3) {
			t.Errorf("attempt %d: reversed %t", i, c.Reversed)
		}
	}
}

// An old attempt that turns out to be paid is no room for another: the order is paid.
func TestPaidAttemptFoundForRoom(t *testing.T) {
	w := newWorld(t)
	few := roomy
	few.Attempts = 2
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
	session := w.session(payer)
	first := w.again(session, "1001", 0).text("id")
	w.again(session, "1001", 1)
	w.clock.Add(time.Minute)
	w.payEvent(first) // its webhook is lost
	wantProblem(t, w.again(session, "1001", 2), 409, "order_already_paid")
	if n := w.calls("create_charge"); n != 2 {
		t.Errorf("%d charges", n)
	}
}

// A payer has twenty open charges at most, of however many orders. Those of other orders that nothing has replaced are not reversed.
func TestAttemptsOfAPayer(t *testing.T) {
	w := newWorld(t)
	few := roomy
	few.Attempts = limits.Default.Attempts
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
	session := w.session(payer)
	for i := range 18 {
		w.created(session, fmt.Sprint("20", i))
	}
	w.again(session, "3001", 0)
	w.again(session, "3001", 1)
	wantExceeded(t, w.pay(session, "4001"), "60")
	w.created(w.session(stranger), "4002") // another payer
	w.clock.Add(time.Minute)
	w.created(session, "4001") // in place of the first of 3001
	wantExceeded(t, w.pay(session, "4003"), "7140")
	for i := range 18 {
		if w.attempts(fmt.Sprint("20", i))[0].Reversed {
			t.Errorf("order 20%d was reversed", i)
		}
	}
	w.clock.Add(2 * time.Hour) // all have lapsed
	w.created(w.session(payer), "4003")
}

package merchant

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func TestAttemptStatus(t *testing.T) {
	now := time.Unix(1000, 0)
	for want, c := range map[string]ledger.Charge{
		"preparing": {State: ledger.Reserving}, "refused": {State: ledger.Refused}, "unknown": {State: ledger.Unknown},
		"paid":    {State: ledger.Unknown, Paid: true, Amount: 1},
		"created": {State: ledger.Open, TimeExpire: now.Add(1)}, "expired": {State: ledger.Open, TimeExpire: now},
	} {
		if got := viewAttempt(&c, now).Status; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// An order's status and amount are those of the attempts that Ping++ has, whatever else was tried: every combination of three.
func TestOrderStatus(t *testing.T) {
	now := time.Unix(1000, 0)
	soon := now.Add(time.Minute)
	kinds := []struct {
		name   string
		order  string // the status of an order with this attempt alone
		charge ledger.Charge
	}{
		{"preparing", "created", ledger.Charge{State: ledger.Reserving}},
		{"refused", "created", ledger.Charge{State: ledger.Refused}},
		{"unknown", "created", ledger.Charge{State: ledger.Unknown}},
		{"created", "created", ledger.Charge{State: ledger.Open, TimeExpire: soon}},
		{"expired", "expired", ledger.Charge{State: ledger.Open, TimeExpire: now}},
		{"reversed", "reversed", ledger.Charge{State: ledger.Open, TimeExpire: soon, Reversed: true}},
		{"refunded", "refunded", ledger.Charge{State: ledger.Open, TimeExpire: soon, Paid: true}},
		{"paid", "paid", ledger.Charge{State: ledger.Open, TimeExpire: soon, Paid: true}},
		{"paid", "paid", ledger.Charge{State: ledger.Unknown, Paid: true}},
		{"paid", "paid", ledger.Charge{State: ledger.Foreign, Paid: true}},
		{"held", "held", ledger.Charge{State: ledger.Open, TimeExpire: soon, Paid: true, Held: true}},
	}
	best := map[string]int{"held": 6, "paid": 5, "refunded": 4, "created": 3, "expired": 2, "reversed": 1} // of what Ping++ has
	seen := 0
	check := func(combination ...int) {
		var v OrderView
		var attempts []ledger.Charge
		want := OrderView{Status: "created"}
		rank := 0
		for place, k := range combination {
			c := kinds[k].charge
			if kinds[k].name != "preparing" && kinds[k].name != "refused" && kinds[k].name != "unknown" {
				c.ID, c.Amount, c.Currency = "ch_1", int64(100+place), "cny"
				if kinds[k].name == "refunded" {
					c.AmountRefunded = c.Amount
				}
				if n := best[kinds[k].name]; n >= rank { // of two that say as much the later
					rank, want.Status, want.Amount, want.Currency = n, kinds[k].order, c.Amount, c.Currency
				}
			}
			attempts = append(attempts, c)
		}
		v.tell(attempts, now)
		for place, k := range combination {
			if got := v.Charges[place].Status; got != kinds[k].name {
				t.Errorf("the attempt is %s, want %s", got, kinds[k].name)
			}
		}
		if seen++; v.Status != want.Status || v.Amount != want.Amount || v.Currency != want.Currency {
			var names []string
			for _, k := range combination {
				names = append(names, kinds[k].name)
			}
			t.Errorf("%v: %s %d %q, want %s %d %q", names, v.Status, v.Amount, v.Currency, want.Status, want.Amount, want.Currency)
		}
	}
	check()
	for i := range kinds {
		check(i)
		for j := range kinds {
			check(i, j)
			for k := range kinds {
				check(i, j, k)
			}
		}
	}
	if n := len(kinds); seen != 1+n+n*n+n*n*n {
		t.Errorf("%d combinations", seen)
	}
}

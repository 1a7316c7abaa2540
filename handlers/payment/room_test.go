package payment

import (
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// costs lets the backend name another price, so that the next attempt is a new one.
func (s *till) costs(fen string) { s.says = `"amount":` + fen }

// must is a request to pay that makes a charge.
func (s *till) must(orderNo, openid string) *ledger.Charge {
	s.T.Helper()
	c, created, p := s.buys(orderNo, openid)
	if p != nil || !created {
		s.T.Fatalf("%s: %t, %v", orderNo, created, p)
	}
	return c
}

// An old attempt is reversed only as far as room is wanted: whoever looks at its page can pay it until then.
func TestRoomIsMadeForOne(t *testing.T) {
	s := newTill(t)
	s.pay.Budgets.Limits.Attempts = 2
	var made []*ledger.Charge
	for _, fen := range []string{"1999", "2000", "2001"} {
		s.costs(fen)
		made = append(made, s.must("order1", payerA))
		s.After(time.Minute)
	}
	if !s.Known(s.l, made[0].ID).Reversed || s.Known(s.l, made[1].ID).Reversed || s.State(0).Calls["reverse_charge"] != 1 {
		t.Errorf("%+v", s.Attempts(s.l, "order1"))
	}
}

// Where one is reversed and another is too young for that, whoever waits is told how long for the young one, and how many there are.
func TestRoomIsNotThereYet(t *testing.T) {
	s := newTill(t)
	s.must("order1", payerA)
	s.After(time.Minute)
	s.costs("2000")
	s.must("order1", payerA)
	s.After(10 * time.Second)
	s.pay.Budgets.Limits.Attempts = 1 // by a reload
	s.costs("2001")
	_, _, p := s.buys("order1", payerA)
	if p == nil || p.Code != "attempts_exceeded" || p.RetryAfter != 50*time.Second || !strings.Contains(p.Cause.Error(), "1 charges may still be paid, of 1") {
		t.Errorf("%v", p)
	}
	if all := s.Attempts(s.l, "order1"); len(all) != 2 || !all[0].Reversed || all[1].Reversed {
		t.Errorf("%+v", all)
	}
	s.After(50 * time.Second)
	s.Fault("get_charge", "500", 30)
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "attempts_exceeded" || p.RetryAfter != time.Second { // Ping++ cannot say
		t.Errorf("%v", p)
	}
}

// What turns out to be paid while room is made has paid the order: nobody is charged for it again, wherever the room was wanting.
func TestPaidWhileRoomIsMade(t *testing.T) {
	for name, prepare := range map[string]func(s *till) (paid *ledger.Charge){
		"the order's only one": func(s *till) *ledger.Charge {
			c := s.must("order1", payerA)
			s.pay.Budgets.Limits.Attempts = 1
			return c
		},
		"the order's first of two": func(s *till) *ledger.Charge {
			c := s.must("order1", payerA)
			s.costs("1998")
			s.must("order1", payerA)
			s.pay.Budgets.Limits.Attempts = 2
			return c
		},
		"the order's, and the payer has others": func(s *till) *ledger.Charge {
			c := s.must("order1", payerA)
			s.must("order2", payerA)
			s.costs("1998")
			s.must("order2", payerA)
			s.pay.Budgets.Limits.Attempts = 1
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTill(t)
			paid := prepare(s)
			s.After(time.Minute)
			s.Pay(paid.ID) // and no webhook comes
			s.costs("2000")
			made := s.State(0).Calls["create_charge"]
			_, _, p := s.buys("order1", payerA)
			if p == nil || p.Code != "order_already_paid" || s.State(0).Calls["create_charge"] != made {
				t.Errorf("charged again: %v", p)
			}
		})
	}
}

// What nobody can pay any more takes no room.
func TestWhatTakesRoom(t *testing.T) {
	s := newTill(t)
	s.pay.Budgets.Limits.Attempts = 1
	now := s.Clock.Now()
	open := ledger.Charge{ID: "ch_1", OrderNo: "order1", Channel: "wx_lite", State: ledger.Open, Created: now, TimeExpire: now.Add(time.Hour)}
	a := &attempt{pay: s.pay, req: &chargeRequest{OrderNo: "order1"}, id: sessionOf(payerA)}
	for name, c := range map[string]struct {
		change func(*ledger.Charge)
		want   string
	}{
		"open": {func(*ledger.Charge) {}, "attempts_exceeded"}, "unknown": {func(c *ledger.Charge) { c.State = ledger.Unknown }, ""}, "paid": {func(c *ledger.Charge) { c.Paid = true }, ""},
		"reversed": {func(c *ledger.Charge) { c.Reversed = true }, ""}, "lapsed": {func(c *ledger.Charge) { c.TimeExpire = now }, ""}, "about to": {func(c *ledger.Charge) { c.TimeExpire = now.Add(1) }, "attempts_exceeded"},
	} {
		one := open
		c.change(&one)
		if _, err := a.room(t.Context(), s.l, &ledger.Reserved{}, []ledger.Charge{one}); codeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

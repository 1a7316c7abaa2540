package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// hourly keeps what is counted, and nothing else.
type hourly struct {
	Tx
	hours map[time.Time]ledger.Hour
}

func (t hourly) Tally(_ ledger.Scope, at time.Time, what string, n int64) {
	h := t.hours[HourOf(at)]
	Add(&h, what, n)
	t.hours[HourOf(at)] = h
}

// TestTallyMoney: an hour counts what came and what went back, each by how the ledger learned of it.
func TestTallyMoney(t *testing.T) {
	asked := func(e *ledger.Event) *ledger.Event { e.Source = ledger.Query; return e }
	unread := refund(30)
	unread.Change = nil
	held := payment()
	held.Payment = nil
	for what, c := range map[string]struct {
		event  *ledger.Event
		counts bool
		money  int64
		want   ledger.Hour
	}{
		"a payment that was told":            {payment(), true, 100, ledger.Hour{Webhook: 1, Paid: 100}},
		"a payment that was asked for":       {asked(payment()), true, 100, ledger.Hour{Query: 1, Paid: 100}},
		"a payment that had its effect":      {payment(), false, 0, ledger.Hour{}},
		"a payment that cannot be read":      {held, true, 0, ledger.Hour{}},
		"a refund that was told":             {refund(30), false, -30, ledger.Hour{Refunded: 30}},
		"a refund that was asked for":        {asked(refund(30)), false, -30, ledger.Hour{Refunded: 30}},
		"a refund that cannot be read":       {unread, false, 0, ledger.Hour{}},
		"a refund that gave nothing back":    {refund(0), false, 0, ledger.Hour{}},
		"a refund, and a payment that count": {refund(30), true, -30, ledger.Hour{Refunded: 30}},
	} {
		money := (&books{counts: c.counts}).money(c.event)
		if money != c.money {
			t.Errorf("%s: %d fen, want %d", what, money, c.money)
		}
		kept := hourly{hours: map[time.Time]ledger.Hour{}}
		tallyMoney(kept, &Event{Event: *c.event}, money)
		equal(t, what, kept.hours[HourOf(c.event.Received)], c.want)
	}
	var h ledger.Hour
	Add(&h, TallyCharges, 2)
	Add(&h, TallyCharges, 1)
	equal(t, "charges", h, ledger.Hour{Charges: 3})
}

// TestHourOf: an hour begins with its first millisecond, and ends before the next.
func TestHourOf(t *testing.T) {
	hour := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, in := range []time.Duration{0, time.Millisecond, 30 * time.Minute, time.Hour - time.Millisecond, time.Hour - time.Nanosecond} {
		if got := HourOf(hour.Add(in)); !got.Equal(hour) {
			t.Errorf("%s after the hour is in that of %s", in, got)
		}
	}
	for _, out := range []time.Duration{-time.Millisecond, time.Hour} {
		if got := HourOf(hour.Add(out)); got.Equal(hour) {
			t.Errorf("%s after the hour is in it", out)
		}
	}
}

package file_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// paid is an event that changes more than one table.
func paid(id string, size int) *ledger.Event {
	e := newEvent(id)
	e.ChargeID, e.OrderNo, e.Lane, e.Number = e.ObjectID, "o"+id, "o"+id, "o"+id
	e.Body = bytes.Repeat([]byte{'x'}, size)
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: e.Received}
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: e.Received}
	return e
}

// refundWhole is the refund of all that paid's event of an order has paid.
func refundWhole(of *ledger.Event, id string) *ledger.Event {
	e := newEvent(id)
	e.Type, e.ObjectID, e.ChargeID, e.OrderNo, e.Lane, e.Rank = "refund.succeeded", id, of.ChargeID, of.OrderNo, of.Lane, 1
	e.Change = &ledger.ChargeChange{Refund: of.Payment.Amount}
	return e
}

// cut copies what is on the disk for sure, as a power failure at this moment would leave it.
func cut(t *testing.T, l *Ledger) (file string) {
	t.Helper()
	image := newFile(t)
	must(t, openFileOnce(t, image)) // makes its folder
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(l.file + end)
		must(t, err)
		must(t, os.WriteFile(image+end, b, 0o600))
	}
	return image
}

// TestSentAndForgotten: a payment is sent, and the power fails before that is on disk. Its money goes back whole before it is sent again: the
// backend hears of both, since it may know the payment. Of one that was made since it is told nothing.
func TestSentAndForgotten(t *testing.T) {
	before := openFile(t, newFile(t))
	sent := paid("evt_1", 9)
	_, err := before.Append(t.Context(), sent)
	must(t, err)
	image := cut(t, before)
	if es, err := claim(before); err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	must(t, before.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: "evt_1", Attempt: 1, State: ledger.Delivered}))

	after := openFile(t, image)
	_, err = after.Append(t.Context(), refundWhole(sent, "evt_r1"))
	must(t, err)
	fresh := paid("evt_2", 9)
	fresh.Payment.Time = time.UnixMilli(0).Add(time.Hour)
	fresh.Change.TimePaid = fresh.Payment.Time
	for _, e := range []*ledger.Event{fresh, refundWhole(fresh, "evt_r2")} {
		_, err = after.Append(t.Context(), e)
		must(t, err)
	}
	for id, want := range map[string]ledger.State{"evt_1": ledger.Pending, "evt_r1": ledger.Pending, "evt_2": ledger.Discarded, "evt_r2": ledger.Filtered} {
		e, err := after.Event(t.Context(), scope, id)
		must(t, err)
		if e.State != want {
			t.Errorf("%s is %s %v, want %s", id, e.State, e.Reasons, want)
		}
	}
}

// TestPaidBeforeOpening: what was paid before the ledger was opened may have been sent by whoever had it before, if it is a backup.
func TestPaidBeforeOpening(t *testing.T) {
	opened := time.UnixMilli(1_790_000_000_000)
	l, err := Open(t.Context(), Options{File: newFile(t), Now: func() time.Time { return opened }})
	must(t, err)
	defer l.Close()
	for id, c := range map[string]struct {
		paid time.Duration // after the opening
		want ledger.State
	}{"evt_1": {-time.Hour, ledger.Pending}, "evt_2": {ledger.ClockSkew, ledger.Pending}, "evt_3": {ledger.ClockSkew + time.Second, ledger.Discarded}} {
		e := paid(id, 9)
		e.Payment.Time = opened.Add(c.paid)
		e.Change.TimePaid = e.Payment.Time
		for _, e := range []*ledger.Event{e, refundWhole(e, id+"r")} {
			_, err := l.Append(t.Context(), e)
			must(t, err)
		}
		if got, err := l.Event(t.Context(), scope, id); err != nil || got.State != c.want {
			t.Errorf("paid %s after the opening: %+v, %v, want %s", c.paid, got, err, c.want)
		}
	}
}

// TestClaimOfAnothersEvent: what another process has recorded is on disk before it is given to anybody here: that process may still be waiting.
func TestClaimOfAnothersEvent(t *testing.T) {
	a, shut := openGated(t)
	b := openFile(t, a.file)
	appended := make(chan error, 1)
	go func() { _, err := a.Append(context.Background(), newEvent("evt_1")); appended <- err }()
	eventually(t, "evt_1 is committed", func() bool { _, err := a.Event(t.Context(), scope, "evt_1"); return err == nil })
	es, err := claim(b)
	forced := b.inside.Forced()
	shut.lift()
	must(t, <-appended)
	if err != nil || len(es) != 1 || es[0].Seq > forced {
		t.Errorf("claimed %v, %v; on disk up to %d", es, err, forced)
	}
}

// TestLeaseTooFarAhead: that a lease ends too far ahead says nothing about whether its owner has sent something.
func TestLeaseTooFarAhead(t *testing.T) {
	l := openFile(t, newFile(t))
	sent := paid("evt_1", 9)
	sent.Payment.Time = time.UnixMilli(0).Add(time.Hour)
	sent.Change.TimePaid = sent.Payment.Time
	_, err := l.Append(t.Context(), sent)
	must(t, err)
	year := time.UnixMilli(9).AddDate(1, 0, 0) // by a clock that was wrong
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: year, Until: year.Add(time.Second), Limit: 9})
	if err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: "evt_1", Action: ledger.ActionReplay, Now: time.UnixMilli(20)}))
	_, err = l.Append(t.Context(), refundWhole(sent, "evt_r1"))
	must(t, err)
	if e, err := l.Event(t.Context(), scope, "evt_1"); err != nil || e.State != ledger.Pending {
		t.Errorf("%+v, %v", e, err)
	}
	if es, err := claim(l); err != nil || len(es) != 1 || es[0].ID != "evt_1" {
		t.Errorf("its turn: %v, %v", es, err)
	}
}

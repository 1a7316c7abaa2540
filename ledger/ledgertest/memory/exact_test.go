package memory

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest"
)

// TestTwice runs the suite with transactions that end once before they are run: engines that end one of two which wait for each other do that.
func TestTwice(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledger.Ledger {
		l := open(NewRows())
		l.Ledger = core.New(twice{store{l}}, time.Now())
		return proposing{l, core.New(store{l}, time.Now())}
	})
}

// proposing runs reservations once: the suite counts the numbers that are proposed.
type proposing struct {
	*Ledger
	once *core.Ledger
}

func (p proposing) Reserve(ctx context.Context, r ledger.Reservation) (*ledger.Reserved, error) {
	return p.once.Reserve(ctx, r)
}

type twice struct{ store }

var errEnded = errors.New("the transaction was ended")

func (s twice) Write(ctx context.Context, f func(core.Tx) error) error {
	err := s.store.Write(ctx, func(t core.Tx) error {
		if err := f(t); err != nil {
			return err
		}
		return errEnded
	})
	if !errors.Is(err, errEnded) {
		return err
	}
	return s.store.Write(ctx, f)
}

func (s twice) WriteLax(ctx context.Context, f func(core.Tx) error) error { return s.Write(ctx, f) }

// TestReserveUnread: a reservation is given back when the order's attempts cannot be read after it: nobody else would wait for its end in vain.
func TestReserveUnread(t *testing.T) {
	l := open(NewRows())
	r := ledger.Reservation{Scope: ledger.Scope{App: "app_1", Mode: ledger.Live}, OrderNo: "o", Now: time.Unix(1e9, 0), Until: time.Unix(1e9+30, 0),
		Number: func(int, int) string { return "o" }}
	if _, err := core.New(unread{store{l}}, time.Now()).Reserve(t.Context(), r); !errors.Is(err, errEnded) {
		t.Fatal(err)
	}
	if _, err := l.Reserve(t.Context(), r); err != nil {
		t.Error("its number is not free: ", err)
	}
}

// unread is a store that nobody can read from.
type unread struct{ store }

func (unread) Read(context.Context, func(core.Reader) error) error { return errEnded }

// TestExact runs the suite with transactions in which each call writes what its description says, and nothing else: an engine leaves other columns
// as they are.
func TestExact(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledger.Ledger {
		l := open(NewRows())
		l.Ledger = core.New(exact{store{l}}, time.Now())
		return l
	})
}

type exact struct{ store }

func (s exact) Write(ctx context.Context, f func(core.Tx) error) error {
	return s.store.Write(ctx, func(t core.Tx) error { return f(exactly{t.(*tx)}) })
}

func (s exact) WriteLax(ctx context.Context, f func(core.Tx) error) error { return s.Write(ctx, f) }

type exactly struct{ *tx }

func (t exactly) recorded(c *core.Charge) core.Charge {
	was, _ := t.charges.one(func(o *core.Charge) bool { return o.Seq == c.Seq })
	return *was
}

func (t exactly) AddCharge(c *core.Charge) (bool, error) {
	none := *c
	none.TimeExpire, none.Superseded, none.AmountRefunded, none.Client, none.Queries, none.NextQuery, none.QueryUntil = time.Time{}, false, 0, ledger.ClientNote{}, 0, time.Time{}, time.Time{}
	none.Fingerprint, none.Raw = "", nil
	if !reflect.DeepEqual(none, *c) {
		return false, fmt.Errorf("a new charge has what none has: %+v", *c)
	}
	return t.tx.AddCharge(c)
}

func (t exactly) SetCharge(c *core.Charge) error {
	row, was := *c, t.recorded(c)
	row.State, row.ReservedUntil, row.ID, row.Channel, row.Payer, row.PayerAppID = was.State, was.ReservedUntil, was.ID, was.Channel, was.Payer, was.PayerAppID
	row.Host, row.Created, row.TimeExpire, row.Fingerprint, row.Raw = was.Host, was.Created, was.TimeExpire, was.Fingerprint, was.Raw
	return t.tx.SetCharge(&row)
}

func (t exactly) SetAttempt(c *core.Charge) error {
	row := *c
	row.Raw = t.recorded(c).Raw
	return t.tx.SetAttempt(&row)
}

func (t exactly) SetAnswer(c *core.Charge) error {
	row := t.recorded(c)
	row.Raw = c.Raw
	return t.tx.SetAnswer(&row)
}

// Charges come without Raw.
func (t exactly) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return bare(t.tx.Charge(s, id))
}
func (t exactly) Numbered(s ledger.Scope, number string) (*core.Charge, error) {
	return bare(t.tx.Numbered(s, number))
}

func bare(c *core.Charge, err error) (*core.Charge, error) {
	if c != nil {
		c.Raw = nil
	}
	return c, err
}

func (t exactly) SetEvent(e *core.Event) error {
	row, _ := t.EventAt(e.Scope, e.Seq)
	row.ByCharge, row.State, row.Reasons, row.Replay, row.Money, row.Acks = e.ByCharge, e.State, e.Reasons, e.Replay, e.Money, e.Acks
	row.Attempts, row.Tries, row.Due, row.Back = e.Attempts, e.Tries, e.Due, e.Back
	row.Settled, row.Blocked, row.Owner, row.Until = e.Settled, e.Blocked, e.Owner, e.Until
	return t.tx.SetEvent(row)
}

func (t exactly) SetShipment(p *core.Shipment) error {
	row := *p
	was, _ := t.Shipment(p.Scope, p.Charge.Seq)
	row.Amount, row.TimePaid, row.Charge = was.Amount, was.TimePaid, was.Charge
	row.ChargeID, row.OrderNo, row.TransactionNo, row.Payer, row.PayerAppID = "", "", "", "", "" // they are the charge's
	return t.tx.SetShipment(&row)
}

func (t exactly) SetShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	row := *a
	row.At, row.Step, row.Shipping = time.Time{}, "", nil
	return t.tx.SetShippingAttempt(charge, &row)
}

func (t exactly) SetRefund(r *core.Refund) error {
	row := *r
	was, _ := t.refunds.one(func(o *core.Refund) bool { return o.Seq == r.Seq })
	row.RefundNo, row.ChargeID, row.OrderNo, row.Amount, row.Whole = was.RefundNo, was.ChargeID, was.OrderNo, was.Amount, was.Whole
	row.Description, row.FundingSource, row.Created = was.Description, was.FundingSource, was.Created
	return t.tx.SetRefund(&row)
}

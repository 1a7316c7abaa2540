package memory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest"
)

// TestLocks runs the suite with transactions that want everything locked which is decided about: engines that have many at a time rely on it.
func TestLocks(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledger.Ledger {
		l := open(NewRows())
		l.Ledger = core.New(strict{store{l}}, time.Now())
		return l
	})
}

type strict struct{ store }

func (s strict) Write(ctx context.Context, f func(core.Tx) error) error {
	return s.store.Write(ctx, func(t core.Tx) error {
		held := &locked{tx: t.(*tx), held: make(map[string]bool)}
		if err := f(held); err != nil {
			return err
		}
		return held.missing
	})
}

func (s strict) WriteLax(ctx context.Context, f func(core.Tx) error) error { return s.Write(ctx, f) }

// locked notes what is locked, and what should have been.
type locked struct {
	*tx
	held    map[string]bool
	missing error
}

func (t *locked) Lock(s ledger.Scope, what core.Thing, name string) error {
	if name == "" && what != core.ASweep && what != core.APause && what != core.APrune {
		t.missing = fmt.Errorf("%s without a name is locked", what)
	}
	t.held[s.Key()+" "+string(what)+" "+name] = true
	return nil
}

func (t *locked) need(s ledger.Scope, what core.Thing, name string) {
	if name != "" && !t.held[s.Key()+" "+string(what)+" "+name] {
		t.missing = fmt.Errorf("%s %s is not locked", what, name)
	}
}

func (t *locked) Books(s ledger.Scope, q core.Question) (core.Books, error) {
	t.need(s, core.AnOrder, q.OrderNo)
	t.need(s, core.AnOrder, q.Lane)
	t.need(s, core.ACharge, q.ChargeID)
	return t.tx.Books(s, q)
}

func (t *locked) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	t.need(s, core.ACharge, id)
	return t.tx.Charge(s, id)
}

func (t *locked) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	t.need(s, core.ACharge, chargeID)
	return t.tx.RefundsOfCharge(s, chargeID)
}

func (t *locked) PendingRefunds(s ledger.Scope, lane, chargeID string) ([]core.Event, error) {
	t.need(s, core.AnOrder, lane)
	t.need(s, core.ACharge, chargeID)
	return t.tx.PendingRefunds(s, lane, chargeID)
}

func (t *locked) Withheld(s ledger.Scope, chargeID string) ([]core.Event, error) {
	t.need(s, core.ACharge, chargeID)
	return t.tx.Withheld(s, chargeID)
}

func (t *locked) Settle(s ledger.Scope, id, owner string, o core.Outcome) (*core.Settled, error) {
	t.need(s, core.AnEvent, id)
	return t.tx.Settle(s, id, owner, o)
}

func (t *locked) SetBlocked(seq int64, blocked bool) error {
	if e, _ := t.EventAt(ledger.Scope{}, seq); e != nil && blocked { // the next of one that was settled is locked with it
		t.need(e.Scope, core.AnOrder, e.Lane)
	}
	return t.tx.SetBlocked(seq, blocked)
}

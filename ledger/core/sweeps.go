package core

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// ClaimSweep implements [ledger.Sweeps].
func (l *Ledger) ClaimSweep(ctx context.Context, c ledger.SweepClaim) (from time.Time, granted bool, err error) {
	if err := checkScope(c.Scope); err != nil {
		return from, false, err
	}
	if c.Owner == "" {
		return from, false, errNoOwner
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.store.WriteLax(ctx, func(t Tx) error {
		if err := t.Lock(c.Scope, ASweep, ""); err != nil {
			return err
		}
		s, err := t.Sweep(c.Scope)
		if err != nil {
			return err
		}
		first, err := t.FirstCharge(c.Scope)
		if err != nil {
			return err
		}
		from, granted = s.claim(c, leases, first)
		if !granted {
			return nil
		}
		return t.SetSweep(c.Scope, s)
	})
	return from, granted && err == nil, err
}

// Swept implements [ledger.Sweeps].
func (l *Ledger) Swept(ctx context.Context, s ledger.Swept) error {
	write := l.store.Write
	if s.To.IsZero() {
		write = l.store.WriteLax
	}
	return write(ctx, func(t Tx) error {
		if err := t.Lock(s.Scope, ASweep, ""); err != nil {
			return err
		}
		sweep, err := t.Sweep(s.Scope)
		if err != nil || sweep.Owner != s.Owner {
			return err
		}
		sweep.end(s.To)
		return t.SetSweep(s.Scope, sweep)
	})
}

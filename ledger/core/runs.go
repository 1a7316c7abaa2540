package core

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// AddRun implements [ledger.Runs].
func (l *Ledger) AddRun(ctx context.Context, r *ledger.Run) error {
	if r.ID == "" {
		return fmt.Errorf("ledger: a run without an id cannot be found again")
	}
	var row Run
	err := l.store.Write(ctx, func(t Tx) error {
		if err := t.Lock(ledger.Scope{}, ARun, r.ID); err != nil {
			return err
		}
		row = Run{Run: *r}
		added, err := t.AddRun(&row)
		if err == nil && !added {
			err = fmt.Errorf("ledger: there is a run %s already", r.ID)
		}
		t.Touch(ledger.RunsTopic)
		return err
	})
	if err == nil {
		r.Seq = row.Seq
	}
	return err
}

// Run implements [ledger.Runs].
func (l *Ledger) Run(ctx context.Context, id string) (run *ledger.Run, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		row, err := r.Run(id)
		if err == nil && row == nil {
			err = ledger.ErrNotFound
		}
		if err == nil {
			run = &row.Run
		}
		return err
	})
	return run, err
}

// Runs implements [ledger.Runs].
func (l *Ledger) Runs(ctx context.Context, before int64, limit int) (runs []ledger.Run, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		rows, err := r.Runs(before, min(limit, pageMax))
		runs = make([]ledger.Run, 0, len(rows))
		for i := range rows {
			runs = append(runs, rows[i].Run)
		}
		return err
	})
	return runs, err
}

// RunDecided implements [ledger.Runs].
func (l *Ledger) RunDecided(ctx context.Context, id string) (n int, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		n, err = r.RunDecided(id)
		return err
	})
	return n, err
}

// ClaimRun implements [ledger.Runs].
func (l *Ledger) ClaimRun(ctx context.Context, c ledger.RunClaim) (run *ledger.Run, err error) {
	if c.Owner == "" {
		return nil, errNoOwner
	}
	leases := l.steps.leases(c.Now, ledger.LongestLease)
	free := false // hardly ever: whoever looks now and then is not to write each time
	err = l.store.Read(ctx, func(r Reader) error {
		open, err := r.OpenRuns()
		free = slices.ContainsFunc(open, func(r Run) bool { return !leases.InUse(r.Until) })
		return err
	})
	if err == nil && !free {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	err = l.store.WriteLax(ctx, func(t Tx) error {
		run = nil
		open, err := t.OpenRuns()
		if err != nil {
			return err
		}
		for _, r := range open {
			if err := t.Lock(ledger.Scope{}, ARun, r.ID); err != nil {
				return err
			}
			if leases.InUse(r.Until) {
				continue
			}
			run, r.Owner, r.Until = &r.Run, c.Owner, c.Until
			return t.SetRun(&r)
		}
		return ledger.ErrNotFound
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// SaveRun implements [ledger.Runs].
func (l *Ledger) SaveRun(ctx context.Context, c ledger.RunClaim, r *ledger.Run) (run *ledger.Run, err error) {
	err = l.changeRun(ctx, r.ID, func(t Tx, row *Run) error {
		if row.Owner != c.Owner || c.Owner == "" || !row.Ended.IsZero() {
			return ledger.ErrNotFound
		}
		row.Doc, row.Ended, row.Until = r.Doc, r.Ended, c.Until
		if !row.Ended.IsZero() || c.Until.IsZero() {
			row.Owner, row.Until = "", time.Time{}
			t.Touch(ledger.RunsTopic)
		}
		run = &row.Run
		return t.SetRun(row)
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// StopRun implements [ledger.Runs].
func (l *Ledger) StopRun(ctx context.Context, id, by string, now time.Time) error {
	return l.changeRun(ctx, id, func(t Tx, row *Run) error {
		if !row.Ended.IsZero() || !row.Stopped.IsZero() {
			return nil
		}
		row.Stopped, row.StoppedBy = now, by
		t.Touch(ledger.RunsTopic)
		return t.SetRun(row)
	})
}

func (l *Ledger) changeRun(ctx context.Context, id string, change func(Tx, *Run) error) error {
	return l.store.Write(ctx, func(t Tx) error {
		if err := t.Lock(ledger.Scope{}, ARun, id); err != nil {
			return err
		}
		row, err := t.Run(id)
		if err == nil && row == nil {
			err = ledger.ErrNotFound
		}
		if err != nil {
			return err
		}
		return change(t, row)
	})
}

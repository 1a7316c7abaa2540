package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlSweep       = `SELECT compared, owner, until FROM sweeps WHERE scope = ?`
	sqlFirstCharge = `SELECT created FROM charges INDEXED BY charges_created WHERE scope = ? AND state = 'created' AND created > 0 ORDER BY created LIMIT 1`
	sqlLeaseSweep  = `INSERT INTO sweeps (scope, compared, owner, until) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT DO UPDATE SET compared = ?2, owner = ?3, until = ?4`
	sqlSwept = `UPDATE sweeps SET compared = CASE WHEN ?1 > 0 THEN ?1 ELSE compared END, owner = '', until = 0 WHERE scope = ?2 AND owner = ?3`
)

// ClaimSweep implements [ledger.Sweeps].
func (l *Ledger) ClaimSweep(ctx context.Context, c ledger.SweepClaim) (from time.Time, granted bool, err error) {
	if err := checkScope(c.Scope); err != nil {
		return from, false, err
	}
	if c.Owner == "" {
		return from, false, errors.New("ledger: a claim needs an owner")
	}
	err = l.writeLax(ctx, func(t *tx) error {
		var err error
		from, granted, err = t.claimSweep(c)
		return err
	})
	return from, granted && err == nil, err
}

func (t *tx) claimSweep(c ledger.SweepClaim) (from time.Time, granted bool, err error) {
	scope, err := t.scope(c.Scope)
	if err != nil || scope == 0 {
		return from, false, err
	}
	var compared, until int64
	var owner string
	if err := t.row(sqlSweep, scope).Scan(&compared, &owner, &until); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return from, false, err
	}
	now, end := millis(c.Now), millis(c.Until)
	if compared > now {
		compared = 0
	}
	done := compared
	if done == 0 {
		if done, err = optional(t.row(sqlFirstCharge, scope)); err != nil {
			return from, false, err
		}
	}
	from = moment(done)
	if leased := owner != "" && owner != c.Owner && until > now && until <= end; leased || done == 0 || !from.Before(c.To) {
		return from, false, nil
	}
	_, _, err = t.change(sqlLeaseSweep, scope, compared, c.Owner, end)
	return from, true, err
}

// Swept implements [ledger.Sweeps].
func (l *Ledger) Swept(ctx context.Context, s ledger.Swept) error {
	write := l.write
	if s.To.IsZero() {
		write = l.writeLax
	}
	return write(ctx, func(t *tx) error {
		scope, err := t.scope(s.Scope)
		if err == nil {
			_, _, err = t.change(sqlSwept, millis(s.To), scope, s.Owner)
		}
		return err
	})
}

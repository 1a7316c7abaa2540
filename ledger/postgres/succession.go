package postgres

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddypay/caddypay/ledger"
)

// sqlHistory names what the server writes: a promoted replica begins a timeline of its own, and so does what is restored to a moment. A dump is restored
// on another server, or as another database.
const sqlHistory = `SELECT ` + here + ` || ' ' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)`

const turnWait = time.Second // for the lock of whoever compares: another node that does so takes longer

// Succeeded implements [ledger.Succession]. On a server that does not say which history it writes, as some that are made to look like PostgreSQL do, nothing
// is ever noticed.
func (l *Ledger) Succeeded(ctx context.Context, s ledger.Scope, compare func(context.Context) error) (bool, error) {
	history, err := l.history(ctx)
	if err != nil || history == "" {
		return false, err
	}
	key := "history " + s.Key()
	if is, err := l.writes(ctx, key, history); is || err != nil {
		return false, err
	}
	turn, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	if err := l.shared.Lock(turn, key); err != nil {
		if ctx.Err() == nil && turn.Err() != nil {
			err = nil
		}
		return false, err
	}
	defer func() { _ = l.shared.Unlock(context.WithoutCancel(ctx), key) }() // it ends by itself
	if is, err := l.writes(ctx, key, history); is || err != nil {
		return false, err
	}
	if err := compare(ctx); err != nil {
		return true, err
	}
	return true, l.shared.Store(ctx, key, []byte(history))
}

// writes says whether the server's history is the one that is remembered under a key. The first one is.
func (l *Ledger) writes(ctx context.Context, key, history string) (bool, error) {
	was, err := l.shared.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		if err = l.shared.Store(ctx, key, []byte(history)); errors.Is(err, ErrStored) {
			err = nil // another node was first
		}
		return true, err
	}
	return err == nil && string(was) == history, err
}

// history is the name of what the server writes; empty when it does not say.
func (l *Ledger) history(ctx context.Context) (name string, err error) {
	err = l.shared.do(ctx, func(ctx context.Context, c *pgx.Conn) error { return c.QueryRow(ctx, sqlHistory).Scan(&name) })
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "0A000" || refused.Code == "42501" || refused.Code == "42883") { // not supported, not allowed, no such function
		return "", nil
	}
	return name, err
}

// Interface guard
var _ ledger.Succession = (*Ledger)(nil)

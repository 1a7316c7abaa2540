package core

import (
	"context"

	"github.com/caddypay/caddypay/ledger"
)

// dropLogins is more than are saved at a time, so that they become fewer, and so few that nobody waits for it.
const dropLogins = 8

// Login implements [ledger.Logins].
func (l *Ledger) Login(ctx context.Context, key []byte, now int64) (identity []byte, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		identity, err = r.Login(key, now)
		if err == nil && identity == nil {
			err = ledger.ErrNotFound
		}
		return err
	})
	return identity, err
}

// SaveLogin implements [ledger.Logins].
func (l *Ledger) SaveLogin(ctx context.Context, n ledger.Login) error {
	return l.store.Write(ctx, func(t Tx) error { return t.SaveLogin(n, dropLogins) })
}

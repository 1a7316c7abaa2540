package sqlite

import (
	"context"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlLogin     = `SELECT identity FROM logins WHERE key = ? AND expires > ?`
	sqlSaveLogin = `INSERT INTO logins (key, identity, expires) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET identity = excluded.identity, expires = excluded.expires`
	// More than are saved at a time, so that the table shrinks, and so few that nobody waits for it.
	sqlDropLogins = `DELETE FROM logins WHERE key IN (SELECT key FROM logins WHERE expires <= ? ORDER BY expires LIMIT 8)`
)

// Login implements [ledger.Logins].
func (l *Ledger) Login(ctx context.Context, key []byte, now int64) (identity []byte, err error) {
	err = l.read(ctx, func(r *reader) error { return r.row(sqlLogin, key, now).Scan(&identity) })
	return identity, err
}

// SaveLogin implements [ledger.Logins].
func (l *Ledger) SaveLogin(ctx context.Context, n ledger.Login) error {
	return l.write(ctx, func(t *tx) error {
		if _, _, err := t.change(sqlDropLogins, n.Now); err != nil {
			return err
		}
		_, _, err := t.change(sqlSaveLogin, n.Key, n.Identity, n.Expires)
		return err
	})
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
)

// anchor is a connection that only stays open. Whoever closes a ledger's last connection has SQLite copy the -wal file into the ledger's own and
// remove it, whatever state it is in. Beside an anchor no other connection is the last, and the anchor cannot write, so it can do neither.
type anchor struct {
	db   *sql.DB
	conn *sql.Conn
}

func dropAnchor(ctx context.Context, file string) (*anchor, error) {
	db := openDB(file, 1, "ro", url.Values{})
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	a := &anchor{db, conn}
	var version int // SQLite opens the -wal file when something is read
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, errors.Join(err, a.weigh())
	}
	return a, nil
}

// weigh closes it, if there is one.
func (a *anchor) weigh() error {
	if a == nil {
		return nil
	}
	return errors.Join(a.conn.Close(), a.db.Close())
}

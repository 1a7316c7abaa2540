package sqlite

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"
)

// anchor is a connection that only stays open. Whoever closes a ledger's last connection has SQLite copy the -wal file into the ledger's own and
// remove it, whatever state it is in. Beside an anchor no other connection is the last, and the anchor cannot write, so it can do neither.
type anchor struct{ conn *conn }

func dropAnchor(ctx context.Context, file string) (*anchor, error) {
	c, err := connect(ctx, file, sqlite.OpenReadOnly, "user_version") // SQLite opens the -wal file when something is read
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &anchor{c}, nil
}

// weigh closes it, if there is one.
func (a *anchor) weigh() error {
	if a == nil {
		return nil
	}
	return a.conn.close()
}

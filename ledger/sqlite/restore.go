package sqlite

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// Restored is a ledger that was put in its place.
type Restored struct {
	file.Restored
	Events int64     // that are in it
	Last   time.Time // when the last of them came; zero: there is none
}

// Restore copies a backup to where a ledger is to be, and where none may be: see [file.Restore].
func Restore(ctx context.Context, backup, to string) (r Restored, err error) {
	e := file.Engine{Schema: whole, Sound: sound}
	r.Restored, err = file.Restore(ctx, backup, to, e, func(c *file.Conn) error {
		return query(c, sqlRestored, func(row *row) {
			r.Events = row.number()
			if at := row.number(); at != 0 {
				r.Last = time.UnixMilli(at)
			}
		})
	})
	return r, err
}

// Inspect says what is damaged in a backup, or in a ledger that no program has open: see [file.Inspect].
func Inspect(ctx context.Context, path string) (faults []string, err error) {
	return file.Inspect(ctx, path, file.Engine{Schema: whole, Sound: sound})
}

// sqlRestored reads what every version of the schema has.
const sqlRestored = `SELECT count(*), coalesce((SELECT received FROM events ORDER BY seq DESC LIMIT 1), 0) FROM events`

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

const maxFaults = 100 // that Verify names

// quickCheck is how long the opening looks at what delivery needs: a million pending events take about as long.
const quickCheck = 2 * time.Second

// sqlQuick reads what waits to be delivered, in the indexes that lead to it, with the bodies. Every page on the way is looked at.
var sqlQuick = []string{
	`SELECT count(*) + total(length(s.app)) + (SELECT total(n) FROM counts) FROM scopes AS s`,
	`SELECT count(*) + total(length(e.id)) + total(length(b.signature)) + total(i.seq) FROM scopes AS s
		CROSS JOIN events AS e INDEXED BY events_due ON e.scope = s.id AND e.state = 'pending' AND e.blocked = 0
		LEFT JOIN bodies AS b ON b.event = e.seq
		LEFT JOIN events AS i ON i.scope = e.scope AND i.id = e.id`,
	`SELECT count(*) + total(length(e.id)) FROM scopes AS s
		CROSS JOIN events AS e INDEXED BY events_lane ON e.scope = s.id AND e.state = 'pending' AND e.lane <> '' AND e.by_charge = 0`,
	`SELECT count(*) FROM scopes AS s CROSS JOIN events AS e INDEXED BY events_behind ON e.scope = s.id AND e.state = 'pending' AND e.blocked = 1`,
}

// checkQuickly returns an error when what delivery needs is damaged. What it does not reach in the time given is left to Verify.
func checkQuickly(ctx context.Context, s *statements, most time.Duration) error {
	short, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for _, query := range sqlQuick {
		var sum float64
		err := s.db.QueryRowContext(short, query).Scan(&sum)
		if short.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Verify implements [ledger.Ledger]: it reads every page, and compares every index with its table, on a connection of its own. While it
// reads, the -wal file grows. It is ended when the disk fails and the -wal file has to begin anew.
func (l *Ledger) Verify(ctx context.Context) (faults []string, err error) {
	if err := l.read(ctx, func(*reader) error { return nil }); err != nil { // closed, or gone
		return nil, err
	}
	ctx, done := l.pauses.takeLong(ctx)
	defer done()
	db := openDB(l.file, 1, "rw", url.Values{"_query_only": {"1"}})
	defer db.Close()
	rows, err := db.QueryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults))
	err = each(rows, err, func(rows *sql.Rows) error {
		var fault string
		err := rows.Scan(&fault)
		if fault != "ok" {
			faults = append(faults, fault)
		}
		return err
	})
	if isCorrupt(err) { // so much that it cannot even be checked
		return append(faults, err.Error()), nil
	}
	if err != nil && errors.Is(context.Cause(ctx), errYield) {
		err = errYield
	}
	return faults, l.wrap(err)
}

func isCorrupt(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && (se.Code()&0xff == lib.SQLITE_CORRUPT || se.Code()&0xff == lib.SQLITE_NOTADB)
}

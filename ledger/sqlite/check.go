package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"
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
		CROSS JOIN events AS e INDEXED BY events_lane ON e.scope = s.id AND e.state = 'pending' AND e.lane <> ''`,
}

// checkQuickly returns an error when what delivery needs is damaged. What it does not reach in the time given is left to Verify.
func checkQuickly(ctx context.Context, p *pool, most time.Duration) error {
	short, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := p.with(short, func(c *conn) error {
		for _, query := range sqlQuick {
			if err := c.run(query, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if short.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Verify implements [ledger.Ledger]: it reads every page, compares every index with its table, and counts what is counted, on a connection of its own. While it
// reads, the -wal file grows. It is ended when the disk fails and the -wal file has to begin anew.
func (l *Ledger) Verify(ctx context.Context) (faults []string, err error) {
	if err := l.read(ctx, func(*reader) error { return nil }); err != nil { // closed, or gone
		return nil, err
	}
	ctx, done := l.pauses.takeLong(ctx)
	defer done()
	c, err := connectReads(ctx, l.file)
	if err == nil {
		end := c.until(ctx)
		err = c.run(fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults), func(r *row) {
			if fault := r.text(); fault != "ok" {
				faults = append(faults, fault)
			}
		})
		if err == nil && len(faults) == 0 {
			err = c.run(sqlDrift, func(r *row) { faults = append(faults, r.text()) }, maxFaults)
		}
		end()
		err = errors.Join(err, c.close())
	}
	if isCorrupt(err) { // so much that it cannot even be checked
		return append(faults, err.Error()), nil
	}
	if err != nil && errors.Is(context.Cause(ctx), errYield) {
		err = errYield
	}
	return faults, l.wrap(err)
}

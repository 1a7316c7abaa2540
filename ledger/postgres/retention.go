package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// needed is whether anything points into a day of a table. Bodies and answers are pointed at by their event and charge until they are pruned; attempts
// to deliver go with the event's body. What is undelivered, held or dead keeps its body, and so its day.
var needed = map[string]string{
	"bodies":     `SELECT EXISTS (SELECT 1 FROM caddypay.%s AS p JOIN caddypay.events AS e ON e.seq = p.event WHERE e.body_day = $1)`,
	"answers":    `SELECT EXISTS (SELECT 1 FROM caddypay.%s AS p JOIN caddypay.charges AS c ON c.seq = p.charge WHERE c.answer_day = $1)`,
	"deliveries": `SELECT EXISTS (SELECT 1 FROM caddypay.%s AS p JOIN caddypay.events AS e ON e.seq = p.event WHERE e.body_day IS NOT NULL AND p.day = $1)`,
}

const (
	// sqlDays are the tables of days that are over for certain, and what became of those that somebody began to drop. A day is made attached, so one
	// that is not was detached.
	sqlDays = `SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false) FROM pg_class AS c
		LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
		WHERE c.relnamespace = 'caddypay'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^(bodies|deliveries|answers)_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
			AND right(c.relname, 10) < to_char(now() AT TIME ZONE 'UTC' - interval '2 days', 'YYYY_MM_DD')
		ORDER BY right(c.relname, 10), c.relname`

	// detachWait is how long a day may wait for the statements that run on its table: nothing waits for it meanwhile.
	detachWait = 30 * time.Second
)

// gone is how far a search for old rows has come, until it has come to its end: no index knows which are pruned, so that pruning one costs no more than
// its row, and there may be millions that were, before the first that was not.
type gone struct{ bodies, answers reached }

type reached struct{ last atomic.Int64 }

// reach says that what was recorded before a row is pruned by now, or waits for somebody and is looked at again the next time.
func (r *reached) reach(seq int64) {
	for {
		last := r.last.Load()
		if last >= seq || r.last.CompareAndSwap(last, seq) {
			return
		}
	}
}

// after is where a search goes on; one that begins leaves out all whose days are gone.
func (r *reached) after(s *session, after int64, oldest string) (int64, error) {
	if after > 0 {
		return after, nil
	}
	if last := r.last.Load(); last > 0 {
		return last, nil
	}
	first, err := s.number(oldest)
	return max(0, first-1), err
}

// Prune implements [ledger.Events]. When nothing points into a day any more its tables go as a whole, which frees the disk.
func (l *Ledger) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	pruned, err := l.Ledger.Prune(ctx, before, limit)
	if err == nil && pruned == limit {
		return pruned, nil // there may be more
	}
	l.gone.bodies.last.Store(0)
	l.gone.answers.last.Store(0)
	if err != nil {
		return pruned, err
	}
	return pruned, l.dropDays(ctx)
}

// dayTable is a table of a day.
type dayTable struct {
	name              string
	attached, pending bool // it belongs to its table; it does no more, as soon as that is finished
}

// of is the table that it is, or was, a partition of, and its day.
func (d dayTable) of() (table string, day int64, err error) {
	table, date, _ := strings.Cut(d.name, "_")
	at, err := time.Parse("2006_01_02", date)
	return table, at.Unix() / 86400, err
}

// oldDays are the tables of days that are over.
func oldDays(ctx context.Context, conn *pgx.Conn) ([]dayTable, error) {
	rows, err := conn.Query(ctx, sqlDays)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d dayTable, err error) {
		err = row.Scan(&d.name, &d.attached, &d.pending)
		return d, err
	})
}

// dropDays drops the tables of days into which nothing points.
func (l *Ledger) dropDays(ctx context.Context) error {
	conn, err := l.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	days, err := oldDays(ctx, conn.Conn())
	if err != nil {
		return err
	}
	for _, d := range days {
		if err := dropDay(ctx, conn.Conn(), d); err != nil {
			return fmt.Errorf("dropping %s, into which nothing points any more: %w", d.name, err)
		}
	}
	return nil
}

// dropDay drops the table of a day unless something points into it. No statement waits for that: it is detached first, beside those that run.
func dropDay(ctx context.Context, conn *pgx.Conn, d dayTable) error {
	table, day, err := d.of()
	if err != nil {
		return err
	}
	if d.attached && !d.pending {
		var stays bool
		if err := conn.QueryRow(ctx, fmt.Sprintf(needed[table], d.name), pgx.QueryExecModeExec, day).Scan(&stays); err != nil || stays {
			return unlessOther(err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, detachWait)
	defer cancel()
	if d.attached {
		how := "CONCURRENTLY"
		if d.pending { // whoever began it did not come to the end
			how = "FINALIZE"
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf(`ALTER TABLE caddypay.%s DETACH PARTITION caddypay.%s %s`, table, d.name, how), pgx.QueryExecModeSimpleProtocol); err != nil {
			return unlessOther(err)
		}
	}
	_, err = conn.Exec(ctx, `DROP TABLE IF EXISTS caddypay.`+d.name, pgx.QueryExecModeSimpleProtocol)
	return err
}

// unlessOther is no error when another node drops the table, or has.
func unlessOther(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "55000" || refused.Code == "42P01") { // it is being detached; there is none
		return nil
	}
	return err
}

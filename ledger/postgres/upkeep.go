package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
)

const (
	foldPause = time.Second // between two foldings, but ten times as long as one took: while rows cannot be cleaned up it takes long
	daysPause = time.Hour
	foldMost  = 50_000 // deltas in one folding
	fewRows   = 100_000
	keepMost  = time.Minute // for one of these: a server that is gone without a word keeps its connection no longer
)

const (
	foldLock = `caddypay fold`

	// One node at a time folds; who comes second has nothing to do.
	sqlFold = `WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS is),
		gone AS (DELETE FROM caddypay.deltas WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM caddypay.deltas AS d, mine WHERE mine.is LIMIT $2))
			RETURNING scope, hour, what, n)
		INSERT INTO caddypay.counts AS c (scope, hour, what, n) SELECT scope, hour, what, sum(n)::bigint FROM gone GROUP BY scope, hour, what
		ON CONFLICT (scope, hour, what) DO UPDATE SET n = c.n + excluded.n`
)

// The server plans a statement by what it knows of the tables, once for all, and looks at them once a minute at best: of a ledger that is new it knows that
// there is nothing in it, and reads all of it for each event until then. So what has grown by half is looked at each second, while it is small. What is
// emptied all the time is not: there is nothing to learn from it, and that costs more than an event.
const sqlGrown = `SELECT string_agg('caddypay.' || relname, ', ') FROM pg_stat_user_tables
	WHERE schemaname = 'caddypay' AND relname <> 'deltas' AND (relname <> 'queue' OR n_live_tup > 1000) AND n_live_tup < $1 AND n_mod_since_analyze > 200 + n_live_tup / 2`

func analyze(ctx context.Context, c *pgxpool.Conn) error {
	var grown *string
	if err := c.QueryRow(ctx, sqlGrown, fewRows).Scan(&grown); err != nil || grown == nil {
		return err
	}
	_, err := c.Exec(ctx, "ANALYZE (SKIP_LOCKED) "+*grown, pgx.QueryExecModeSimpleProtocol)
	return err
}

// upkeep goes on until the ledger is closed.
func (l *Ledger) upkeep(ctx context.Context) {
	l.tasks.Go(func() {
		folded, looked, made := time.NewTimer(foldPause), time.NewTimer(floorPause), time.NewTicker(daysPause)
		defer folded.Stop()
		defer looked.Stop()
		defer made.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-folded.C:
				began := time.Now()
				l.keep(ctx, "folding the ledger's counts", func(ctx context.Context, c *pgxpool.Conn) error {
					_, err := c.Exec(ctx, sqlFold, foldLock, foldMost)
					return err
				})
				l.keep(ctx, "looking at the ledger's tables", analyze)
				folded.Reset(max(foldPause, 10*time.Since(began)))
			case <-looked.C:
				began := time.Now()
				l.look(ctx)
				looked.Reset(max(floorPause, 10*time.Since(began)))
			case <-made.C:
				l.keep(ctx, "making the ledger's partitions of the days to come", func(ctx context.Context, c *pgxpool.Conn) error { return makeDays(ctx, c.Conn()) })
			}
		}
	})
}

// keep does what is to be done now and then: what fails is done the next time.
func (l *Ledger) keep(ctx context.Context, what string, do func(context.Context, *pgxpool.Conn) error) {
	in, cancel := context.WithTimeout(ctx, keepMost)
	defer cancel()
	conn, err := l.acquire(in)
	if err == nil {
		err = do(in, conn)
		conn.Release()
	}
	if err != nil && ctx.Err() == nil {
		l.log.Warn(what+" failed; it is tried again", zap.Error(err))
	}
}

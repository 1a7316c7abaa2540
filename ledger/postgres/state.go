package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// State is what an operator should know of the ledger's database.
type State struct {
	Place   string // host and database
	Version string // of the server
	Schema  int    // of the ledger's tables

	// Settings of the server, as it names them.
	SynchronousCommit, StandbyNames string
	Fsync, FullPageWrites           bool
	MaxConnections                  int

	Standbys    int  // that are connected
	Synchronous int  // of them: those without which nothing is acknowledged
	Hidden      bool // the ledger's user may not see which are

	Clock time.Duration // how far the server's clock is ahead of this machine's
	Doubt time.Duration // by so much it may be more, or less

	// What keeps the server from cleaning up, if anything does: a transaction that is old, or a replication slot that nobody reads.
	Holder string
	Age    int64         // in transactions
	Held   time.Duration // since when; 0: not known

	Dead, Live int64 // rows of the ledger's tables that wait to be cleaned up, and that are there, as the server estimates
	Pool       Pool
}

// Pool is how this node's connections are used.
type Pool struct {
	Max, Open, Used int
	Waited          int64         // how often somebody had to wait for one, since the ledger was opened
	Wait            time.Duration // in all
}

const (
	sqlState = `SELECT current_setting('server_version'), (SELECT version FROM caddypay.about), current_setting('synchronous_commit'),
		current_setting('synchronous_standby_names'), current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean,
		current_setting('max_connections')::integer`
	sqlStandbys = `SELECT count(*)::integer, count(*) FILTER (WHERE sync_state IN ('sync', 'quorum'))::integer, count(*) > count(sync_state) FROM pg_stat_replication`
	sqlHorizon  = `SELECT who, age, coalesce(held, 0)::bigint FROM (
			SELECT 'process ' || pid || ' of ' || coalesce(usename::text, 'the server') || coalesce(nullif(' ' || application_name, ' '), '') || coalesce(', ' || state, '') AS who,
				greatest(age(backend_xid), age(backend_xmin)) AS age, extract(epoch FROM clock_timestamp() - xact_start) AS held
			FROM pg_stat_activity WHERE pid <> pg_backend_pid()
		UNION ALL
			SELECT 'replication slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)), NULL FROM pg_replication_slots
		UNION ALL
			SELECT 'prepared transaction ' || gid, age(transaction), extract(epoch FROM clock_timestamp() - prepared) FROM pg_prepared_xacts
		) AS holders WHERE age IS NOT NULL ORDER BY age DESC LIMIT 1`
	sqlRows  = `SELECT coalesce(sum(n_dead_tup), 0)::bigint, coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables WHERE schemaname = 'caddypay'`
	sqlClock = `SELECT clock_timestamp()`
)

// State asks the server.
func (l *Ledger) State(ctx context.Context) (s State, err error) {
	conn, err := l.acquire(ctx)
	if err != nil {
		return s, err
	}
	defer conn.Release()
	s.Place, s.Pool = l.place, l.PoolState()
	for _, look := range []func(context.Context, *pgxpool.Conn) error{s.settings, s.clock, s.standbys, s.horizon, s.rows} {
		if err := look(ctx, conn); err != nil {
			return s, err
		}
	}
	return s, nil
}

// PoolState asks nobody.
func (l *Ledger) PoolState() Pool {
	p := l.pool.Stat()
	return Pool{Max: int(p.MaxConns()), Open: int(p.TotalConns()), Used: int(p.AcquiredConns()), Waited: p.EmptyAcquireCount(), Wait: p.EmptyAcquireWaitTime()}
}

func (s *State) settings(ctx context.Context, c *pgxpool.Conn) error {
	return c.QueryRow(ctx, sqlState).Scan(&s.Version, &s.Schema, &s.SynchronousCommit, &s.StandbyNames, &s.Fsync, &s.FullPageWrites, &s.MaxConnections)
}

// clock takes the answer for one of the middle of the question, at best of three.
func (s *State) clock(ctx context.Context, c *pgxpool.Conn) error {
	s.Doubt = time.Hour
	for range 3 {
		var there time.Time
		asked := time.Now()
		if err := c.QueryRow(ctx, sqlClock).Scan(&there); err != nil {
			return err
		}
		half := time.Since(asked) / 2
		if half < s.Doubt {
			s.Doubt, s.Clock = half, there.Sub(asked.Round(0).Add(half))
		}
	}
	return nil
}

func (s *State) standbys(ctx context.Context, c *pgxpool.Conn) error {
	return c.QueryRow(ctx, sqlStandbys).Scan(&s.Standbys, &s.Synchronous, &s.Hidden)
}

func (s *State) horizon(ctx context.Context, c *pgxpool.Conn) error {
	var held int64
	err := c.QueryRow(ctx, sqlHorizon).Scan(&s.Holder, &s.Age, &held)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	s.Held = time.Duration(held) * time.Second
	return err
}

func (s *State) rows(ctx context.Context, c *pgxpool.Conn) error {
	return c.QueryRow(ctx, sqlRows).Scan(&s.Dead, &s.Live)
}

const sqlOthers = `SELECT count(*)::integer FROM pg_stat_activity WHERE datname = current_database() AND application_name = current_setting('application_name')
	AND pid <> pg_backend_pid() AND pid <> ALL ($1)`

// Others says how many connections to the ledger's database there are that are not this one's, and that call themselves as this one does.
func (l *Ledger) Others(ctx context.Context) (n int, err error) {
	var own []int32
	for _, c := range l.pool.AcquireAllIdle(ctx) {
		own = append(own, int32(c.Conn().PgConn().PID()))
		defer c.Release()
	}
	err = l.pool.QueryRow(ctx, sqlOthers, own).Scan(&n)
	return n, err
}

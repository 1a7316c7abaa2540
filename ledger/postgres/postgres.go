// Package postgres keeps the ledger in PostgreSQL, for several nodes at once. It keeps rows (schema.go, rows.go, and what reads and writes them); the
// rules are in ledger/core.
//
// Transactions are READ COMMITTED: each statement sees what is committed by then. The rules say what is to be locked before they read it, an order with
// its lane, a charge with its refunds, an event, and every row that a transaction reads to change it is locked too; so whatever a decision rests on
// cannot change before it is committed, and nobody has to be told at the end that all was in vain, as SERIALIZABLE would many who pay at once. Locks are
// advisory ones of the transaction, which PgBouncer keeps where they belong.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// Options say where the ledger is.
type Options struct {
	// DSN names the database, as a URL (postgres://…) or as keywords (host=… dbname=…). It may hold a password: it is never logged.
	DSN string

	// MaxConns bounds the connections of this node, without the one that listens. Default: 8.
	MaxConns int

	// NoListen keeps from the server what needs a session of one's own, LISTEN and prepared statements: PgBouncer in transaction mode has none.
	NoListen bool

	// Patience is how long a write may take, all waiting included, until it fails. Default: 1 second.
	Patience time.Duration

	// Now is the time when the ledger is opened. Default: time.Now.
	Now func() time.Time

	// Logger takes what an operator should know. Default: nothing is logged.
	Logger *zap.Logger
}

const (
	defaultConns    = 8
	defaultPatience = time.Second
	connectWait     = 3 * time.Second
)

// Ledger is a [ledger.Ledger] in a PostgreSQL database.
type Ledger struct {
	*core.Ledger
	ledger.Notifier

	pool     *pgxpool.Pool
	gate     *gate
	log      *zap.Logger
	now      func() time.Time
	patience time.Duration
	scopes   scopes
	floors   floors
	shared   *Shared
	place    string   // for people
	wakener  *wakener // nil: nobody listens
	appends  *group
	settles  *group
	closed   atomic.Bool
	gone     gone

	stop  context.CancelFunc // of what goes on in the background
	tasks sync.WaitGroup
}

// Open opens the ledger in a database, and makes its tables or brings them up to this version, while other nodes run. The context bounds the opening only.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	config, err := configure(o)
	if err != nil {
		return nil, err
	}
	l := &Ledger{log: o.Logger, now: o.Now, patience: o.Patience}
	if l.log == nil {
		l.log = zap.NewNop()
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.patience <= 0 {
		l.patience = defaultPatience
	}
	l.Ledger = core.New(store{l}, time.Now())
	l.gate = newGate(config.MaxConns)
	l.gate.guard(config)
	l.shared = newShared(l)
	l.place = place(config)
	if l.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, describe(err)
	}
	if err := l.prepare(ctx); err != nil {
		l.pool.Close()
		return nil, describe(err)
	}
	var background context.Context
	background, l.stop = context.WithCancel(context.Background())
	l.upkeep(background)
	l.appends, l.settles = newGroup(l, false), newGroup(l, true)
	l.tasks.Go(func() { l.appends.work(background) })
	l.tasks.Go(func() { l.settles.work(background) })
	if !o.NoListen {
		l.wakener = newWakener(l, config.ConnConfig)
		l.tasks.Go(func() { l.wakener.run(background) })
	}
	return l, nil
}

// configure reads the options.
func configure(o Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(o.DSN)
	if err != nil { // which may quote the password
		return nil, errors.New("the ledger's DSN cannot be read; write postgres://user:password@host:5432/database, or host=… dbname=… user=… password=…")
	}
	config.MaxConns = int32(o.MaxConns)
	if o.MaxConns <= 0 {
		config.MaxConns = defaultConns
	}
	config.MinConns, config.MinIdleConns = 0, 0
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectWait
	}
	if c.ValidateConnect == nil { // of several hosts the one that can be written to, which is another one after a failover
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if _, named := c.RuntimeParams["application_name"]; !named {
		c.RuntimeParams["application_name"] = "caddypay"
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	if o.NoListen {
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	config.AfterConnect = takeArrays
	config.PingTimeout = pingWait
	return config, nil
}

// prepare makes the database ready.
func (l *Ledger) prepare(ctx context.Context) error {
	return l.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if err := migrate(ctx, c.Conn()); err != nil {
			return err
		}
		if err := makeDays(ctx, c.Conn()); err != nil {
			return err
		}
		_, err := opening(&session{link: &wire{ctx: ctx, conn: c.Conn()}}, l.now())
		return err
	})
}

// describe says what is wrong without what a connection's error says of the connection's parameters.
func describe(err error) error { return fmt.Errorf("opening the ledger in PostgreSQL: %w", err) }

// Close implements [ledger.Ledger].
func (l *Ledger) Close() error {
	l.closed.Store(true)
	l.stop()
	l.tasks.Wait()
	l.pool.Close()
	return nil
}

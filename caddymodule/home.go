package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/postgres"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/redact"
)

// home is where a ledger is.
type home struct {
	key   string // the same for every spelling of one place, and no secret
	label string // for people
	file  string // the SQLite file; empty: it is in PostgreSQL
	dsn   redact.Secret
	conns int // 0: the engine's default
	deaf  bool
}

// inFile is the place of an SQLite ledger, by its resolved path.
func inFile(path string) home { return home{key: path, label: path, file: path} }

// home resolves where the ledger is, and opens nothing.
func (c *LedgerConfig) home(r *resolver) (p home, err error) {
	if c == nil {
		c = new(LedgerConfig)
	}
	switch c.Driver {
	case "", "sqlite":
		if c.DSN != "" || c.MaxConns != 0 || c.Listen != nil {
			return p, r.errorf("ledger", "dsn, max_conns and listen are of a ledger in PostgreSQL; write ledger postgres <dsn>, or leave them out")
		}
		return c.inFile(r)
	case "postgres":
		if c.File != "" {
			return p, r.errorf("ledger", "a ledger in PostgreSQL is in no file; leave file out, or write ledger sqlite <file>")
		}
		return c.inPostgres(r)
	}
	named := "this"
	if !strings.ContainsFunc(c.Driver, func(r rune) bool { return r < 'a' || r > 'z' }) { // anything else may be a DSN, with its password
		named = fmt.Sprintf("%.20q", c.Driver)
	}
	return p, r.errorf("ledger", "%s is not a kind of ledger that is known here; write ledger sqlite, or ledger postgres <dsn>", named)
}

func (c *LedgerConfig) inFile(r *resolver) (p home, err error) {
	name := ""
	if c.File != "" {
		if name, err = r.value("ledger", c.File); err != nil {
			return p, err
		}
	}
	path, err := ledgerPath(name)
	if err != nil {
		return p, r.errorf("ledger", "%w; write ledger sqlite and a file that can be in its folder, like /var/lib/caddy/pay.db", err)
	}
	return inFile(path), nil
}

func (c *LedgerConfig) inPostgres(r *resolver) (p home, err error) {
	if c.DSN == "" {
		return p, r.errorf("ledger", "needs the database's DSN; write ledger postgres {env.PAY_LEDGER_DSN}")
	}
	dsn, err := r.value("ledger", c.DSN)
	if err != nil {
		return p, err
	}
	if c.MaxConns < 0 || c.MaxConns > mostConns {
		return p, r.errorf("ledger max_conns", "is a number from 1 to %d, not %d; write max_conns 16", mostConns, c.MaxConns)
	}
	p = home{dsn: redact.New(dsn), conns: c.MaxConns, deaf: c.Listen != nil && !*c.Listen}
	if p.label, err = postgres.Place(dsn); err != nil {
		return p, r.errorf("ledger", "%w", err)
	}
	sum := sha256.Sum256([]byte(dsn))
	p.key = fmt.Sprintf("postgres %s %d %t", hex.EncodeToString(sum[:]), p.conns, p.deaf)
	return p, nil
}

// open opens the ledger that is there.
func (p home) open(ctx context.Context, storage certmagic.Storage) (ledger.Ledger, error) {
	if p.file == "" {
		return postgres.Open(ctx, postgres.Options{DSN: p.dsn.Reveal(), MaxConns: p.conns, NoListen: p.deaf, Now: time.Now, Logger: p.log()})
	}
	m := marker{storage: storage, path: p.file}
	l, err := sqlite.Open(ctx, sqlite.Options{File: p.file, Known: func() (bool, error) { return m.known(ctx) }, Logger: p.log()})
	if errors.Is(err, sqlite.ErrMissing) {
		return nil, fmt.Errorf("%w; put it back, or restore it from a backup together with its -wal file; to begin anew on purpose, delete %s from Caddy's storage (%s)",
			err, m.key, storage)
	}
	if err != nil {
		return nil, err
	}
	m.set(ctx)
	return l, nil
}

// log is the ledger's own, which belongs to no configuration.
func (p home) log() *zap.Logger {
	if p.file == "" {
		return plainLog(caddy.Log()).Named("pay.ledger").With(zap.String("database", p.label))
	}
	return ledgerLog(p.file)
}

// mends says that what keeps a ledger from being opened may go away by itself. What the server refuses for good is the configuration's, or the
// database's: a Caddy that is started without it would never take a payment.
func (p home) mends(err error) bool {
	if _, unfit := errors.AsType[*postgres.Unfit](err); p.file != "" || unfit {
		return false
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true
	}
	for _, never := range []string{
		"28",    // user, password, pg_hba.conf
		"3D000", // no such database
		"42501", // the user may not
	} {
		if strings.HasPrefix(refused.Code, never) {
			return false
		}
	}
	return true
}

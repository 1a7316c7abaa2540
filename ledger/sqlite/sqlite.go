// Package sqlite keeps the ledger in one SQLite file, next to Caddy's other data: no server, no operator. It keeps rows (schema.go, sql.go, rows.go, and
// what reads and writes them; desk.go, list.go and counts.go are what operators ask for); the rules are in ledger/core, and the care for the file is
// in ledger/sqlite/file.
package sqlite

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// Options say where the ledger is.
type Options struct {
	// File is the ledger's file; it is created with mode 0600, and its folder with 0700, when it does not exist. SQLite
	// keeps two more files beside it while it is open, with the endings -wal and -shm: they belong to the ledger, a copy
	// without them is not a backup.
	File string

	// Known is asked about a file that is missing or empty: whether it was in use before. Then that is ErrMissing, instead of a new ledger.
	// Default: it was not.
	Known func() (bool, error)

	// Now is the time when the ledger is opened. Default: time.Now.
	Now func() time.Time

	// Logger takes what an operator should know. Default: nothing is logged.
	Logger *zap.Logger
}

// ErrMissing says that a known ledger is not there.
var ErrMissing = file.ErrMissing

// Ledger is a [ledger.Ledger] in an SQLite file.
type Ledger struct {
	*core.Ledger
	ledger.Notifier

	file   *file.File
	log    *zap.Logger
	scopes scopes
	opened core.Opening
}

// Open opens the ledger in a file, or creates it. A file that is something else is left as it is, with an error that says
// so. The context bounds the opening only.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	l := &Ledger{log: o.Logger}
	l.Ledger = core.New(store{l}, time.Now())
	l.opened.At = o.Now()
	var err error
	l.file, err = file.Open(ctx, file.Options{Path: o.File, Known: o.Known, Now: o.Now, Logger: o.Logger}, l.engine())
	if err != nil {
		return nil, err
	}
	return l, nil
}

// applicationID marks a caddypay ledger in the file's header: "cpay".
const applicationID = 0x63706179

var whole = file.Schema{Application: applicationID, Version: schemaVersion, Script: schema, Upgrades: upgrades}

// sound compares what is counted with what there is.
func sound(c *file.Conn, most int) (faults []string, err error) {
	err = query(c, sqlDrift, func(r *row) { faults = append(faults, r.text()) }, most)
	return faults, err
}

// engine is what the file needs to know of its rows.
func (l *Ledger) engine() file.Engine {
	return file.Engine{
		Schema: whole,
		Reads:  reads, Writes: writes, Urgent: sqlQuick, Sound: sound,
		Opened: func(c *file.Conn) error { return query(c, sqlLast, func(r *row) { l.opened.Last = r.number() }) },
		Begin: func(c *file.Conn) file.Transaction {
			return &tx{session: session{conn: c, scopes: &l.scopes, within: true}, disk: l.file, opened: l.opened}
		},
		Signal: l.Signal,
	}
}

// Close implements [ledger.Ledger].
func (l *Ledger) Close() error { return l.file.Close() }

// Verify implements [ledger.Ledger].
func (l *Ledger) Verify(ctx context.Context) (faults []string, err error) { return l.file.Verify(ctx) }

// Backup copies the ledger, as it stands when it begins, into a file that must not exist, while everything goes on: see [file.File.Backup].
func (l *Ledger) Backup(ctx context.Context, to string, progress func(done, pages int)) error {
	return l.file.Backup(ctx, to, progress)
}

// store is what the ledger brings to core.
type store struct{ ledger *Ledger }

func (s store) Read(ctx context.Context, f func(core.Reader) error) error {
	return s.ledger.file.Read(ctx, func(c *file.Conn) error {
		r := &reader{session: session{conn: c, scopes: &s.ledger.scopes}, file: s.ledger.file.Path()}
		err := f(r)
		s.ledger.scopes.add(r.fresh)
		return err
	})
}

func (s store) Write(ctx context.Context, f func(core.Tx) error) error {
	return s.ledger.file.Write(ctx, job(f))
}

func (s store) WriteLax(ctx context.Context, f func(core.Tx) error) error {
	return s.ledger.file.WriteLax(ctx, job(f))
}

// job has a function work in a transaction, and tells what it did there.
func job(f func(core.Tx) error) file.Job {
	return func(of file.Transaction) (did file.Did, err error) {
		t := of.(*tx)
		t.dirty, t.force, t.topics = false, false, t.topics[:0]
		err = f(t)
		return file.Did{Wrote: t.dirty, Force: t.force, Topics: t.topics}, err
	}
}

// Settle implements [ledger.Events].
func (l *Ledger) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	err := l.Ledger.Settle(ctx, owner, d)
	if !errors.Is(err, ledger.ErrDamaged) {
		return err
	}
	// Perhaps only the list of attempts has no sound page for it: the outcome is worth more.
	if l.SettleUnlisted(ctx, owner, d) != nil {
		return err
	}
	l.log.Error("the outcome of a delivery is recorded, but not the attempt, since the ledger is damaged there", zap.String("event", d.EventID), zap.Error(err))
	return nil
}

var _ ledger.Ledger = (*Ledger)(nil)

// Package sqlite keeps the ledger in one SQLite file, next to Caddy's other data: no server, no operator. It keeps rows (schema.go, sql.go, rows.go, and
// what reads and writes them; desk.go, list.go and counts.go are what operators ask for); the rules are in ledger/core.
//
// All writes go through one goroutine with a connection of its own (writer.go), which puts everything that waits into one
// transaction; another forces what was committed to the disk (disk.go), one fsync for many, and only then is anybody told. A third copies
// the -wal file into the ledger's own (folder.go). Reads have a pool of their own and never wait for a write. One more connection only stays open
// (anchor.go). Several processes may use one file, on one machine; the file must not be on a network file system.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
	modernc "modernc.org/sqlite"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
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

	fileSystem func(file string) string // default: fileSystem
}

// ErrMissing says that a known ledger is not there.
var ErrMissing = errors.New("there is no ledger where one was used before")

// Ledger is a [ledger.Ledger] in an SQLite file.
type Ledger struct {
	*core.Ledger
	ledger.Notifier

	file   string
	log    *zap.Logger
	scopes scopes
	reads  *pool
	writer *writer
	anchor *anchor // the writer's; nil: none is down
	opened core.Opening

	presence *presence
	guard    guard
	pauses   pauses

	mu      sync.RWMutex // held for reading by every call, so that Close waits for them
	closed  bool
	closing sync.Once
	result  error // of Close
}

// Open opens the ledger in a file, or creates it. A file that is something else is left as it is, with an error that says
// so. The context bounds the opening only.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	return open(ctx, o, maxBatch)
}

func open(ctx context.Context, o Options, batch int) (*Ledger, error) {
	if o.File == "" {
		return nil, errors.New("ledger: no file named; write ledger sqlite <file>")
	}
	file, err := filepath.Abs(o.File)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", o.File, err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if err := prepareFile(file, o.Known, o.Logger); err != nil {
		return nil, err
	}
	if o.fileSystem == nil {
		o.fileSystem = fileSystem
	}
	if kind := o.fileSystem(file); kind != "" {
		o.Logger.Warn("the ledger is on a file system that may break what a ledger promises: fsync and locks are not its own; put it on a local disk",
			zap.String("file", file), zap.String("file_system", kind))
	}

	// As in datasync. Where the system has no fdatasync the error says so and fsync stays.
	_, _ = modernc.Fdatasync(true)

	l := &Ledger{file: file, log: o.Logger, presence: &presence{file: file, log: o.Logger}}
	l.Ledger = core.New(store{l}, time.Now())
	l.guard.ledger = l
	l.opened.At = o.Now()
	l.writer = newWriter(l, batch)
	var notWhole error
	connect := func() error { return patiently(ctx, func() (err error) { notWhole, err = l.connect(ctx); return err }) }
	err = connect()
	if errors.Is(err, ledger.ErrDamaged) { // SQLite says so too when the disk could not be read once
		err = connect()
	}
	if err != nil {
		return nil, err
	}
	if notWhole != nil { // a full disk keeps nobody from reading, and nothing from going on once there is room
		l.writer.disk.failed.Store(true)
		o.Logger.Error("the disk is full or failing: nothing is recorded until the ledger's -wal file can be written once more", zap.String("file", file), zap.Error(notWhole))
	}
	l.writer.folder.inherit()
	go l.writer.run()
	l.guard.start(verifyAfter)
	return l, nil
}

// connect opens the connections, and makes the -wal file whole: who used it last may have been killed after the disk had failed. With notWhole
// the ledger can be read; before anything is written to it, it has to be mended.
func (l *Ledger) connect(ctx context.Context) (notWhole, err error) {
	if err := l.presence.begin(); err != nil {
		return nil, fmt.Errorf("ledger %s: %w", l.file, err)
	}
	if l.anchor, err = setUp(ctx, l.file); err != nil {
		return nil, err
	}
	if l.reads, err = openPool(ctx, l.file); err != nil {
		return nil, explain(l.file, errors.Join(err, l.anchor.weigh()))
	}
	if err = checkQuickly(ctx, l.reads, quickCheck); err == nil {
		err = l.reads.with(ctx, func(c *conn) error { return c.run(sqlLast, func(r *row) { l.opened.Last = r.number() }) })
	}
	if err == nil {
		err = l.writer.connect(ctx)
	}
	if err == nil {
		err = l.writer.makeWhole(ctx)
	}
	if errors.Is(err, errNotWhole) {
		return err, nil
	}
	if err != nil {
		err = explain(l.file, errors.Join(err, l.writer.disconnect(), l.reads.close(), l.anchor.weigh()))
	}
	return nil, err
}

// Close implements [ledger.Ledger]. It also folds the -wal file into the ledger's own, unless another process is at it.
func (l *Ledger) Close() error {
	l.closing.Do(func() {
		l.mu.Lock()
		l.closed = true
		close(l.writer.queue)
		l.mu.Unlock()

		l.guard.stop()
		<-l.writer.done
		l.result = l.wrap(l.writer.close())
	})
	return l.result
}

// wrap names the file in an error, and leaves alone what callers tell apart.
func (l *Ledger) wrap(err error) error {
	switch {
	case err == nil, errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrReserved), errors.Is(err, ledger.ErrState),
		errors.Is(err, ledger.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return explain(l.file, err)
}

// read runs a function on the pool for reading.
func (l *Ledger) read(ctx context.Context, f func(r *reader) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return ledger.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.presence.err(); err != nil {
		return l.wrap(err)
	}
	l.pauses.reading.RLock()
	defer l.pauses.reading.RUnlock()
	return l.wrap(l.reads.with(ctx, func(c *conn) error {
		r := &reader{session: session{conn: c, scopes: &l.scopes}, file: l.file}
		err := f(r)
		l.scopes.add(r.fresh)
		return err
	}))
}

// write runs a function in the writer's next transaction and returns once that is on disk.
func (l *Ledger) write(ctx context.Context, f func(t *tx) error) error {
	return l.do(ctx, &job{ctx: ctx, run: f, done: make(chan error, 1)})
}

// writeLax is write for what may be lost in a power failure, since it would only be done again (leases, outcomes of deliveries and look-ups):
// it returns once the transaction is committed, and waits for no fsync, neither its own nor that of others. A process that dies loses nothing of it.
func (l *Ledger) writeLax(ctx context.Context, f func(t *tx) error) error {
	return l.do(ctx, &job{ctx: ctx, run: f, lax: true, done: make(chan error, 1)})
}

func (l *Ledger) do(ctx context.Context, j *job) error {
	if err := l.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return l.wrap(err)
	case <-ctx.Done():
		if j.drop() {
			return ctx.Err()
		}
		return l.wrap(<-j.done) // too late: it is being written, and the caller must learn how that ends
	}
}

func (l *Ledger) enqueue(ctx context.Context, j *job) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return ledger.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.presence.err(); err != nil {
		return l.wrap(err)
	}
	select {
	case l.writer.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// store is what the ledger brings to core.
type store struct{ ledger *Ledger }

func (s store) Read(ctx context.Context, f func(core.Reader) error) error {
	return s.ledger.read(ctx, func(r *reader) error { return f(r) })
}

func (s store) Write(ctx context.Context, f func(core.Tx) error) error {
	return s.ledger.write(ctx, func(t *tx) error { return f(t) })
}

func (s store) WriteLax(ctx context.Context, f func(core.Tx) error) error {
	return s.ledger.writeLax(ctx, func(t *tx) error { return f(t) })
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

// Package file keeps the ledger's SQLite file, and what was acknowledged in it, through whatever may happen to a file, a disk or a process. It knows
// no table: what is in the file is the engine's (see Engine).
//
// All writes go through one goroutine with a connection of its own (writer.go), which puts everything that waits into one
// transaction; another forces what was committed to the disk (disk.go), one fsync for many, and only then is anybody told. A third copies
// the -wal file into the ledger's own (fold.go). Reads have a pool of their own and never wait for a write. One more connection only stays open
// (anchor.go). Several processes may use one file, on one machine; the file must not be on a network file system.
//
// It has more than 25 files: each care is one, some with a twin for systems other than Linux, and what they share is the open file.
package file

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
)

// Options say where the file is.
type Options struct {
	// Path is that of the file; it is created with mode 0600, and its folder with 0700, when it does not exist.
	Path string

	// Known is asked about a file that is missing or empty: whether it was in use before. Then that is ErrMissing, instead of a new ledger.
	// Default: it was not.
	Known func() (bool, error)

	// Now is the time when the file is opened. Default: time.Now.
	Now func() time.Time

	// Logger takes what an operator should know. Default: nothing is logged.
	Logger *zap.Logger

	fileSystem func(file string) string // default: FileSystem
}

// Engine is what makes a ledger of a file: who knows its tables.
type Engine struct {
	Schema Schema

	// Reads and Writes are the statements that the connections of either kind run again and again: they are prepared once.
	Reads, Writes []string

	// Urgent are statements that read what the ledger cannot do without: if they find it damaged, it is not opened.
	Urgent []string

	// Opened looks at the file before this process writes anything to it; when the opening has to be done over, once more.
	Opened func(c *Conn) error

	// Sound compares what is counted in the file with what there is, and says in words where they differ, at so many places at most.
	Sound func(c *Conn, most int) (faults []string, err error)

	// Begin is called for each transaction of the writer's.
	Begin func(c *Conn) Transaction

	// Signal tells those who wait for something that it has changed.
	Signal func(topics ...ledger.Topic)
}

// Transaction is one of the writer's, with what the engine keeps for all jobs in it.
type Transaction interface {
	// Finish writes what is written once for all jobs, and says what was recorded. It is called once, at the end.
	Finish() (Recorded, error)

	// Committed is called after the commit.
	Committed()
}

// Recorded are the events of a transaction.
type Recorded struct {
	First int64 // that it recorded; 0: none
	Last  int64 // that is on disk when the transaction is, as all before are; 0: that is not known
}

// ErrMissing says that a known ledger is not there.
var ErrMissing = errors.New("there is no ledger where one was used before")

// File is a ledger's file that is open.
type File struct {
	path   string
	engine Engine
	log    *zap.Logger
	reads  *pool
	writer *writer
	anchor *anchor   // the writer's; nil: none is down
	before *snapshot // of an older version, to be kept; nil: it was up to date
	opened time.Time

	presence *presence
	guard    guard
	pauses   pauses
	copying  sync.Mutex // held while a backup is made

	mu      sync.RWMutex // held for reading by every call, so that Close waits for them
	closed  bool
	closing sync.Once
	result  error // of Close
}

// Open opens a file, or creates it. One that is something else is left as it is, with an error that says so. The context bounds the opening only.
func Open(ctx context.Context, o Options, e Engine) (*File, error) {
	if o.Path == "" {
		return nil, errors.New("ledger: no file named; write ledger sqlite <file>")
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", o.Path, err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if err := prepareFile(path, o.Known, o.Logger); err != nil {
		return nil, err
	}
	if o.fileSystem == nil {
		o.fileSystem = FileSystem
	}
	if kind := o.fileSystem(path); kind != "" {
		o.Logger.Warn("the ledger is on a file system that may break what a ledger promises: fsync and locks are not its own; put it on a local disk",
			zap.String("file", path), zap.String("file_system", kind))
	}

	// As in datasync. Where the system has no fdatasync the error says so and fsync stays.
	_, _ = modernc.Fdatasync(true)

	f := &File{path: path, engine: e, log: o.Logger, opened: o.Now(), presence: &presence{file: path, log: o.Logger}}
	f.guard.file = f
	f.writer = newWriter(f)
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	f.writer.folder.inherit()
	go f.writer.run()
	f.guard.start(verifyAfter)
	return f, nil
}

// Close takes no more, writes what waits, and folds the -wal file into the ledger's own, unless another process is at it.
func (f *File) Close() error {
	f.closing.Do(func() {
		f.mu.Lock()
		f.closed = true
		close(f.writer.queue)
		f.mu.Unlock()

		f.guard.stop()
		<-f.writer.done
		f.result = f.wrap(f.writer.close())
	})
	return f.result
}

// Path is the file's, from the root.
func (f *File) Path() string { return f.path }

// Forced is the last event of which it is known that it is on disk, as all before are.
func (f *File) Forced() int64 { return f.writer.disk.forced.Load() }

// Unforced is the first event that this process recorded, and that may not be on disk; none of its events before is missing there.
func (f *File) Unforced() int64 { return f.writer.disk.unforced() }

// wrap names the file in an error, and leaves alone what callers tell apart.
func (f *File) wrap(err error) error {
	if answered(err) {
		return err
	}
	return explain(f.path, err)
}

// answered says whether a call had no error, or one that callers tell apart.
func answered(err error) bool {
	return err == nil || errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrReserved) || errors.Is(err, ledger.ErrState) ||
		errors.Is(err, ledger.ErrDecided) || errors.Is(err, ledger.ErrCursor) || errors.Is(err, ledger.ErrClosed) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded)
}

// Read runs a function on a connection for reading. Every statement sees what is committed by then. What runs ends with the context.
func (f *File) Read(ctx context.Context, read func(c *Conn) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.usable(ctx); err != nil {
		return err
	}
	f.pauses.reading.RLock()
	defer f.pauses.reading.RUnlock()
	return f.wrap(f.reads.with(ctx, read))
}

// usable says why the file cannot be used now. The caller holds mu.
func (f *File) usable(ctx context.Context) error {
	if f.closed {
		return ledger.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.wrap(f.presence.err())
}

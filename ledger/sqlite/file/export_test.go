package file

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"
)

// What tests see of the care for a file. They work with a whole ledger, so that they are outside.

const (
	LogHeader, FrameHeader, Attempts = logHeader, frameHeader, attempts
	PageSize, FoldAfter, Readers     = pageSize, foldAfter, readers
	MaxBatch, QuickCheck             = maxBatch, quickCheck
	CopyPages                        = copyPages
)

var (
	ErrForce, ErrGone, ErrYield, ErrLost, ErrNotWhole = errForce, errGone, errYield, errLost, errNotWhole

	Endings                              = endings
	Datasync, Rewrite                    = datasync, rewrite
	Connect, ConnectReads, ConnectWrites = connect, connectReads, connectWrites
)

func (c *Conn) Close() error                           { return c.close() }
func (c *Conn) Until(ctx context.Context) (end func()) { return c.until(ctx) }

// Checkpoint is checkpoint: how many pages are in the -wal file, and how many are copied.
func (c *Conn) Checkpoint(mode string) (frames, pages int, err error) {
	done, err := c.checkpoint(mode)
	return done.frames, done.pages, err
}

// Frames goes through a -wal file as rewrite does.
func Frames(read, write func(b []byte, at int64) (int, error)) (int, error) {
	return (&rewriter{read: read, write: write}).frames()
}

// On is the options of a file on a file system of a kind.
func (o Options) On(fileSystem func(file string) string) Options {
	o.fileSystem = fileSystem
	return o
}

// Inside is what is inside a file that is open. What is not atomic is changed in a job.
type Inside struct {
	Sync                 *func(*os.File) error
	Failed, Torn         *atomic.Bool
	Outstanding, Commits *atomic.Int64
	After, Rest, Batch   *int // of the folder, and jobs in a transaction
	file                 *File
}

func (f *File) Inside() *Inside {
	w := f.writer
	return &Inside{
		Sync: &w.disk.sync, Failed: &w.disk.failed, Torn: &w.disk.torn, Outstanding: &w.disk.outstanding, Commits: &w.commits,
		After: &w.folder.after, Rest: &w.folder.rest, Batch: &w.batch, file: f,
	}
}

// Writer is the connection that writes, for jobs.
func (i *Inside) Writer() *Conn { return i.file.writer.conn }

func (i *Inside) Forced() int64 { return i.file.Forced() }

// Loose says that something committed is left to the system.
func (i *Inside) Loose() bool {
	d := i.file.writer.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.loose.IsZero()
}

// Queued is how many jobs wait.
func (i *Inside) Queued() int { return len(i.file.writer.queue) }

func (i *Inside) Write(ctx context.Context, run Job) error            { return i.file.Write(ctx, run) }
func (i *Inside) WriteLax(ctx context.Context, run Job) error         { return i.file.WriteLax(ctx, run) }
func (i *Inside) Read(ctx context.Context, f func(*Conn) error) error { return i.file.Read(ctx, f) }

// Pool runs a function on the pool, also when the file is gone.
func (i *Inside) Pool(ctx context.Context, f func(*Conn) error) error {
	return i.file.reads.with(ctx, f)
}

func (i *Inside) Fold() { i.file.writer.folder.fold() }

func (i *Inside) TakeLong(ctx context.Context) (context.Context, func()) {
	return i.file.pauses.takeLong(ctx)
}

// Gone is what was seen of the files last.
func (i *Inside) Gone() error { return i.file.presence.err() }

// CheckQuickly is checkQuickly.
func (i *Inside) CheckQuickly(ctx context.Context, most time.Duration) error {
	return checkQuickly(ctx, i.file.reads, i.file.engine.Urgent, most)
}

// Guard has another guard look after the file.
func (i *Inside) Guard(verifyAfter time.Duration) (stop func()) {
	g := &guard{file: i.file}
	g.start(verifyAfter)
	return g.stop
}

// Stuck looks at the -wal file as the guard does.
func (i *Inside) Stuck(size int64, after time.Duration) (look func(now time.Time)) {
	return (&stuck{file: i.file, size: size, after: after}).look
}

// LoseReads closes the connections of the pool; it opens others.
func (i *Inside) LoseReads() error {
	err := i.file.reads.close()
	i.file.reads.closed = false
	return err
}

// LoseWriter closes the connection that writes, without a word.
func (i *Inside) LoseWriter() error {
	err := i.file.writer.conn.close()
	i.file.writer.conn = nil
	return err
}

// Die closes all connections but those of the disk, as a program does that is killed.
func (i *Inside) Die() error {
	err := errors.Join(i.file.reads.close(), i.file.writer.conn.close(), i.file.anchor.weigh())
	i.file.anchor = nil
	return err
}

// Forget has a program that has died take note of it.
func (i *Inside) Forget() { i.file.writer.conn = nil }

// Reads are what the connections of the pool prepare. It is changed while nothing else goes on.
func (i *Inside) Reads() *[]string { return &i.file.engine.Reads }

// SetWriter has the writer use another connection from now on. It is for jobs.
func (i *Inside) SetWriter(c *Conn) { i.file.writer.conn = c }

// Waited is how long ago the writer last waited for another program. It is for jobs.
func (i *Inside) Waited() time.Duration { return time.Since(i.file.writer.waited) }

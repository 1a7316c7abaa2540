package file_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"
	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	engine "github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

func TestMain(m *testing.M) {
	if child := os.Getenv("LEDGER_CHILD"); child != "" {
		os.Exit(children[child]())
	}
	goleak.VerifyTestMain(m)
}

// Tests call files file.
const (
	logHeader, frameHeader, attempts = file.LogHeader, file.FrameHeader, file.Attempts
	pageSize, foldAfter, readers     = file.PageSize, file.FoldAfter, file.Readers
	maxBatch, quickCheck             = file.MaxBatch, file.QuickCheck
)

var (
	errMissing, errForce, errGone, errYield, errLost, errNotWhole = file.ErrMissing, file.ErrForce, file.ErrGone, file.ErrYield, file.ErrLost, file.ErrNotWhole

	endings                              = file.Endings
	datasync, rewrite, frames            = file.Datasync, file.Rewrite, file.Frames
	connect, connectReads, connectWrites = file.Connect, file.ConnectReads, file.ConnectWrites
)

type (
	conn    = file.Conn
	Options = engine.Options
)

// Ledger is a whole ledger, and what is inside its file.
type Ledger struct {
	*engine.Ledger
	file   string
	inside *file.Inside
}

func Open(ctx context.Context, o Options) (*Ledger, error) {
	l, err := engine.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	open := (*file.File)(reflect.ValueOf(l).Elem().FieldByName("file").UnsafePointer()) // a ledger shows it to nobody
	return &Ledger{l, o.File, open.Inside()}, nil
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "pay", "ledger.db") }

// openFile opens a ledger long before anything was paid.
func openFile(t testing.TB, file string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Options{File: file, Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func openFileOnce(t *testing.T, file string) error {
	l, err := Open(t.Context(), Options{File: file})
	if err != nil {
		return err
	}
	return l.Close()
}

// tx is the writer's transaction, as one job sees it.
type tx struct {
	core.Tx
	conn   *conn
	topics []ledger.Topic
}

func (t *tx) Touch(topic ledger.Topic) { t.topics = append(t.topics, topic) }

func (l *Ledger) job(f func(t *tx) error) file.Job {
	return func(of file.Transaction) (file.Did, error) {
		t := &tx{Tx: of.(core.Tx), conn: l.inside.Writer()}
		err := f(t)
		return file.Did{Wrote: true, Topics: t.topics}, err
	}
}

func (l *Ledger) write(ctx context.Context, f func(t *tx) error) error {
	return l.inside.Write(ctx, l.job(f))
}

func (l *Ledger) writeLax(ctx context.Context, f func(t *tx) error) error {
	return l.inside.WriteLax(ctx, l.job(f))
}

// number and text are what a statement finds, on a connection for reading.
func number(t testing.TB, l *Ledger, statement string) (found int) {
	t.Helper()
	must(t, l.inside.Pool(t.Context(), func(c *conn) error {
		return c.Run(statement, func(s *sqlite.Stmt) (bool, error) { found = s.ColumnInt(0); return false, nil })
	}))
	return found
}

func text(t testing.TB, l *Ledger, statement string) (found string) {
	t.Helper()
	must(t, l.inside.Pool(t.Context(), func(c *conn) error {
		return c.Run(statement, func(s *sqlite.Stmt) (bool, error) { found = s.ColumnText(0); return false, nil })
	}))
	return found
}

// hold reads what there is now until the returned function is called.
func hold(t *testing.T, l *Ledger) (release func()) {
	t.Helper()
	c, err := connectReads(t.Context(), l.file)
	must(t, err)
	must(t, c.Run("BEGIN", nil))
	must(t, c.Run("SELECT count(*) FROM events", nil))
	return func() {
		t.Helper()
		must(t, c.Rollback())
		must(t, c.Close())
	}
}

// copied is what came of a checkpoint.
type copied struct{ frames, pages int }

// copiedBy is a checkpoint by a connection for reading.
func copiedBy(l *Ledger, mode string) (done copied, err error) {
	err = l.inside.Pool(context.Background(), func(c *conn) error { done.frames, done.pages, err = c.Checkpoint(mode); return err })
	return done, err
}

var scope = ledger.Scope{App: "app_1", Mode: ledger.Test}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newEvent(id string) *ledger.Event {
	return &ledger.Event{Scope: scope, ID: id, Type: "charge.succeeded", ObjectID: "ch_" + id, State: ledger.Pending,
		Source: ledger.Webhook, Received: time.UnixMilli(1), Body: []byte("body of " + id)}
}

func appendEvents(t testing.TB, l *Ledger, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := l.Append(t.Context(), newEvent(id)); err != nil {
			t.Error(err)
		}
	}
}

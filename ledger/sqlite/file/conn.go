package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Conn is a connection with the statements that it uses again and again; one goroutine uses it at a time.
type Conn struct {
	raw      *sqlite.Conn // nil: closed
	prepared map[string]*sqlite.Stmt
	ctx      context.Context // ends what runs, and has it wait for locks until then; nil: it runs to its end, and is refused at once
	looks    bool            // it may not even write to the -shm file
}

const (
	sqlBegin    = `BEGIN IMMEDIATE`
	sqlCommit   = `COMMIT`
	sqlRollback = `ROLLBACK`
)

var errClosed = errors.New("the connection is closed")

// connect opens a connection to a file that exists, and runs what sets it up. The context bounds that only.
func connect(ctx context.Context, file string, how sqlite.OpenFlags, pragmas ...string) (*Conn, error) {
	c := &Conn{}
	return c, patiently(ctx, func() (err error) {
		if c.raw, err = sqlite.OpenConn(file, how); err != nil {
			return err
		}
		c.raw.SetBusyTimeout(0)
		defer c.until(ctx)()
		for _, pragma := range pragmas {
			if err := c.Run("PRAGMA "+pragma, nil); err != nil {
				return errors.Join(err, c.close())
			}
		}
		return nil
	})
}

// connectReads opens a connection that only reads.
func connectReads(ctx context.Context, file string) (*Conn, error) {
	return connect(ctx, file, sqlite.OpenReadWrite, "query_only = 1", "cache_size = -4096")
}

// connectWrites opens one that writes. Foreign keys stay unchecked: rows are only ever inserted together with what they refer to, and each check
// would cost a look-up.
func connectWrites(ctx context.Context, file string) (*Conn, error) {
	return connect(ctx, file, sqlite.OpenReadWrite,
		"synchronous = NORMAL", // COMMIT does not wait for the disk: see disk
		"cache_size = -8192",
		"wal_autocheckpoint = 0", fmt.Sprint("journal_size_limit = ", walKept)) // see folder
}

const walKept = 64 << 20 // bytes of a -wal file that stay on the disk when it begins anew

// prepare prepares statements; those that cannot be are none of this schema.
func (c *Conn) prepare(ctx context.Context, texts []string) error {
	defer c.until(ctx)()
	c.prepared = make(map[string]*sqlite.Stmt, len(texts))
	for _, text := range texts {
		err := patiently(ctx, func() error {
			stmt, err := c.raw.Prepare(text)
			if err != nil {
				return c.met(cmp.Or(errors.Unwrap(err), err)) // without the text
			}
			c.prepared[text] = stmt
			return nil
		})
		if err != nil {
			return c.ended(err)
		}
	}
	return nil
}

// close closes the connection, if it is open.
func (c *Conn) close() error {
	if c == nil || c.raw == nil {
		return nil
	}
	raw := c.raw
	c.raw, c.prepared = nil, nil
	return raw.Close()
}

// until has a context end what runs on the connection, until the returned function is called.
func (c *Conn) until(ctx context.Context) (end func()) {
	c.ctx = ctx
	c.raw.SetInterrupt(ctx.Done())
	return func() {
		c.ctx = nil
		if c.raw != nil {
			c.raw.SetInterrupt(nil)
		}
	}
}

// Run runs a statement, a prepared one or any other, and has its rows read, until no more are wanted; what reads them runs no other statement. Parameters are int, int64, string,
// bool, []byte, and nil for NULL.
func (c *Conn) Run(text string, read func(*sqlite.Stmt) (more bool, err error), args ...any) (err error) {
	if c.raw == nil {
		return errClosed
	}
	stmt := c.prepared[text]
	if stmt == nil {
		prepare := func() (err error) { stmt, _, err = c.raw.PrepareTransient(text); return c.met(err) }
		if err = c.wait(prepare(), prepare); err != nil {
			return c.ended(err)
		}
		defer stmt.Finalize()
	}
	defer stmt.Reset() // a function that panics must not leave it half-way
	if err := bind(stmt, args); err != nil {
		return err
	}
	more, err := stmt.Step()
	err = c.wait(c.met(err), func() (err error) { more, err = stmt.Step(); return c.met(err) })
	for more && err == nil {
		if read != nil {
			if more, err = read(stmt); !more || err != nil {
				return err
			}
		}
		more, err = stmt.Step()
	}
	return c.ended(err)
}

// wait tries once more, patiently, what has failed because another connection is in its way.
func (c *Conn) wait(err error, again func() error) error {
	if c.ctx == nil || !isBusy(err) {
		return err
	}
	return patiently(c.ctx, again)
}

// met calls busy what is: another program was met at the one moment at which this connection would have to write to the -shm file to read on.
func (c *Conn) met(err error) error {
	if !c.looks || err == nil {
		return err
	}
	if code := sqlite.ErrCode(err); code != sqlite.ResultReadOnlyRecovery && code != sqlite.ResultReadOnlyCantInit {
		return err
	}
	return errors.Join(sqlite.ResultBusy.ToError(), err)
}

// ended says that it was the context, where that has ended what ran.
func (c *Conn) ended(err error) error {
	if err != nil && c.ctx != nil && c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return err
}

// bind sets every parameter of a statement: what the last run had set stays there until then, since to clear it would make SQLite plan anew.
func bind(stmt *sqlite.Stmt, args []any) error {
	if n := stmt.BindParamCount(); n != len(args) {
		return fmt.Errorf("%d values for a statement of %d", len(args), n)
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case int64:
			stmt.BindInt64(i+1, v)
		case string:
			stmt.BindText(i+1, v)
		case int:
			stmt.BindInt64(i+1, int64(v))
		case bool:
			stmt.BindBool(i+1, v)
		case []byte:
			if v == nil {
				stmt.BindNull(i + 1)
			} else {
				stmt.BindBytes(i+1, v)
			}
		case nil:
			stmt.BindNull(i + 1)
		default:
			return fmt.Errorf("no column takes value %d", i+1)
		}
	}
	return nil
}

// script runs statements that return no rows, all or none of them.
func (c *Conn) script(text string) error { return c.ended(sqlitex.ExecuteScript(c.raw, text, nil)) }

// InTransaction says whether a transaction is open. After an error of the disk SQLite may have ended it by itself.
func (c *Conn) InTransaction() bool { return c.raw != nil && !c.raw.AutocommitEnabled() }

// Rollback ends the transaction, if there is one, also after the context has ended what ran in it.
func (c *Conn) Rollback() error {
	if c.raw == nil {
		return errClosed
	}
	if !c.InTransaction() {
		return nil
	}
	defer c.raw.SetInterrupt(c.raw.SetInterrupt(nil))
	return c.Run(sqlRollback, nil)
}

// Changed says how many rows the last statement that writes has touched, and which number the last row has that was inserted.
func (c *Conn) Changed() (rows int, last int64) { return c.raw.Changes(), c.raw.LastInsertRowID() }

// copied is what came of a checkpoint.
type copied struct {
	busy   bool // others were in the way: less was done than asked for
	frames int  // pages in the -wal file
	pages  int  // of those, how many are in the ledger's own by now
}

// checkpoint copies pages from the -wal file into the ledger's.
func (c *Conn) checkpoint(mode string) (done copied, err error) {
	err = c.Run("PRAGMA wal_checkpoint("+mode+")", func(s *sqlite.Stmt) (bool, error) {
		done = copied{busy: s.ColumnInt(0) != 0, frames: s.ColumnInt(1), pages: s.ColumnInt(2)}
		return true, nil
	})
	return done, err
}

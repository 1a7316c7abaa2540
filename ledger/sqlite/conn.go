package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// conn is a connection with the statements that it uses again and again; one goroutine uses it at a time.
type conn struct {
	raw      *sqlite.Conn // nil: closed
	prepared map[string]*sqlite.Stmt
	ctx      context.Context // ends what runs, and has it wait for locks until then; nil: it runs to its end, and is refused at once
}

var errClosed = errors.New("the connection is closed")

// connect opens a connection to a file that exists, and runs what sets it up. The context bounds that only.
func connect(ctx context.Context, file string, how sqlite.OpenFlags, pragmas ...string) (*conn, error) {
	c := &conn{}
	return c, patiently(ctx, func() (err error) {
		if c.raw, err = sqlite.OpenConn(file, how); err != nil {
			return err
		}
		c.raw.SetBusyTimeout(0)
		defer c.until(ctx)()
		for _, pragma := range pragmas {
			if err := c.run("PRAGMA "+pragma, nil); err != nil {
				return errors.Join(err, c.close())
			}
		}
		return nil
	})
}

// connectReads opens a connection that only reads.
func connectReads(ctx context.Context, file string) (*conn, error) {
	return connect(ctx, file, sqlite.OpenReadWrite, "query_only = 1", "cache_size = -4096")
}

// connectWrites opens one that writes. Foreign keys stay unchecked: rows are only ever inserted together with what they refer to, and each check
// would cost a look-up.
func connectWrites(ctx context.Context, file string) (*conn, error) {
	return connect(ctx, file, sqlite.OpenReadWrite,
		"synchronous = NORMAL", // COMMIT does not wait for the disk: see disk
		"cache_size = -8192",
		"wal_autocheckpoint = 0", "journal_size_limit = 67108864") // see folder
}

// prepare prepares statements; those that cannot be are none of this schema.
func (c *conn) prepare(ctx context.Context, texts []string) error {
	defer c.until(ctx)()
	c.prepared = make(map[string]*sqlite.Stmt, len(texts))
	for _, text := range texts {
		err := patiently(ctx, func() error {
			stmt, err := c.raw.Prepare(text)
			if err != nil {
				return cmp.Or(errors.Unwrap(err), err) // without the text
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
func (c *conn) close() error {
	if c == nil || c.raw == nil {
		return nil
	}
	raw := c.raw
	c.raw, c.prepared = nil, nil
	return raw.Close()
}

// until has a context end what runs on the connection, until the returned function is called.
func (c *conn) until(ctx context.Context) (end func()) {
	c.ctx = ctx
	if ctx.Done() != nil {
		c.raw.SetInterrupt(ctx.Done())
	}
	return func() {
		c.ctx = nil
		if c.raw != nil {
			c.raw.SetInterrupt(nil)
		}
	}
}

// run runs a statement, a prepared one or any other, and reads its rows; what reads them runs no other statement. Parameters are int, int64, string,
// bool, []byte, and nil for NULL.
func (c *conn) run(text string, read func(*row), args ...any) (err error) {
	if c.raw == nil {
		return errClosed
	}
	stmt := c.prepared[text]
	if stmt == nil {
		prepare := func() (err error) { stmt, _, err = c.raw.PrepareTransient(text); return err }
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
	err = c.wait(err, func() (err error) { more, err = stmt.Step(); return err })
	r := row{stmt: stmt}
	for more && err == nil {
		r.next = 0
		if read != nil {
			read(&r)
		}
		if r.err != nil || r.enough {
			return r.err
		}
		more, err = stmt.Step()
	}
	return c.ended(err)
}

// wait tries once more, patiently, what has failed because another connection is in its way.
func (c *conn) wait(err error, again func() error) error {
	if c.ctx == nil || !isBusy(err) {
		return err
	}
	return patiently(c.ctx, again)
}

// ended says that it was the context, where that has ended what ran.
func (c *conn) ended(err error) error {
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
func (c *conn) script(text string) error {
	if c.raw == nil {
		return errClosed
	}
	return sqlitex.ExecuteScript(c.raw, text, nil)
}

// inTransaction says whether a transaction is open. After an error of the disk SQLite may have ended it by itself.
func (c *conn) inTransaction() bool { return c.raw != nil && !c.raw.AutocommitEnabled() }

// rollback ends the transaction, if there is one, also after the context has ended what ran in it.
func (c *conn) rollback() error {
	if c.raw == nil {
		return errClosed
	}
	if !c.inTransaction() {
		return nil
	}
	defer c.raw.SetInterrupt(c.raw.SetInterrupt(nil))
	return c.run(sqlRollback, nil)
}

// copied is what came of a checkpoint.
type copied struct {
	busy   bool // others were in the way: less was done than asked for
	frames int  // pages in the -wal file
	pages  int  // of those, how many are in the ledger's own by now
}

// checkpoint copies pages from the -wal file into the ledger's.
func (c *conn) checkpoint(mode string) (done copied, err error) {
	err = c.run("PRAGMA wal_checkpoint("+mode+")", func(r *row) { done = copied{r.flag(), r.count(), r.count()} })
	return done, err
}

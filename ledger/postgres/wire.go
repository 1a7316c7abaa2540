package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// wire is a link on a connection that runs each statement by itself.
type wire struct {
	ctx  context.Context
	conn *pgx.Conn
}

func (w *wire) send(stmts []stmt) error {
	_, err := w.exchange(stmts)
	return err
}

// exchange sends statements at once, and reads what comes back. It returns the tag of the last one.
func (w *wire) exchange(stmts []stmt) (tag pgconn.CommandTag, err error) {
	batch := &pgx.Batch{}
	for i := range stmts {
		batch.Queue(stmts[i].text, stmts[i].args...)
	}
	results := w.conn.SendBatch(w.ctx, batch)
	for i := range stmts {
		if stmts[i].read == nil {
			tag, err = results.Exec()
		} else {
			var rows pgx.Rows
			if rows, err = results.Query(); err == nil {
				err = read(rows, stmts[i].read)
				tag = rows.CommandTag()
			}
		}
		if err != nil {
			break
		}
	}
	if err = errors.Join(err, results.Close()); err == nil {
		return tag, nil
	}
	var refused *pgconn.PgError
	if w.conn.IsClosed() && !errors.As(err, &refused) {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return tag, err
}

// errLost says that the server did not answer what was sent to it.
var errLost = errors.New("the connection to PostgreSQL is lost")

// guard watches over a connection. A statement that takes too long is ended by closing it, and nothing ever asks the server to cancel one: of a COMMIT
// that waits for a replica that makes a success which is none.
type guard struct {
	stands  atomic.Bool // what is dialed from then on is for a cancel request
	raw     atomic.Pointer[net.Conn]
	warning atomic.Pointer[pgconn.Notice] // the last one
}

const guardKey = "caddypay guard"

func guardOf(conn *pgx.Conn) *guard { return conn.PgConn().CustomData()[guardKey].(*guard) }

var errNoCancel = errors.New("statements are not canceled")

// guarded makes a configuration that of one connection.
func guarded(c *pgx.ConnConfig) {
	g := &guard{}
	dial, after := c.DialFunc, c.AfterConnect
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if g.stands.Load() {
			return nil, errNoCancel
		}
		conn, err := dial(ctx, network, addr)
		if err == nil {
			g.raw.Store(&conn)
		}
		return conn, err
	}
	c.BuildContextWatcherHandler = func(*pgconn.PgConn) ctxwatch.Handler { return g }
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			g.warning.Store(n)
		}
	}
	c.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		conn.CustomData()[guardKey] = g
		g.stands.Store(true)
		if after != nil {
			return after(ctx, conn)
		}
		return nil
	}
}

// HandleCancel closes the connection itself: what is around it, for TLS say, might wait for the other side.
func (g *guard) HandleCancel(context.Context) { _ = (*g.raw.Load()).Close() }

// HandleUnwatchAfterCancel has nothing to do: the connection is gone.
func (g *guard) HandleUnwatchAfterCancel() {}

// notDurable is a COMMIT that came with a warning, as one does that was not waited for to the end: "committed locally, but might not have been replicated".
type notDurable struct{ notice *pgconn.Notice }

func (e *notDurable) Error() string {
	return fmt.Sprintf("the server does not vouch for what was written: %s (%s)", e.notice.Message, e.notice.Code)
}

package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// ErrReadOnly is what every method that writes returns of a Reader.
var ErrReadOnly = errors.New("the ledger was opened for reading; start Caddy to act")

// Reader is a [ledger.Ledger] in an SQLite file that is only read, whether a Caddy has it open or none does: see [file.Reading].
type Reader struct {
	*core.Ledger
	ledger.Notifier // nothing of another process is signalled
	file            *file.Reading
}

// OpenReading opens the ledger in a file for reading. It makes no file, and no older ledger is brought up to date. The context bounds the opening only.
func OpenReading(ctx context.Context, path string) (r *Reader, err error) {
	r = &Reader{}
	r.Ledger = core.New(onlyRead{r}, time.Now())
	r.file, err = file.OpenReading(ctx, path, file.Engine{Schema: whole, Reads: reads})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Path is the file's, from the root.
func (r *Reader) Path() string { return r.file.Path() }

const sqlScopes = `SELECT app, mode FROM scopes ORDER BY app, mode`

// Scopes returns the apps and modes that something was recorded of.
func (r *Reader) Scopes(ctx context.Context) (scopes []ledger.Scope, err error) {
	err = r.file.Read(ctx, func(c *file.Conn) error {
		return query(c, sqlScopes, func(row *row) { scopes = append(scopes, ledger.Scope{App: row.text(), Mode: ledger.Mode(row.text())}) })
	})
	return scopes, err
}

// Verify implements [ledger.Ledger], for a ledger that no program has open: see [Inspect].
func (r *Reader) Verify(ctx context.Context) (faults []string, err error) {
	return Inspect(ctx, r.file.Path())
}

// Close implements [ledger.Ledger].
func (r *Reader) Close() error { return r.file.Close() }

// onlyRead is what a Reader brings to core.
type onlyRead struct{ from *Reader }

func (o onlyRead) Read(ctx context.Context, f func(core.Reader) error) error {
	return o.from.file.Read(ctx, func(c *file.Conn) error {
		return f(&reader{session: session{conn: c, scopes: &scopes{}}, file: o.from.Path()})
	})
}

func (onlyRead) Write(context.Context, func(core.Tx) error) error    { return ErrReadOnly }
func (onlyRead) WriteLax(context.Context, func(core.Tx) error) error { return ErrReadOnly }

var _ ledger.Ledger = (*Reader)(nil)

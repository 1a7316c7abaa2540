package file

import (
	"context"
	"errors"
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"
)

// Schema is what makes a file a ledger.
type Schema struct {
	Application int            // the mark in the file's header, so that no other program's file is taken for a ledger
	Version     int            // that this program knows, from 1 on
	Script      string         // makes it, in an empty file
	Upgrades    map[int]string // by version: bring a ledger of that one to the next, in the transaction that also sets the version
}

// setUp makes sure that the file is a ledger of the version that this program knows: it brings an older one up to it, and makes an
// empty file one. What an older one was before is returned beside it.
func setUp(ctx context.Context, file string, schema *Schema) (a *anchor, before *snapshot, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(explain(file, err), a.weigh())
			a = nil
		}
	}()
	if hasLog(file) { // it stays as it is until it is known to be whole
		if a, err = dropAnchor(ctx, file); err != nil {
			return a, nil, err
		}
	}
	c, err := connectWrites(ctx, file)
	if err != nil {
		return a, nil, err
	}
	defer c.close()
	defer c.until(ctx)()
	version, err := schema.identify(c)
	if err != nil {
		return a, nil, err
	}
	// What is done here is forced to the disk before anything is written behind it.
	if err := c.Run("PRAGMA synchronous = FULL", nil); err != nil {
		return a, nil, err
	}
	var mode string
	if err := c.Run("PRAGMA journal_mode = WAL", func(s *sqlite.Stmt) (more bool, err error) { mode = s.ColumnText(0); return true, nil }); err != nil {
		return a, nil, err
	}
	if mode != "wal" {
		return a, nil, errors.New("its file system cannot share memory between processes (SQLite's WAL mode); put the ledger on a local disk")
	}
	if a == nil {
		if a, err = dropAnchor(ctx, file); err != nil {
			return a, nil, err
		}
	}
	if version < schema.Version {
		before, err = schema.upgrade(ctx, c, file)
	}
	return a, before, err
}

// hasLog says whether the -wal file holds something that counts. Beside a journal nothing does: that is there while SQLite makes the file a ledger, and
// after a power failure it is what undoes that, for which it takes a connection that writes.
func hasLog(file string) bool {
	info, err := os.Stat(file + "-wal")
	return err == nil && info.Size() > 0 && !exists(file+"-journal")
}

// identify returns the version of the ledger's schema, 0 for an empty file, and an error for anything else.
func (s *Schema) identify(c *Conn) (version int, err error) {
	var application, tables int
	// One statement: another process may be making it a ledger at this moment.
	err = c.Run(`SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version`,
		func(row *sqlite.Stmt) (more bool, err error) {
			application, version, tables = row.ColumnInt(0), row.ColumnInt(1), row.ColumnInt(2)
			return true, nil
		})
	if err != nil {
		return 0, err
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != s.Application:
		return 0, errors.New("an SQLite file of another program; name another file in ledger sqlite <file>")
	case version > s.Version:
		return 0, fmt.Errorf("written by a newer caddypay (schema %d, this one knows %d); run that version or a later one", version, s.Version)
	case version < 1:
		return 0, errors.New("has no schema version; restore it from a backup")
	}
	return version, nil
}

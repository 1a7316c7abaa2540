package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// applicationID marks a caddypay ledger in the file's header: "cpay".
const applicationID = 0x63706179

// setUp makes sure that the file is a ledger of the version that this program knows: it brings an older one up to it, and makes an
// empty file one.
func setUp(ctx context.Context, file string) (a *anchor, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(explain(file, err), a.weigh())
			a = nil
		}
	}()
	if hasLog(file) { // it stays as it is until it is known to be whole
		if a, err = dropAnchor(ctx, file); err != nil {
			return a, err
		}
	}
	c, err := connectWrites(ctx, file)
	if err != nil {
		return a, err
	}
	defer c.close()
	defer c.until(ctx)()
	version, err := identify(c)
	if err != nil {
		return a, err
	}
	// What is done here is forced to the disk before anything is written behind it.
	if err := c.run("PRAGMA synchronous = FULL", nil); err != nil {
		return a, err
	}
	var mode string
	if err := c.run("PRAGMA journal_mode = WAL", func(r *row) { mode = r.text() }); err != nil {
		return a, err
	}
	if mode != "wal" {
		return a, errors.New("its file system cannot share memory between processes (SQLite's WAL mode); put the ledger on a local disk")
	}
	if a == nil {
		if a, err = dropAnchor(ctx, file); err != nil {
			return a, err
		}
	}
	if version < schemaVersion {
		err = upgrade(c)
	}
	return a, err
}

// hasLog says whether the -wal file holds something that counts. Beside a journal nothing does: that is there while SQLite makes the file a ledger, and
// after a power failure it is what undoes that, for which it takes a connection that writes.
func hasLog(file string) bool {
	info, err := os.Stat(file + "-wal")
	return err == nil && info.Size() > 0 && !exists(file+"-journal")
}

// upgrade makes a file a ledger of this version.
func upgrade(c *conn) error {
	if err := c.run(sqlBegin, nil); err != nil {
		return err
	}
	defer c.rollback()
	// Once more, inside the lock: another process may have been faster.
	version, err := identify(c)
	if err != nil || version == schemaVersion {
		return err
	}
	steps := []string{schema}
	if version > 0 {
		steps = nil
		for ; version < schemaVersion; version++ {
			steps = append(steps, upgrades[version])
		}
	}
	steps = append(steps, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion))
	for _, step := range steps {
		if err := c.script(step); err != nil {
			return err
		}
	}
	return c.run(sqlCommit, nil)
}

// identify returns the version of the ledger's schema, 0 for an empty file, and an error for anything else.
func identify(c *conn) (version int, err error) {
	var application, tables int
	// One statement: another process may be making it a ledger at this moment.
	err = c.run(`SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version`,
		func(r *row) { application, version, tables = r.count(), r.count(), r.count() })
	if err != nil {
		return 0, err
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, errors.New("an SQLite file of another program; name another file in ledger sqlite <file>")
	case version > schemaVersion:
		return 0, fmt.Errorf("written by a newer caddypay (schema %d, this one knows %d); run that version or a later one", version, schemaVersion)
	case version < 1:
		return 0, errors.New("has no schema version; restore it from a backup")
	}
	return version, nil
}

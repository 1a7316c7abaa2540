package sqlite

import (
	"errors"
	"fmt"

	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// applicationID marks a caddypay ledger in the file's header: "cpay".
const applicationID = 0x63706179

// upgrade makes a file a ledger of this version.
func upgrade(c *file.Conn) error {
	if err := c.Run("BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	defer c.Rollback()
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
		if err := c.Script(step); err != nil {
			return err
		}
	}
	return c.Run("COMMIT", nil)
}

// identify returns the version of the ledger's schema, 0 for an empty file, and an error for anything else.
func identify(c *file.Conn) (version int, err error) {
	var application, tables int
	// One statement: another process may be making it a ledger at this moment.
	err = query(c, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version`,
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

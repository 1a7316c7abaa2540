package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// upgrade makes a file a ledger of this version, in one transaction. What an older one was before is returned, to be kept.
func upgrade(ctx context.Context, c *conn, file string) (before *snapshot, err error) {
	if before, err = takeSnapshot(ctx, file); err != nil {
		return nil, err
	}
	steps, err := bringUp(c)
	if err != nil || steps == 0 {
		return nil, errors.Join(err, before.drop())
	}
	return before, nil
}

// bringUp returns how many versions older than this one the file was; an empty one is none.
func bringUp(c *conn) (steps int, err error) {
	if err := c.run(sqlBegin, nil); err != nil {
		return 0, err
	}
	defer c.rollback()
	// Once more, inside the lock: another process may have been faster.
	version, err := identify(c)
	if err != nil || version == schemaVersion {
		return 0, err
	}
	text := schema
	if version > 0 {
		text = ""
		for v := version; v < schemaVersion; v++ {
			text += upgrades[v]
		}
		steps = schemaVersion - version
	}
	if err := c.script(text + fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion)); err != nil {
		return 0, err
	}
	return steps, c.run(sqlCommit, nil)
}

// keep copies a ledger of an older version, as it was before it was brought up to date, into a file beside it: whoever must go back to an older
// caddypay, which refuses the newer file, has that.
func (l *Ledger) keep(ctx context.Context, before *snapshot) {
	defer before.drop()
	log := l.log.With(zap.String("file", l.file))
	version, err := identify(before.conn)
	kept := fmt.Sprintf("%s.schema%d-%s", l.file, version, l.opened.At.UTC().Format("20060102T150405Z"))
	log.Info("the ledger was brought up to date; what it was before is being copied beside it", zap.Int("schema", version), zap.Int("now", schemaVersion))
	start := time.Now()
	if err == nil {
		err = l.long(ctx, func(ctx context.Context) error { return before.copy(ctx, kept, nil) })
	}
	if err != nil {
		log.Warn("the ledger as it was before it was brought up to date could not be kept; the ledger itself is whole", zap.Error(err))
		return
	}
	log.Info("the ledger as it was before is kept until you delete it: an older caddypay reads that file, not the newer one",
		zap.String("copy", kept), zap.Duration("took", time.Since(start)))
}

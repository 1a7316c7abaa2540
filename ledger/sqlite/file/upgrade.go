package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// upgrade makes a file a ledger of this version, in one transaction. What an older one was before is returned, to be kept.
func (s *Schema) upgrade(ctx context.Context, c *Conn, file string) (before *snapshot, err error) {
	if before, err = takeSnapshot(ctx, file); err != nil {
		return nil, err
	}
	from, err := s.bringUp(c)
	if err != nil || from == 0 {
		return nil, errors.Join(err, before.drop())
	}
	return before, nil
}

// bringUp returns the version of which the file was; 0 for one that was empty, or up to date.
func (s *Schema) bringUp(c *Conn) (from int, err error) {
	if err := c.Run(sqlBegin, nil); err != nil {
		return 0, err
	}
	defer c.Rollback()
	defer func() {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("stopped while it was brought up to schema %d; nothing is lost: it is as it was, and the next start begins again: %w", s.Version, err)
		}
	}()
	// Once more, inside the lock: another process may have been faster.
	version, err := s.identify(c)
	if err != nil || version == s.Version {
		return 0, err
	}
	steps := []string{s.Script}
	if version > 0 {
		steps = nil
		for v := version; v < s.Version; v++ {
			steps = append(steps, s.Upgrades[v])
		}
	}
	steps = append(steps, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", s.Application, s.Version))
	for _, step := range steps {
		if err := c.script(step); err != nil {
			return 0, err
		}
	}
	return version, c.Run(sqlCommit, nil)
}

// keep copies a ledger of an older version, as it was before it was brought up to date, into a file beside it: whoever must go back to an older
// caddypay, which refuses the newer file, has that.
func (f *File) keep(ctx context.Context, before *snapshot) {
	defer before.drop()
	log := f.log.With(zap.String("file", f.path))
	version, err := f.engine.Schema.identify(before.conn)
	kept := fmt.Sprintf("%s.schema%d-%s", f.path, version, f.opened.UTC().Format("20060102T150405Z"))
	log.Info("the ledger was brought up to date; what it was before is being copied beside it", zap.Int("schema", version), zap.Int("now", f.engine.Schema.Version))
	start := time.Now()
	if err == nil {
		err = f.long(ctx, func(ctx context.Context) error { return before.copy(ctx, kept, nil) })
	}
	if err != nil {
		log.Warn("the ledger as it was before it was brought up to date could not be kept; the ledger itself is whole", zap.Error(err))
		return
	}
	log.Info("the ledger as it was before is kept until you delete it: an older caddypay reads that file, not the newer one",
		zap.String("copy", kept), zap.Duration("took", time.Since(start)))
}

package file

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"
	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// open opens the connections.
func (f *File) open(ctx context.Context) error {
	var notWhole error
	connect := func() error { return patiently(ctx, func() (err error) { notWhole, err = f.connect(ctx); return err }) }
	err := connect()
	if errors.Is(err, ledger.ErrDamaged) { // SQLite says so too when the disk could not be read once
		err = connect()
	}
	if err != nil {
		return err
	}
	if notWhole != nil { // a full disk keeps nobody from reading, and nothing from going on once there is room
		f.writer.disk.failed.Store(true)
		f.log.Error("the disk is full or failing: nothing is recorded until the ledger's -wal file can be written once more", zap.String("file", f.path), zap.Error(notWhole))
	}
	return nil
}

// connect opens the connections, and makes the -wal file whole: who used it last may have been killed after the disk had failed. With notWhole
// the ledger can be read; before anything is written to it, it has to be mended.
func (f *File) connect(ctx context.Context) (notWhole, err error) {
	if err := f.presence.begin(); err != nil {
		return nil, fmt.Errorf("ledger %s: %w", f.path, err)
	}
	if f.anchor, err = setUp(ctx, f.path, &f.engine); err != nil {
		return nil, err
	}
	if f.reads, err = openPool(ctx, f.path, f.engine.Reads); err != nil {
		return nil, explain(f.path, errors.Join(err, f.anchor.weigh()))
	}
	if err = checkQuickly(ctx, f.reads, f.engine.Urgent, quickCheck); err == nil {
		err = f.reads.with(ctx, f.engine.Opened)
	}
	if err == nil {
		err = f.writer.connect(ctx)
	}
	if err == nil {
		err = f.writer.makeWhole(ctx)
	}
	if errors.Is(err, errNotWhole) {
		return err, nil
	}
	if err != nil {
		err = explain(f.path, errors.Join(err, f.writer.disconnect(), f.reads.close(), f.anchor.weigh()))
	}
	return nil, err
}

// setUp makes sure that the file is a ledger of the version that this program knows: it has an older one brought up to it, and an
// empty file made one.
func setUp(ctx context.Context, file string, e *Engine) (a *anchor, err error) {
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
	current, err := e.Identify(c)
	if err != nil {
		return a, err
	}
	// What is done here is forced to the disk before anything is written behind it.
	if err := c.Run("PRAGMA synchronous = FULL", nil); err != nil {
		return a, err
	}
	var mode string
	if err := c.Run("PRAGMA journal_mode = WAL", func(s *sqlite.Stmt) (more bool, err error) { mode = s.ColumnText(0); return true, nil }); err != nil {
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
	if !current {
		err = e.Upgrade(c)
	}
	return a, err
}

// hasLog says whether the -wal file holds something that counts. Beside a journal nothing does: that is there while SQLite makes the file a ledger, and
// after a power failure it is what undoes that, for which it takes a connection that writes.
func hasLog(file string) bool {
	info, err := os.Stat(file + "-wal")
	return err == nil && info.Size() > 0 && !exists(file+"-journal")
}

package file

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// openTries is how often the file is opened before what could not be read of it counts: a disk that fails now and then would keep Caddy from starting.
const openTries = 5

// isUnread says whether an error may come from a disk that could not be read once: SQLite calls it damage too.
func isUnread(err error) bool {
	return errors.Is(err, ledger.ErrDamaged) || sqlite.ErrCode(err).ToPrimary() == sqlite.ResultIOErr
}

// open opens the connections.
func (f *File) open(ctx context.Context) error {
	var notWhole error
	connect := func() error { return patiently(ctx, func() (err error) { notWhole, err = f.connect(ctx); return err }) }
	err := connect()
	for again := 1; again < openTries && isUnread(err); again++ {
		err = connect()
	}
	if err != nil {
		return errors.Join(err, f.before.drop())
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
	var before *snapshot
	if f.anchor, before, err = setUp(ctx, f.path, &f.engine.Schema); err != nil {
		return nil, err
	}
	if before != nil { // else it is perhaps this opening that has brought the file up to date, in a try that failed afterwards
		f.before = before
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

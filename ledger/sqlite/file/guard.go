package file

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	lookEvery   = time.Second
	verifyAfter = 5 * time.Minute // after the opening, when the rush of the start is over
	verifyEvery = 7 * 24 * time.Hour
)

// guard looks after the ledger's files while it is open: that they are there, and that they are sound.
type guard struct {
	file *File
	work sync.WaitGroup
	end  context.CancelFunc
}

// start begins; the ledger is checked whole so long after it, and then every week.
func (g *guard) start(verifyAfter time.Duration) {
	ctx, end := context.WithCancel(context.Background())
	g.end = end
	g.work.Go(func() {
		regularly(ctx, lookEvery, lookEvery, func() { _ = g.file.presence.look() }) // it logs, and remembers
	})
	g.work.Go(func() {
		s := &stuck{file: g.file, size: stuckSize, after: stuckAfter}
		regularly(ctx, stuckLook, stuckLook, func() { s.look(time.Now()) })
	})
	if before := g.file.before; before != nil {
		g.work.Go(func() { g.file.keep(ctx, before) })
	}
	g.work.Go(func() {
		regularly(ctx, verifyAfter, verifyEvery, func() { g.verify(ctx) })
	})
}

func (g *guard) stop() {
	g.end()
	g.work.Wait()
}

// verify checks the whole ledger and logs what it finds.
func (g *guard) verify(ctx context.Context) {
	start := time.Now()
	damage, miscounted, err := g.file.verify(ctx)
	log := g.file.log.With(zap.String("file", g.file.path), zap.Duration("took", time.Since(start)))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the ledger could not be checked; caddy pay ledger verify tries again", zap.Error(err))
	case len(damage) > 0:
		log.Error("the ledger is damaged; stop Caddy, move it away with its -wal file and put a backup in its place (caddy pay ledger restore), or repair it with sqlite3 <file> .recover",
			zap.Strings("faults", damage[:min(len(damage), 10)]))
	case len(miscounted) > 0:
		log.Error("something is counted wrong in the ledger: its figures are wrong, its events and charges are not; please report it", zap.Strings("faults", miscounted))
	default:
		log.Info("the ledger is sound")
	}
}

// regularly calls f after a while, and then at a time, until ctx ends.
func regularly(ctx context.Context, after, every time.Duration, f func()) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		f()
		timer.Reset(every)
	}
}

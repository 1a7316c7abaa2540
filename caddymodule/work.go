package caddymodule

import (
	"cmp"
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
)

const (
	startWait  = 5 * time.Second // for a server, before Caddy starts without it
	startAgain = time.Second
)

// Start opens the ledger and begins to deliver, to look up late charges, and to prune.
//
// A file that cannot be opened keeps Caddy from starting, or a new configuration from being taken over. A database that does not answer does not: it would
// take the whole site with it, and every node at once. What needs the ledger is answered 503 until it answers. What it refuses for good is an error.
func (a *App) Start() error {
	if len(a.sites) == 0 {
		return nil
	}
	wait, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	l, err := a.store.await(wait)
	if err != nil && !a.home.mends(err) {
		err = a.resolver().errorf("ledger", "%w", err)
		apart(&err)
		return err
	}
	var workers []func(context.Context)
	if err == nil {
		if workers, err = a.workers(l); err != nil {
			return err
		}
	} else {
		a.logger.Warn("started without the ledger, whose database does not answer: payments and webhooks are answered 503 until it does",
			zap.String("database", a.home.label), zap.Error(err))
		workers = []func(context.Context){a.late}
	}
	a.warnOfNoEvents()
	a.warnOfNoReports()
	a.introduce()
	if size, wal, err := sizes(a.home.file); err == nil {
		a.grown = grown{time.Now(), size + wal}
	}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(context.Background())
	if a.announce != nil {
		go a.announce.run(ctx)
	}
	for _, r := range a.reconcilers() {
		a.work.Go(func() { r.Run(ctx) })
	}
	a.work.Go(func() { a.tell(ctx) })
	if a.home.file != "" {
		a.work.Go(func() { warnOfTwins(ctx, time.After(check.HandOver+time.Second), a.book(), a.logger) })
	}
	a.begin(ctx, workers)
	// What is under way outlives Stop during a reload, and needs the ledger until it is recorded.
	acquire(a.home, nil) // it has one
	go func() {
		<-ctx.Done()
		a.work.Wait()
		if err := releaseStore(a.home.key); err != nil {
			a.logger.Error("closing the ledger", zap.Error(err))
		}
	}()
	return nil
}

// workers are those that need the ledger to be open before they begin.
func (a *App) workers(l ledger.Ledger) (all []func(context.Context), err error) {
	relays, err := a.newRelays(l)
	if err != nil {
		return nil, err
	}
	reporters, err := a.newReporters(l)
	if err != nil {
		return nil, err
	}
	a.reporters.Store(&reporters)
	for _, r := range relays {
		all = append(all, r.Run)
	}
	for _, r := range reporters {
		all = append(all, r.Run)
	}
	return append(all, func(ctx context.Context) { a.prune(ctx, l) }, func(ctx context.Context) { a.operators.Carry(ctx, a.owner, a.logger) }), nil
}

func (a *App) begin(ctx context.Context, workers []func(context.Context)) {
	for _, run := range workers {
		a.work.Go(func() { run(ctx) })
	}
}

// late begins the work once the database answers.
func (a *App) late(ctx context.Context) {
	l, err := a.store.await(ctx)
	for err != nil && ctx.Err() == nil { // what is refused for good now may have been meant for a moment: nobody looks at this process again
		select {
		case <-ctx.Done():
		case <-time.After(startAgain):
		}
		l, err = a.store.await(ctx)
	}
	if err != nil {
		return
	}
	workers, err := a.workers(l)
	if err != nil {
		a.logger.Error("nothing is delivered by this process; reload its configuration", zap.Error(err))
		return
	}
	a.begin(ctx, workers)
}

const (
	pruneEvery = time.Hour
	pruneBatch = 500 // rows in a transaction: webhooks wait for no longer than that takes
)

// prune deletes what is older than the retention, a little at a time.
func (a *App) prune(ctx context.Context, l ledger.Ledger) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		total := 0
		for ctx.Err() == nil {
			n, err := l.Prune(ctx, time.Now().Add(-cmp.Or(time.Duration(a.Retention), defaultRetention)), pruneBatch)
			if err != nil && ctx.Err() == nil {
				a.logger.Warn("old events could not be pruned, trying again later", zap.Error(err))
			}
			total += n
			if err != nil || n < pruneBatch {
				break
			}
		}
		if total > 0 {
			a.logger.Info("pruned", zap.Int("rows", total))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

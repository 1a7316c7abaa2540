package caddymodule

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/postgres"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

const figuresMost = 1000 // events that are looked through for the oldest that waits

// figures are what the ledger counts, and why the oldest event that waits did not reach the backend.
func (a *App) figures(ctx context.Context, scope ledger.Scope) (f check.Figures, err error) {
	l, err := a.store.open(ctx)
	if err != nil {
		return f, err
	}
	known, err := l.Figures(ctx, scope)
	if err != nil {
		return f, err
	}
	f = check.Figures{Pending: known.Events[ledger.Pending], Dead: known.Events[ledger.Dead], Held: known.Events[ledger.Held], OldestPending: known.OldestPending,
		AtRisk: known.AtRisk}
	if p := known.Paused; p != nil {
		f.Paused, f.PausedBy = p.Since, cmp.Or(p.Said, p.By)
	}
	now := time.Now()
	hours, err := l.Hours(ctx, scope, now.Add(-24*time.Hour), now)
	if err != nil {
		return f, err
	}
	for _, h := range hours {
		f.Webhooks, f.Queries = f.Webhooks+h.Webhook, f.Queries+h.Query
	}
	if f.Pending == 0 {
		return f, nil
	}
	pending, err := l.Events(ctx, ledger.Filter{Scope: scope, States: []ledger.State{ledger.Pending}, Limit: figuresMost})
	if err != nil || len(pending) == 0 {
		return f, err
	}
	tries, err := l.Deliveries(ctx, scope, pending[len(pending)-1].ID)
	if err == nil && len(tries) > 0 {
		last := &tries[len(tries)-1]
		f.LastError, f.Refused = last.Error, last.Error != "" && last.Status != 0 && !check.Unreachable(last.Status)
	}
	return f, err
}

// swept is how far the charges of a scope have been compared with Ping++'s list.
func (a *App) swept(ctx context.Context, scope ledger.Scope) (time.Time, error) {
	l, err := a.store.open(ctx)
	if err != nil {
		return time.Time{}, err
	}
	known, err := l.Figures(ctx, scope)
	if err != nil {
		return time.Time{}, err
	}
	return known.Swept, nil
}

// grown is how big the ledger was when this configuration began.
type grown struct {
	at   time.Time
	size int64
}

// bookChecks are those of the ledger that all sites share.
func (a *App) bookChecks() []check.Check {
	if a.home.file == "" {
		return (&check.Database{Place: a.home.label, Write: a.writeNothing, State: a.state}).Checks()
	}
	return a.book().Checks()
}

// state is that of the ledger's database.
func (a *App) state(ctx context.Context) (postgres.State, error) {
	l, err := a.store.open(ctx)
	if err != nil {
		return postgres.State{}, err
	}
	return l.(*postgres.Ledger).State(ctx) // it is in no file
}

// book is what is looked at of a ledger in a file.
func (a *App) book() *check.Book {
	return &check.Book{
		File: a.home.file, Kind: file.FileSystem(a.home.file),
		Write: a.writeNothing,
		Sizes: func() (int64, int64, error) { return sizes(a.home.file) },
		Free:  func() (int64, error) { return check.Free(filepath.Dir(a.home.file)) },
		Grown: func() (int64, time.Duration) {
			size, wal, err := sizes(a.home.file)
			if err != nil || a.grown.at.IsZero() {
				return 0, 0
			}
			return size + wal - a.grown.size, time.Since(a.grown.at)
		},
		Users: func() []check.User { return check.Users(a.home.file) }, Since: check.Began,
	}
}

// writeNothing writes what is worth nothing, and returns when it is on disk.
func (a *App) writeNothing(ctx context.Context) error {
	l, err := a.store.open(ctx)
	if err != nil {
		return err
	}
	key := make([]byte, 32) // no login has it, and it is always the same row
	copy(key, noCode)
	now := time.Now().UnixMilli()
	return l.SaveLogin(ctx, ledger.Login{Key: key, Identity: []byte(noCode), Now: now, Expires: now + 1})
}

// sizes are those of the ledger's file and of its -wal file.
func sizes(file string) (size, wal int64, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, 0, err
	}
	if w, err := os.Stat(file + "-wal"); err == nil {
		wal = w.Size()
	}
	return info.Size(), wal, nil
}

package caddymodule

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

const figuresMost = 1000 // events that are looked at; more are as bad

// figures counts what has not reached the backend, and how payments were learned of.
func (a *App) figures(ctx context.Context, scope ledger.Scope) (f check.Figures, err error) {
	l, err := a.store.open(ctx)
	if err != nil {
		return f, err
	}
	count := func(states ...ledger.State) (int64, error) {
		events, err := l.Events(ctx, ledger.Filter{Scope: scope, States: states, Limit: figuresMost})
		return int64(len(events)), err
	}
	if f.Dead, err = count(ledger.Dead); err != nil {
		return f, err
	}
	if f.Held, err = count(ledger.Held); err != nil {
		return f, err
	}
	pending, err := l.Events(ctx, ledger.Filter{Scope: scope, States: []ledger.State{ledger.Pending}, Limit: figuresMost})
	if err != nil {
		return f, err
	}
	f.Pending = int64(len(pending))
	if len(pending) > 0 {
		oldest := pending[len(pending)-1]
		f.OldestPending = oldest.Received
		tries, err := l.Deliveries(ctx, scope, oldest.ID)
		if err != nil {
			return f, err
		}
		if len(tries) > 0 {
			f.LastError = tries[len(tries)-1].Error
		}
	}
	paid, err := l.Events(ctx, ledger.Filter{Scope: scope, Type: "charge.succeeded", Since: time.Now().Add(-24 * time.Hour), Limit: figuresMost})
	for _, e := range paid {
		if e.Source == ledger.Webhook {
			f.Webhooks++
		} else {
			f.Queries++
		}
	}
	return f, err
}

// grown is how big the ledger was when this configuration began.
type grown struct {
	at   time.Time
	size int64
}

// book is what is looked at of the ledger.
func (a *App) book() *check.Book {
	return &check.Book{
		File: a.path, Kind: sqlite.FileSystem(a.path),
		Write: func(ctx context.Context) error {
			l, err := a.store.open(ctx)
			if err != nil {
				return err
			}
			key := make([]byte, 32) // no login has it, and it is always the same row
			copy(key, noCode)
			now := time.Now().UnixMilli()
			return l.SaveLogin(ctx, ledger.Login{Key: key, Identity: []byte(noCode), Now: now, Expires: now + 1})
		},
		Sizes: func() (int64, int64, error) { return sizes(a.path) },
		Free:  func() (int64, error) { return check.Free(filepath.Dir(a.path)) },
		Grown: func() (int64, time.Duration) {
			size, wal, err := sizes(a.path)
			if err != nil || a.grown.at.IsZero() {
				return 0, 0
			}
			return size + wal - a.grown.size, time.Since(a.grown.at)
		},
		Users: func() []check.User { return check.Users(a.path) },
	}
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

package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddypay/caddypay/ledger/postgres"
	"github.com/caddypay/caddypay/wechat"
)

// shared is what the nodes of a ledger know together: the session key that nobody configured, WeChat's tokens and tickets, what was told to whom, until when
// it was looked for payments without a report. Nodes that share a PostgreSQL have it there: each one's Caddy may keep its storage in a folder of its own,
// which knows nothing of the others. With SQLite it is in Caddy's storage.
func (s *store) shared() wechat.Storage {
	if s.home.file == "" {
		return database{s}
	}
	return s.storage
}

// database is the shared storage of a ledger in PostgreSQL, which is opened when it is first needed.
type database struct{ store *store }

func (d database) shared(ctx context.Context) (*postgres.Shared, error) {
	l, err := d.store.open(ctx)
	if err != nil {
		return nil, err
	}
	p, ok := l.(*postgres.Ledger)
	if !ok {
		return nil, fmt.Errorf("the ledger is a %T, which shares nothing", l)
	}
	return p.Shared(), nil
}

// storageName is what people call a shared storage.
func storageName(s wechat.Storage) string {
	if _, ok := s.(database); ok {
		return "the ledger's database"
	}
	return "Caddy's storage"
}

// Load implements [wechat.Storage].
func (d database) Load(ctx context.Context, key string) ([]byte, error) {
	s, err := d.shared(ctx)
	if err != nil {
		return nil, err
	}
	return s.Load(ctx, key)
}

// Store implements [wechat.Storage].
func (d database) Store(ctx context.Context, key string, value []byte) error {
	s, err := d.shared(ctx)
	if err != nil {
		return err
	}
	return s.Store(ctx, key, value)
}

// Lock implements [wechat.Storage].
func (d database) Lock(ctx context.Context, name string) error {
	s, err := d.shared(ctx)
	if err != nil {
		return err
	}
	return s.Lock(ctx, name)
}

// Unlock implements [wechat.Storage].
func (d database) Unlock(ctx context.Context, name string) error {
	s, err := d.shared(ctx)
	if err != nil {
		return err
	}
	return s.Unlock(ctx, name)
}

// Interface guard
var _ wechat.Storage = database{}

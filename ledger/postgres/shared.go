package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger/core"
)

const (
	sharedLease = 30 * time.Second // of a lock whose holder does not live
	sharedRenew = 10 * time.Second
	sharedPause = 100 * time.Millisecond // between two tries to have a lock
	sharedCall  = 5 * time.Second        // for one statement
)

const (
	sqlLoadShared = `SELECT version, value FROM caddypay.shared WHERE key = $1`
	// A value takes the place of that which was loaded before, not of a later one.
	sqlStoreShared = `INSERT INTO caddypay.shared AS s (key, value, version) SELECT $1::text, $2::bytea, $3::bigint + 1
		WHERE $3::bigint = 0 OR EXISTS (SELECT FROM caddypay.shared WHERE key = $1::text)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = s.version + 1 WHERE s.version = $3::bigint RETURNING version`
	// The server's clock alone says whether a lock is over: those of the nodes differ.
	sqlLockShared = `INSERT INTO caddypay.shared_locks AS l (name, holder, until) VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 millisecond')
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE l.until < clock_timestamp() OR l.holder = excluded.holder`
	sqlRenewShared  = `UPDATE caddypay.shared_locks SET until = clock_timestamp() + $3::bigint * interval '1 millisecond' WHERE name = $1 AND holder = $2`
	sqlUnlockShared = `DELETE FROM caddypay.shared_locks WHERE name = $1 AND holder = $2`
)

// ErrStored says that somebody else has stored a value since it was loaded here.
var ErrStored = errors.New("another node has stored it meanwhile")

// Shared keeps small values that all nodes of a ledger know, like the key of their sessions: see [Ledger.Shared]. What is stored is on disk as durably as
// events are.
//
// A lock is a row with a lease, so that it outlives no holder and needs no session of its own, which PgBouncer would not give it. A holder that stood
// still for longer than that may have lost it without knowing: what it stores then is refused with [ErrStored] if another one has stored something since
// it loaded the value.
type Shared struct {
	ledger *Ledger

	mu    sync.Mutex
	known map[string]int64 // by key: the version that was last loaded or stored here
	held  map[string]*lock // by name
}

// lock is one that is held here.
type lock struct {
	holder string
	end    context.CancelFunc
	ended  chan struct{}
}

// Shared returns what the nodes share beside the ledger. It is the same each time.
func (l *Ledger) Shared() *Shared { return l.shared }

func newShared(l *Ledger) *Shared {
	return &Shared{ledger: l, known: make(map[string]int64), held: make(map[string]*lock)}
}

// Load returns what is stored under a key, or an error that is [fs.ErrNotExist].
func (s *Shared) Load(ctx context.Context, key string) (value []byte, err error) {
	var version int64
	err = s.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, sqlLoadShared, key).Scan(&version, &value)
	})
	missing := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !missing {
		return nil, err
	}
	s.mu.Lock()
	s.known[key] = version
	s.mu.Unlock()
	if missing {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return value, nil
}

// Store keeps a value in place of the one that was loaded or stored here last; ErrStored, and nothing changes, when that is not what is there.
func (s *Shared) Store(ctx context.Context, key string, value []byte) error {
	s.mu.Lock()
	version := s.known[key]
	s.mu.Unlock()
	stored := false
	err := s.ledger.write(ctx, sharedCall, false, func(t core.Tx) error {
		stored = false
		return t.(*tx).run(sqlStoreShared, func(r *row) { stored = r.number() > 0 }, key, value, version)
	})
	if err == nil && !stored {
		err = fmt.Errorf("%s: %w", key, ErrStored)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.known[key] = version + 1
	s.mu.Unlock()
	return nil
}

// Lock waits until nobody else holds the lock of that name, in this process either, or the context ends. It is kept until Unlock.
func (s *Shared) Lock(ctx context.Context, name string) error {
	holder := rand.Text()
	for {
		got := false
		err := s.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
			tag, err := c.Exec(ctx, sqlLockShared, name, holder, sharedLease.Milliseconds())
			got = tag.RowsAffected() == 1
			return err
		})
		if err != nil {
			return err // if it was had all the same, it ends by itself
		}
		if got {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sharedPause):
		}
	}
	renewing, end := context.WithCancel(context.Background())
	l := &lock{holder: holder, end: end, ended: make(chan struct{})}
	s.mu.Lock()
	s.held[name] = l // what may be there is one that was lost
	s.mu.Unlock()
	go func() {
		defer close(l.ended)
		tick := time.NewTicker(sharedRenew)
		defer tick.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-tick.C:
			}
			// One that fails is tried again before the lease is over.
			_ = s.do(renewing, func(ctx context.Context, c *pgx.Conn) error {
				_, err := c.Exec(ctx, sqlRenewShared, name, holder, sharedLease.Milliseconds())
				return err
			})
		}
	}()
	return nil
}

// Unlock gives a lock back that Lock has given.
func (s *Shared) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if l == nil {
		return fmt.Errorf("the lock %s is not held here", name)
	}
	l.end()
	<-l.ended
	return s.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlUnlockShared, name, l.holder)
		return err
	})
}

// do runs statements on a connection of the pool, each by itself.
func (s *Shared) do(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, sharedCall)
	defer cancel()
	conn, err := s.ledger.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return f(ctx, conn.Conn())
}

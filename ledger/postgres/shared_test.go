package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// opened returns a ledger in a database, as one node has it.
func opened(t *testing.T, dsn string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Options{DSN: dsn, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Two nodes share what is stored, and one at a time makes it.
func TestShared(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	a, b := opened(t, dsn).Shared(), opened(t, dsn).Shared()
	if _, err := a.Load(t.Context(), "key"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("what nobody has stored: %v", err)
	}
	var made sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s := []*Shared{a, b}[i%2]
			if err := s.Lock(t.Context(), "maker"); err != nil {
				t.Error(err)
				return
			}
			defer func() {
				if err := s.Unlock(t.Context(), "maker"); err != nil {
					t.Error(err)
				}
			}()
			value, err := s.Load(t.Context(), "key")
			if errors.Is(err, fs.ErrNotExist) {
				value = fmt.Append(nil, "made by ", i, "\x00\xff")
				err = s.Store(t.Context(), "key", value)
			}
			if err != nil {
				t.Error(err)
			}
			made.Store(string(value), true)
		})
	}
	all.Wait()
	n := 0
	made.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d were made", n)
	}
	if err := a.Unlock(t.Context(), "maker"); err == nil {
		t.Error("a lock that is not held is given back")
	}
}

// A holder whose lease is over, as that of a process which was stopped, puts nothing in the place of what another has stored since.
func TestSharedFenced(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	l := opened(t, dsn)
	stopped, other := l.Shared(), opened(t, dsn).Shared()
	ctx := t.Context()
	store := func(s *Shared, value string) error { return s.Store(ctx, "key", []byte(value)) }
	if err := stopped.Lock(ctx, "maker"); err != nil {
		t.Fatal(err)
	}
	if _, err := stopped.Load(ctx, "key"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 2*sharedPause)
	defer cancel()
	if err := other.Lock(short, "maker"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two hold one lock: %v", err)
	}
	if _, err := l.pool.Exec(ctx, `UPDATE caddypay.shared_locks SET until = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if err := other.Lock(ctx, "maker"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Load(ctx, "key"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := store(other, "new"); err != nil {
		t.Fatal(err)
	}
	if err := store(stopped, "old"); !errors.Is(err, ErrStored) {
		t.Errorf("stored over what is newer: %v", err)
	}
	if err := stopped.Unlock(ctx, "maker"); err != nil {
		t.Error(err)
	}
	if _, err := other.Load(ctx, "key"); err != nil {
		t.Fatal(err)
	}
	if err := store(other, "newer"); err != nil {
		t.Error(err)
	}
	if err := store(stopped, "old"); !errors.Is(err, ErrStored) {
		t.Errorf("stored over what is newest: %v", err)
	}
	if value, err := stopped.Load(ctx, "key"); string(value) != "newer" || err != nil {
		t.Errorf("%q, %v", value, err)
	}
	if err := stopped.Lock(short, "maker"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the one who lost the lock has given back another's: %v", err)
	}
	if err := other.Unlock(ctx, "maker"); err != nil {
		t.Error(err)
	}
}

// Where a DSN leads is said, and nothing of what is secret in it; neither is it in an error.
func TestPlace(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://pay:hunter2secret@db.internal/shop?sslmode=disable":                             "PostgreSQL at db.internal:5432, database shop",
		"host=10.0.0.1,10.0.0.2 port=6432 dbname=shop user=pay password=hunter2secret":              "PostgreSQL at 10.0.0.1:6432,10.0.0.2:6432, database shop",
		"postgres:///shop?host=/run/postgresql&user=pay&password=hunter2secret":                     "PostgreSQL at /run/postgresql, database shop",
		"postgres://pay:1/hunter2secret@db.internal/shop":                                           "PostgreSQL at pay:1",
		"postgres://pay:hunter2secret@db.internal/shop?sslrootcert=/no/such/file&sslmode=verify-ca": "",
		"hunter2secret":                        "",
		"postgres://pay:hunter2secret@[::1/x":  "",
		"postgres://pay:hun/ter2secret@db/pay": "",
	} {
		got, err := Place(dsn)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", dsn, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), "ter2") || !strings.Contains(err.Error(), "postgres://user:password@host")) {
			t.Errorf("%v", err)
		}
	}
}

// An operator is told of the server what keeps the ledger from being safe or quick; the tests' own server writes nothing to the disk in time.
func TestState(t *testing.T) {
	s := pgtest.Shared(t)
	dsn := s.DSN(t)
	l, other := opened(t, dsn), opened(t, dsn)
	tx, err := other.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `SELECT pg_current_xact_id()`); err != nil {
		t.Fatal(err)
	}
	st, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Schema != schemaVersion || st.Version == "" || st.Fsync || st.FullPageWrites || st.MaxConnections == 0 || st.Standbys != 0 || st.SynchronousCommit == "" {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(st.Holder, "caddypay") || st.Age < 0 {
		t.Errorf("held by %q", st.Holder)
	}
	if st.Clock > time.Second+st.Doubt || st.Clock < -time.Second-st.Doubt {
		t.Errorf("one machine's clock is %s ahead of itself, give or take %s", st.Clock, st.Doubt)
	}
	if st.Pool.Max != defaultConns || st.Pool.Used != 1 || !strings.HasPrefix(st.Place, "PostgreSQL at ") {
		t.Errorf("%+v at %s", st.Pool, st.Place)
	}
}

// Nodes that are started at once on a database in which there is nothing all find their tables.
func TestOpenedAtOnce(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			l, err := Open(t.Context(), Options{DSN: dsn, MaxConns: 2})
			if err != nil {
				t.Error(err)
				return
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

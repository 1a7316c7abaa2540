package postgres

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Another server is noticed by what it writes: then one node of all compares, again until that has succeeded.
func TestSuccession(t *testing.T) {
	dsn := newDatabase(t)
	nodes := []*Ledger{patient(t, Options{DSN: dsn}), patient(t, Options{DSN: dsn})}
	var compared, at atomic.Int32
	fails := errors.New("Ping++ does not answer")
	var fail atomic.Bool
	look := func() (did int) {
		t.Helper()
		var all sync.WaitGroup
		var n atomic.Int32
		for _, l := range nodes {
			all.Go(func() {
				is, err := l.Succeeded(t.Context(), live, func(context.Context) error {
					if at.Add(1) > 1 {
						t.Error("two nodes compare at the same time")
					}
					time.Sleep(50 * time.Millisecond) // for the other one to come, which the test does without
					at.Add(-1)
					if fail.Load() {
						return fails
					}
					compared.Add(1)
					return nil
				})
				if err != nil && !errors.Is(err, fails) {
					t.Error(err)
				}
				if is {
					n.Add(1)
				}
			})
		}
		all.Wait()
		return int(n.Load())
	}
	for range 2 {
		if n := look(); n != 0 {
			t.Errorf("%d have noticed a server that is the same", n)
		}
	}
	ask(t, dsn, `UPDATE caddypay.shared SET value = 'another', version = version + 1 WHERE key = 'history ' || $1 RETURNING 1`, live.Key())
	fail.Store(true)
	if n := look(); n == 0 || compared.Load() != 0 {
		t.Errorf("%d have noticed another server, and %d have compared", n, compared.Load())
	}
	fail.Store(false)
	eventually(t, "it is compared", func() bool { look(); return compared.Load() > 0 })
	if n := look(); n != 0 || compared.Load() != 1 {
		t.Errorf("%d have noticed a server that is the same, and it was compared %d times", n, compared.Load())
	}
}

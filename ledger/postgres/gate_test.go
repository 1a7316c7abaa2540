package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

func login(key string) ledger.Login {
	return ledger.Login{Key: []byte(key), Identity: []byte("somebody"), Expires: time.Now().Add(time.Hour).UnixMilli()}
}

// busy has several at a time write to ledgers all the time, each with what it would read, until the test ends or the returned function is called. Nobody
// waits long for an answer, whatever it is.
func busy(t *testing.T, ledgers ...*Ledger) (wrote *atomic.Int64, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	wrote = new(atomic.Int64)
	for i, l := range ledgers {
		for j := range 2 * defaultConns {
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					err := l.write(t.Context(), l.patience, false, func(of core.Tx) error {
						return of.(*tx).run(`INSERT INTO caddypay.scopes (app, mode) VALUES ($1, 'test')`, nil, fmt.Sprint(i, j, n))
					})
					if err == nil {
						wrote.Add(1)
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(stop)
	return wrote, stop
}

// A server that is away is not overrun by nodes that ask for it, neither meanwhile nor when it is back; and they all go on by themselves.
func TestReconnect(t *testing.T) {
	t.Parallel()
	const nodes = 3
	proxy := pgtest.NewProxy(t, newDatabase(t))
	var ledgers []*Ledger
	for range nodes {
		ledgers = append(ledgers, open(t, Options{DSN: proxy.DSN()}))
	}
	wrote, stop := busy(t, ledgers...)
	eventually(t, "they write", func() bool { return wrote.Load() > 100 })
	cut := time.Now()
	proxy.Cut()
	before := len(proxy.Dials())
	time.Sleep(2 * time.Second) // how long it is away is what is tested
	meanwhile := len(proxy.Dials()) - before
	away := time.Since(cut)
	// At once each connection of the pool, and the one that listens, then one at a time: at best after 50, 100, 200 and 400 ms, and twice a second.
	if most := nodes * (defaultConns + 1 + 4 + int(2*away/knockMost)); meanwhile > most {
		t.Errorf("%d connections were asked for while it was away for %s, by %d nodes; want at most %d", meanwhile, away, nodes, most)
	}
	heal := len(proxy.Dials())
	proxy.Heal()
	for i, l := range ledgers {
		eventually(t, fmt.Sprintf("node %d goes on", i), func() bool {
			_, err := l.Append(t.Context(), event(fmt.Sprint("evt_", i)))
			return err == nil
		})
	}
	stop()
	if after := len(proxy.Dials()) - heal; after > 3*nodes*(defaultConns+1) {
		t.Errorf("%d connections were asked for when it was back", after)
	}
	t.Logf("%d connections asked for while it was away for %s, %d when it was back", meanwhile, away, len(proxy.Dials())-heal)
}

// While the database takes longer than anybody waits, connections are given up; but they are not made anew as fast as that.
func TestOverload(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, newDatabase(t))
	l := open(t, Options{DSN: proxy.DSN(), Patience: 100 * time.Millisecond})
	const span = 2 * time.Second
	began := time.Now()
	var all sync.WaitGroup
	for range 2 * defaultConns {
		all.Go(func() {
			for time.Since(began) < span { // how many there are in this time is what is tested
				err := l.write(t.Context(), l.patience, false, func(of core.Tx) error { return of.(*tx).run(`SELECT pg_sleep(1)`, nil) })
				if err == nil {
					t.Error("it has waited")
				}
			}
		})
	}
	all.Wait()
	made := len(proxy.Dials())
	if most := 2*(defaultConns+1) + int(time.Since(began)/connectEvery); made > most {
		t.Errorf("%d connections were asked for in %s, want at most %d", made, time.Since(began), most)
	}
	t.Logf("%d connections in %s", made, time.Since(began))
}

// A node that gets no more connections from the server works with those that it has.
func TestTooFewConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_connections": "12", "superuser_reserved_connections": "0"}})
	dsn := server.DSN(t)
	l := open(t, Options{DSN: dsn, Patience: time.Minute})
	var others []*Ledger
	for range 4 { // each has two: one listens
		others = append(others, open(t, Options{DSN: dsn, MaxConns: 1}))
	}
	eventually(t, "all listen", func() bool {
		return ask(t, dsn, `SELECT count(*)::integer FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)[0] == 10
	})
	var all sync.WaitGroup
	for i := range 3 * defaultConns {
		all.Go(func() {
			if err := l.SaveLogin(t.Context(), login(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_ = others
}

// Whoever asks while the server is away is told so at once, and not only when his patience ends; and why.
func TestAwaySoon(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, newDatabase(t))
	l := open(t, Options{DSN: proxy.DSN(), Patience: time.Minute})
	proxy.Cut()
	eventually(t, "it is known to be away", func() bool {
		began := time.Now()
		_, err := l.Append(t.Context(), event("evt_1"))
		if err == nil {
			t.Fatal("recorded without a server")
		}
		return errors.Is(err, errAway) && time.Since(began) < time.Second
	})
	proxy.Heal()
	eventually(t, "it is back", func() bool {
		did, err := l.Append(t.Context(), event("evt_1"))
		return err == nil && did == ledger.Recorded
	})
}

// A read that gets no answer fails as soon as a write does; what reads everything has the time that it is given. Whoever goes away in the middle of a read
// leaves the connection as it was.
func TestReadsEnd(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, newDatabase(t))
	l := open(t, Options{DSN: proxy.DSN(), MaxConns: 1})
	_, err := l.Append(t.Context(), event("evt_1"))
	must(t, err)
	dials := len(proxy.Dials())

	ctx, cancel := context.WithCancel(t.Context())
	proxy.SwallowAnswers()
	time.AfterFunc(50*time.Millisecond, func() { cancel(); proxy.Heal() })
	if _, err := l.Event(ctx, live, "evt_1"); err != nil {
		t.Errorf("a read that somebody has left: %v", err)
	}
	if n := len(proxy.Dials()); n != dials {
		t.Errorf("whoever has left a read has cost %d connections", n-dials)
	}

	proxy.Swallow()
	began := time.Now()
	if _, err := l.Event(t.Context(), live, "evt_1"); err == nil {
		t.Fatal("read over a cut cable")
	}
	if took := time.Since(began); took < defaultPatience/2 || took > 20*defaultPatience {
		t.Errorf("it took %s to give up", took)
	}
	proxy.Heal()
	eventually(t, "what takes long gets its time", func() bool {
		return store{l}.Read(t.Context(), func(of core.Reader) error {
			r := of.(*reader)
			return r.AtOnce(func() error { return r.run(`SELECT pg_sleep(1.5)`, nil) })
		}) == nil
	})
}

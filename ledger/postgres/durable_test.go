package postgres

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

var live = ledger.Scope{App: "app_1", Mode: ledger.Live}

// event returns an event that changes no charge.
func event(id string) *ledger.Event {
	now := time.Now()
	return &ledger.Event{Scope: live, ID: id, Type: "order.succeeded", ObjectID: id, State: ledger.Pending, Source: ledger.Webhook, Received: now, Due: now,
		Body: []byte(`{"id":"` + id + `"}`)}
}

// ask reads numbers from a ledger's database on a connection of its own.
func ask(t *testing.T, dsn, text string, args ...any) (ns []int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), text, args...)
	must(t, err)
	ns, err = pgx.CollectRows(rows, pgx.RowTo[int])
	must(t, err)
	return ns
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still not so: " + what)
		}
	}
}

const sqlWaiters = `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()`

// waiter returns the server process that waits for a replica, once there is one.
func waiter(t *testing.T, dsn string) (pid int) {
	t.Helper()
	eventually(t, "a commit waits for a replica", func() bool {
		for _, pid = range ask(t, dsn, sqlWaiters) {
			return true
		}
		return false
	})
	return pid
}

// What did not reach the replica that it has to reach is no success, however the wait for it ends; nor is that it was heard of before.
func TestNoFalseSuccess(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	dsn := server.DSN(t)
	l := open(t, Options{DSN: dsn, Patience: time.Minute})
	hasty := open(t, Options{DSN: dsn})
	appended := func(l *Ledger, id string) error {
		_, err := l.Append(t.Context(), event(id))
		return err
	}
	must(t, appended(l, "evt_0"))
	must(t, appended(hasty, "evt_00"))

	for _, end := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		t.Run(end, func(t *testing.T) {
			server.Set(t, "synchronous_standby_names", "nobody")
			id, done := "evt_"+end, make(chan error, 1)
			go func() { done <- appended(l, id) }()
			pid := waiter(t, dsn)
			ask(t, dsn, `SELECT 1 WHERE `+end+`($1)`, pid)
			if err := <-done; err == nil {
				t.Fatal("a commit whose wait was ended counts as durable")
			}
			// It is committed here, so that it is found. But nobody vouches for it yet.
			if err := appended(hasty, id); err == nil {
				t.Fatal("what was not replicated is answered as recorded when it comes again")
			}
			server.Set(t, "synchronous_standby_names", "")
			did, err := l.Append(t.Context(), event(id))
			must(t, err)
			if did != ledger.Duplicate {
				t.Errorf("again, with nobody to wait for: %s", did)
			}
		})
	}

	t.Run("deadline", func(t *testing.T) {
		server.Set(t, "synchronous_standby_names", "nobody")
		began := time.Now()
		if err := appended(hasty, "evt_late"); err == nil {
			t.Fatal("a commit that nobody waited for to the end counts as durable")
		}
		if took := time.Since(began); took < defaultPatience || took > 20*defaultPatience {
			t.Errorf("it took %s to give up", took)
		}
		// Nothing has ended the wait: if somebody had, others would find the event now.
		waiter(t, dsn)
		if n := ask(t, dsn, `SELECT count(*) FROM caddypay.events WHERE id = 'evt_late'`); n[0] != 0 {
			t.Error("giving up made the event visible before it is replicated")
		}
		server.Set(t, "synchronous_standby_names", "")
		eventually(t, "the commit has come to its end", func() bool { return len(ask(t, dsn, sqlWaiters)) == 0 })
		must(t, appended(hasty, "evt_later"))
	})
}

// What is accepted is on disk, whatever the database's default is; what may be lost does not wait for that.
func TestSynchronousCommit(t *testing.T) {
	dsn := newDatabase(t)
	for _, c := range []struct{ is, write, lax string }{
		{"off", "on", "off"}, {"on", "on", "off"}, {"remote_apply", "remote_apply", "off"},
	} {
		l := open(t, Options{DSN: dsn + "&options=-c%20synchronous_commit%3D" + c.is, Patience: time.Minute})
		for _, lax := range []bool{false, true} {
			var got string
			err := l.write(t.Context(), time.Minute, lax, func(t core.Tx) error {
				return t.(*tx).run(`SELECT current_setting('synchronous_commit')`, func(r *row) { got = r.text() })
			})
			must(t, err)
			if want := map[bool]string{false: c.write, true: c.lax}[lax]; got != want {
				t.Errorf("the database's is %s: a write (lax: %t) has %s, want %s", c.is, lax, got, want)
			}
		}
	}
}

// A function that fails, or panics, leaves nothing, and the connection is good for the next.
func TestRollback(t *testing.T) {
	l := open(t, Options{DSN: newDatabase(t), MaxConns: 1, Patience: time.Minute})
	failed := errors.New("failed")
	for i, end := range []func() error{func() error { return failed }, func() error { panic("at the disco") }} {
		err := l.write(t.Context(), time.Minute, false, func(t core.Tx) error {
			if err := t.(*tx).run(`INSERT INTO caddypay.scopes (app, mode) VALUES ($1, 'live')`, nil, fmt.Sprint("app_", i)); err != nil {
				return err
			}
			return end()
		})
		if err == nil || i == 0 && !errors.Is(err, failed) {
			t.Errorf("it ends with %v", err)
		}
	}
	if n := ask(t, l.pool.Config().ConnString(), `SELECT count(*) FROM caddypay.scopes`); n[0] != 0 {
		t.Errorf("%d rows stay of what failed", n[0])
	}
}

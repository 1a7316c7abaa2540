package postgres

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger"
)

// While an old transaction keeps the server from cleaning up, claims begin at the first event that waits, and miss none.
func TestFloor(t *testing.T) {
	dsn := newDatabase(t)
	l := open(t, Options{DSN: dsn, NoListen: true, Patience: time.Minute})
	other := open(t, Options{DSN: dsn, NoListen: true, Patience: time.Minute})
	began := time.Now()
	add := func(l *Ledger, id string, ago time.Duration) {
		t.Helper()
		e := event(id)
		e.Due = began.Add(-ago)
		_, err := l.Append(t.Context(), e)
		must(t, err)
	}
	claimed := func(owner string) (ids []string) {
		t.Helper()
		es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: owner, Now: began, Until: began.Add(time.Minute), Limit: 10})
		must(t, err)
		for _, e := range es {
			ids = append(ids, e.ID)
		}
		return ids
	}
	add(l, "evt_1", time.Minute)
	scope := l.scopes.get(live)
	if l.look(t.Context()); l.floors.get(scope) != 0 {
		t.Error("there is a floor although everything could be cleaned up")
	}

	old, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer func() { must(t, old.Close(t.Context())) }()
	_, err = old.Exec(t.Context(), `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM caddypay.queue`)
	must(t, err)
	for _, text := range []string{`INSERT INTO caddypay.queue (event, due, created, received, scope, rank, blocked, risk, lane)
			SELECT 1000000 + i, i, 0, 0, ` + "(SELECT id FROM caddypay.scopes WHERE app = 'app_1')" + `, 0, false, false, '' FROM generate_series(1, 20000) AS i`,
		`DELETE FROM caddypay.queue WHERE event > 1000000`} {
		_, err = l.pool.Exec(t.Context(), text)
		must(t, err)
	}
	eventually(t, "the server has counted its dead rows", func() bool {
		_, err := l.pool.Exec(t.Context(), `SELECT pg_stat_force_next_flush()`)
		must(t, err)
		l.look(t.Context())
		return l.floors.get(scope) > 0
	})
	if floor, want := l.floors.get(scope), millis(began.Add(-time.Minute)); floor != want {
		t.Errorf("the floor is %d, the first event that waits is due at %d", floor, want)
	}
	if ids := claimed("a"); !slices.Equal(ids, []string{"evt_1"}) {
		t.Errorf("claimed %v", ids)
	}
	add(l, "evt_2", time.Hour) // below it
	if ids := claimed("a"); !slices.Equal(ids, []string{"evt_2"}) {
		t.Errorf("claimed %v of what this node made due", ids)
	}
	add(other, "evt_3", 2*time.Hour)
	eventually(t, "what another node made due is claimed", func() bool { return slices.Equal(claimed("a"), []string{"evt_3"}) })
}

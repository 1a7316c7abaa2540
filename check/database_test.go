package check

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger/postgres"
)

// What may be wrong with a database is found by one check each.
func TestDatabase(t *testing.T) {
	sound := postgres.State{Place: "PostgreSQL at db:5432, database pay", Version: "15.18", Schema: 1, SynchronousCommit: "on", StandbyNames: "*", Fsync: true,
		FullPageWrites: true, MaxConnections: 100, Standbys: 1, Synchronous: 1, Clock: time.Millisecond, Live: 100, Pool: postgres.Pool{Max: 8, Open: 3, Used: 1}}
	for name, c := range map[string]struct {
		change func(*postgres.State)
		id     string
		result Result
		says   string
	}{
		"sound":                        {func(*postgres.State) {}, "", OK, ""},
		"no replica":                   {func(s *postgres.State) { s.StandbyNames, s.Standbys, s.Synchronous = "", 0, 0 }, "", OK, ""},
		"fsync off":                    {func(s *postgres.State) { s.Fsync = false }, "database-durability", Fail, "fsync is off"},
		"full_page_writes off":         {func(s *postgres.State) { s.FullPageWrites = false }, "database-durability", Warn, "full_page_writes is off"},
		"synchronous_commit local":     {func(s *postgres.State) { s.SynchronousCommit = "local" }, "database-durability", Warn, "no replica is waited for"},
		"asynchronous replicas":        {func(s *postgres.State) { s.StandbyNames, s.Standbys, s.Synchronous = "", 2, 0 }, "database-durability", Warn, "2 replicas follow, and none"},
		"none of them named":           {func(s *postgres.State) { s.Synchronous = 0 }, "database-durability", Warn, "none of them is synchronous"},
		"not to be seen":               {func(s *postgres.State) { s.Synchronous, s.Hidden = 0, true }, "", OK, ""},
		"the replica is gone":          {func(s *postgres.State) { s.Standbys, s.Synchronous = 0, 0 }, "database-durability", Fail, "every write waits"},
		"the clock is a little off":    {func(s *postgres.State) { s.Clock = -700 * time.Millisecond }, "database-clock", Warn, "-700ms ahead"},
		"the clock is off":             {func(s *postgres.State) { s.Clock = 2 * time.Second }, "database-clock", Fail, "two nodes may deliver"},
		"a slow answer":                {func(s *postgres.State) { s.Clock, s.Doubt = 2*time.Second, 1800*time.Millisecond }, "", OK, ""},
		"an old transaction":           {func(s *postgres.State) { s.Holder, s.Held, s.Age = "process 7 of bi", 6*time.Minute, 9 }, "database-rows", Warn, "process 7 of bi has kept"},
		"a very old transaction":       {func(s *postgres.State) { s.Holder, s.Held = "process 7 of bi", 2*time.Hour }, "database-rows", Fail, "process 7 of bi has kept"},
		"a slot that nobody reads":     {func(s *postgres.State) { s.Holder, s.Age = "replication slot old", 5_000_000 }, "database-rows", Fail, "replication slot old"},
		"rows that are not cleaned up": {func(s *postgres.State) { s.Dead, s.Live = 3_000_000, 1_000_000 }, "database-rows", Warn, "3000000 rows"},
		"more connections are needed":  {func(s *postgres.State) { s.Pool.Used = 7 }, "database", Warn, "7 of this node's 8"},
	} {
		s := sound
		c.change(&s)
		d := &Database{Place: s.Place, Write: func(context.Context) error { return nil }, State: func(context.Context) (postgres.State, error) { return s, nil }}
		checks := d.Checks()
		for _, f := range Run(t.Context(), checks) {
			want := OK
			if f.ID == c.id {
				want = c.result
				if !strings.Contains(f.Text.EN, c.says) || f.Fix.EN == "" || f.Fix.ZH == "" || f.Text.ZH == "" || strings.Contains(f.Text.EN+f.Text.ZH+f.Fix.EN+f.Fix.ZH, "%!") {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if f.Result != want {
				t.Errorf("%s: %s is %s, want %s: %s", name, f.ID, f.Result, want, f.Text.EN)
			}
		}
	}
	asked := 0
	away := &Database{Place: sound.Place, Write: func(context.Context) error { return errors.New("it is away") },
		State: func(context.Context) (postgres.State, error) {
			asked++
			return postgres.State{}, errors.New("it is away")
		}}
	for _, f := range Run(t.Context(), away.Checks()) {
		want := Unknown
		if f.ID == "ledger-write" {
			want = Fail
		}
		if f.Result != want || !strings.Contains(f.Text.EN, "it is away") {
			t.Errorf("%s: %+v", f.ID, f)
		}
	}
	if asked != 1 {
		t.Errorf("the database was asked %d times", asked)
	}
}

package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	floorPause = time.Second
	floorDead  = 10_000          // rows of the queue that wait to be cleaned up, as the server estimates, from which on a floor is worth while
	floorBack  = 5 * time.Second // how far it stays behind the time while nothing waits: nodes' clocks differ, and what is recorded takes a while
)

// floors say when, at the earliest, anything of a scope is due. What was delivered stays in the queue's index until the server can clean it up, which one
// old transaction of anybody may prevent, for as long as it lasts: whoever claims would go through all of it each time. So while there is much of that one
// look a second goes through it, and claims begin where it came to. What this node makes due below a floor lowers it at once. What another one does,
// and has not delivered itself, waits for the next look.
type floors struct {
	mu      sync.Mutex
	at      map[int64]int64 // by the scope; 0: from the beginning
	lowered map[int64]int64 // what was made due since the last look began
}

func (f *floors) get(scope int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at[scope]
}

// lower notes what a transaction that is committed has made due.
func (f *floors) lower(dues map[int64]int64) {
	if len(dues) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lowered == nil {
		f.lowered = make(map[int64]int64)
	}
	for scope, due := range dues {
		if at, some := f.at[scope]; some && due < at {
			f.at[scope] = due
		}
		if low, some := f.lowered[scope]; !some || due < low {
			f.lowered[scope] = due
		}
	}
}

// begin is called before a look, and set with what it found: that knows nothing of what was committed in between.
func (f *floors) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lowered = make(map[int64]int64)
}

func (f *floors) set(at map[int64]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for scope, low := range f.lowered {
		if due, some := at[scope]; some && low < due {
			at[scope] = low
		}
	}
	f.at = at
}

const sqlFloors = `SELECT s.id, coalesce((SELECT due FROM caddypay.queue WHERE scope = s.id AND NOT blocked ORDER BY due LIMIT 1),
		floor(extract(epoch FROM now()) * 1000)::bigint - $1) FROM caddypay.scopes AS s WHERE pg_stat_get_dead_tuples('caddypay.queue'::regclass) > $2`

// look looks where the floors are.
func (l *Ledger) look(ctx context.Context) {
	l.keep(ctx, "looking for what is due first", func(ctx context.Context, c *pgxpool.Conn) error {
		l.floors.begin()
		rows, err := c.Query(ctx, sqlFloors, floorBack.Milliseconds(), floorDead)
		if err != nil {
			return err
		}
		at := make(map[int64]int64)
		var scope, due int64
		if _, err = pgx.ForEachRow(rows, []any{&scope, &due}, func() error {
			at[scope] = due
			return nil
		}); err == nil {
			l.floors.set(at)
		}
		return err
	})
}

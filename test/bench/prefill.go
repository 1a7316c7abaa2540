package main

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite"
)

// withBody is how many of the newest events in a prefilled ledger have a body: those before are as retention leaves them.
const withBody = 500_000

// What of a recorded event is its own. Everything else in the ledger's rows is copied from one event that the product itself has
// taken, so that the rows are what this version of the product writes. %[1]s is the number of the copy; ids grow with it, as
// Ping++'s do with the time; order numbers (%[2]s) are spread evenly over the space from which those of new events come, which then fall
// between them everywhere in the indexes.
var own = map[string]map[string]string{
	"events": {
		"seq": "%[1]s", "id": "'evt_400'||%[3]s", "object_id": "'ch_100'||%[3]s", "charge_id": "'ch_100'||%[3]s",
		"number": "%[2]s", "order_no": "%[2]s", "lane": "%[2]s",
	},
	"bodies":     {"event": "%[1]s"},
	"deliveries": {"event": "%[1]s"},
	"charges":    {"seq": "%[1]s", "id": "'ch_100'||%[3]s", "number": "%[2]s", "order_no": "%[2]s", "payment": "%[1]s"},
}

// prefill makes a ledger that holds one event hold more of its kind.
func prefill(ctx context.Context, file string, events int) error {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: file}).String())
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	exec := func(query string) {
		if err == nil {
			if _, err = conn.ExecContext(ctx, query); err != nil {
				err = fmt.Errorf("%w in %s", err, query)
			}
		}
	}
	exec("PRAGMA journal_mode = OFF")
	exec("PRAGMA synchronous = OFF")
	exec("PRAGMA locking_mode = EXCLUSIVE")
	exec("PRAGMA cache_size = -262144")
	if err != nil {
		return err
	}
	const step = 100_000
	for from := 2; from <= events; from += step {
		to := min(from+step-1, events)
		exec("BEGIN")
		for _, table := range []string{"events", "bodies", "deliveries", "charges"} {
			first := from
			if table == "bodies" {
				first = max(from, events-withBody)
			}
			if first > to || err != nil {
				continue
			}
			var query string
			if query, err = copies(ctx, conn, table, first, to, events); err == nil {
				exec(query)
			}
		}
		exec("COMMIT")
		if err != nil {
			return err
		}
	}
	exec("DELETE FROM counts")
	exec("INSERT INTO counts (scope, state, n) SELECT scope, state, count(*) FROM events GROUP BY scope, state")
	return err
}

// copies is the statement that adds the copies from one number to another of the first row of a table.
func copies(ctx context.Context, conn *sql.Conn, table string, from, to, all int) (string, error) {
	rows, err := conn.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var names, values []string
	spread := fmt.Sprintf("printf('%%016x%%08x', copy * %d, copy)", math.MaxInt64/(all+1)) // all have the same length, and grow
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		names = append(names, name)
		value := "t." + name
		if form, ok := own[table][name]; ok {
			value = strings.NewReplacer("%[1]s", "copy", "%[2]s", spread, "%[3]s", "printf('240101%015d', copy)").Replace(form)
		}
		values = append(values, value)
	}
	key := "seq"
	if _, ok := own[table]["event"]; ok {
		key = "event"
	}
	return fmt.Sprintf(`WITH RECURSIVE numbers(copy) AS (SELECT %d UNION ALL SELECT copy + 1 FROM numbers WHERE copy < %d)
		INSERT INTO %s (%s) SELECT %s FROM numbers, %s AS t WHERE t.%s = 1`,
		from, to, table, strings.Join(names, ", "), strings.Join(values, ", "), table, key), rows.Err()
}

// seed runs a site for as long as it takes to accept one event, and to deliver it if it does that, and then makes many of it.
func (s *stage) seed(c *site, delivers bool, events int) (took time.Duration, err error) {
	return s.seedWith(c, delivers, func() error { return prefill(s.ctx, filepath.Join(c.dir, "ledger.db"), events) })
}

func (s *stage) seedWith(c *site, delivers bool, prefill func() error) (took time.Duration, err error) {
	if err := s.start(c); err != nil {
		return 0, err
	}
	if err := s.answers(c); err != nil {
		return 0, err
	}
	for end := time.Now().Add(20 * time.Second); delivers && c.backend.received.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return 0, fmt.Errorf("the first event was not delivered\n%s", c.log())
		}
	}
	c.stop()
	start := time.Now()
	err = prefill()
	return time.Since(start), err
}

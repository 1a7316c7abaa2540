package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// ledgerIn is how a site says that its ledger is in a database.
func ledgerIn(dsn string) string { return `postgres "` + dsn + `"` }

// acceptInto measures how many webhooks a second a node takes, beside one whose ledger is a file.
func (b *bench) acceptInto(t *runner, server *pgtest.Server) error {
	var few, many, paused *site
	var big string
	for _, c := range []struct {
		to     **site
		kind   string
		events int
	}{{&few, paying, b.settings.few}, {&many, paying, b.rows}, {&paused, waiting, 1}} {
		dsn := server.DSN(t)
		site, err := b.prepareWith(fmt.Sprintf("pg-%d-%s", c.events, c.kind), c.kind, ledgerIn(dsn))
		if err != nil {
			return err
		}
		if c.events > 1 {
			took, err := b.seedWith(site, true, func() error { return prefillDatabase(b.ctx, dsn, c.events) })
			if err != nil {
				return err
			}
			fmt.Fprintf(b.progress, "%d events in %s … ", c.events, took.Round(100*time.Millisecond))
		}
		if err := b.start(site); err != nil {
			return err
		}
		defer site.stop()
		if err := b.answers(site); err != nil {
			return err
		}
		if *c.to = site; c.to == &many {
			big = dsn
		}
	}
	pool := b.hooks.requests(b.floor.addr, 2000)
	systems := []struct {
		name string
		*site
	}{{"few", few}, {"SQLite", b.few}, {"paused", paused}, {"SQLite, paused", b.paused}, {"many", many}}
	rates, node, backends := make(map[string][]float64), make(map[string][]float64), []float64{}
	var floor []float64
	sizes, err := measure(b.ctx, big)
	if err != nil {
		return err
	}
	payments := 0
	for range b.rounds {
		r, err := closed(b.floor.addr, pool, connections, b.round(), true)
		if err != nil {
			return err
		}
		floor = append(floor, r.rate())
		for _, x := range systems {
			before, spent := x.cpu(), server.CPU(t)
			r, err := b.floodAgain("PostgreSQL "+x.name, x.addr)
			if err != nil {
				return err
			}
			x.backend.drain(20 * time.Second)
			rates[x.name], node[x.name] = append(rates[x.name], r.rate()), append(node[x.name], x.cpuEach(before, r))
			switch x.name {
			case "few":
				backends = append(backends, float64((server.CPU(t)-spent).Microseconds())/float64(max(1, r.ok)))
			case "many":
				payments += r.ok
			}
		}
	}
	grown, err := measure(b.ctx, big)
	if err != nil {
		return err
	}
	compare := func(figure, name, as string, reference []float64, t target) {
		b.report.compare("PostgreSQL: "+figure, rates[name], "/s", as, reference, t, "")
	}
	compare("accept, delivery on", "few", "SQLite", rates["SQLite"], target{})
	compare("accept, delivery on, of the floor", "few", "floor", floor, target{})
	compare("accept, delivery paused", "paused", "SQLite", rates["SQLite, paused"], target{})
	compare("accept, delivery paused, of the floor", "paused", "floor", floor, target{})
	compare(fmt.Sprintf("accept with %d events", b.rows), "many", fmt.Sprintf("with %d", b.settings.few), rates["few"], target{least: 0.9})
	b.report.compare("PostgreSQL: CPU of a node for an event, accept to delivered", node["few"], "µs", "SQLite", node["SQLite"], target{}, "")
	b.report.compare("PostgreSQL: CPU of the server for it", backends, "µs", "the node's", node["few"], target{}, "")
	b.report.plain("PostgreSQL: a payment on the disk", []float64{grown.kept + grown.body}, "bytes", target{}, "")
	b.report.plain("PostgreSQL: what of it is kept for ever", []float64{grown.kept}, "bytes", target{}, "")
	b.report.plain("PostgreSQL: log written for a payment", []float64{(grown.log - sizes.log) / float64(max(1, payments))}, "bytes", target{}, "soon after a checkpoint")
	return nil
}

// answers waits until a site records an event: a database's tables may still be in the making.
func (s *stage) answers(c *site) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := closed(c.addr, s.hooks.requests(c.addr, 1), 1, 10*time.Second, false)
		if err == nil && r.ok == 1 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("a node accepts nothing: %v\n%s", err, c.log())
		}
	}
}

// floodAgain is a round that is begun anew when something of it was refused, as it is by a server that does not answer within a second: there may be more
// on the machine than it bears.
func (b *bench) floodAgain(name, addr string) (r *run, err error) {
	for range 5 {
		if r, err = b.flood(name, addr, b.round()); err == nil {
			return r, nil
		}
		fmt.Fprintf(b.progress, "again, since %v … ", err)
	}
	return nil, err
}

// nodes measures how many webhooks three nodes on one server take together, beside one of them alone.
func (b *bench) nodes(t *runner, server *pgtest.Server) error {
	dsn := server.DSN(t)
	var all []*site
	for n := range 3 {
		c, err := b.prepareWith(fmt.Sprintf("pg-node-%d", n), paying, ledgerIn(dsn))
		if err == nil {
			err = b.start(c)
		}
		if err != nil {
			return err
		}
		defer c.stop()
		if err := b.answers(c); err != nil {
			return err
		}
		all = append(all, c)
	}
	var together, alone []float64
	for range b.rounds {
		r, err := b.floodAgain("PostgreSQL one of three", all[0].addr)
		if err != nil {
			return err
		}
		alone = append(alone, r.rate())
		all[0].backend.drain(20 * time.Second)
		var floods sync.WaitGroup
		var sum float64
		var failed error
		var mu sync.Mutex
		for _, c := range all {
			requests := b.hooks.requests(c.addr, max(connections, int(1.3*max(1000, b.guess["PostgreSQL one of three"])*b.round().Seconds())))
			floods.Go(func() {
				r, err := closed(c.addr, requests, connections/len(all)+1, b.round(), false)
				if err == nil {
					err = b.check("three nodes", r)
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = err
					return
				}
				sum += r.rate()
			})
		}
		floods.Wait()
		if failed != nil {
			return failed
		}
		together = append(together, sum)
		for _, c := range all {
			c.backend.drain(20 * time.Second)
		}
	}
	b.report.compare("PostgreSQL: three nodes", together, "/s", "one", alone, target{}, "")
	return nil
}

// weight is what a payment takes in a database, in bytes, with its share of the indexes.
type weight struct {
	kept float64 // for ever
	body float64 // until retention
	log  float64 // what was written ahead, ever, of the whole server and all payments
}

func measure(ctx context.Context, dsn string) (w weight, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return w, err
	}
	defer func() { _ = conn.Close(ctx) }()
	err = conn.QueryRow(ctx, `SELECT (pg_total_relation_size('caddypay.events') + pg_total_relation_size('caddypay.charges'))::float8 / (SELECT count(*) FROM caddypay.events),
		(SELECT sum(pg_total_relation_size(inhrelid))::float8 FROM pg_inherits WHERE inhparent = 'caddypay.bodies'::regclass) / (SELECT count(*) FROM caddypay.bodies),
		pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8`).Scan(&w.kept, &w.body, &w.log)
	return w, err
}

// ownInDatabase is own, as PostgreSQL writes it.
var ownInDatabase = map[string]map[string]string{
	"events": {
		"seq": "%[1]s", "id": "'evt_400'||%[3]s", "object_id": "'ch_100'||%[3]s", "charge_id": "'ch_100'||%[3]s", "number": "%[2]s", "order_no": "%[2]s", "lane": "%[2]s",
	},
	"bodies":  {"event": "%[1]s"},
	"charges": {"seq": "%[1]s", "id": "'ch_100'||%[3]s", "number": "%[2]s", "order_no": "%[2]s", "payment": "%[1]s"},
}

// prefillDatabase makes a ledger that holds one event hold more of its kind.
func prefillDatabase(ctx context.Context, dsn string, events int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	const step = 100_000
	for from := 2; from <= events; from += step {
		to := min(from+step-1, events)
		for _, table := range []string{"events", "bodies", "charges"} {
			first := from
			if table == "bodies" {
				first = max(from, events-withBody)
			}
			if first > to {
				continue
			}
			text, err := copiesInDatabase(ctx, conn, table, events)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, text, first, to); err != nil {
				return fmt.Errorf("%w in %s", err, text)
			}
		}
	}
	for _, text := range []string{
		`SELECT setval('caddypay.events_seq_seq', (SELECT max(seq) FROM caddypay.events)), setval('caddypay.charges_seq_seq', (SELECT max(seq) FROM caddypay.charges))`,
		`INSERT INTO caddypay.deltas (scope, hour, what, n) SELECT scope, -1, state, count(*) - 1 FROM caddypay.events GROUP BY scope, state`,
		`VACUUM ANALYZE`, `CHECKPOINT`,
	} {
		if _, err := conn.Exec(ctx, text); err != nil {
			return fmt.Errorf("%w in %s", err, text)
		}
	}
	return nil
}

// copiesInDatabase is the statement that adds the copies from one number ($1) to another ($2) of the first row of a table.
func copiesInDatabase(ctx context.Context, conn *pgx.Conn, table string, all int) (string, error) {
	rows, err := conn.Query(ctx, `SELECT column_name FROM information_schema.columns WHERE table_schema = 'caddypay' AND table_name = $1 AND is_generated = 'NEVER'`, table)
	if err != nil {
		return "", err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", err
	}
	spread := fmt.Sprintf("lpad(to_hex(copy * %d), 16, '0') || lpad(to_hex(copy), 8, '0')", int64(1<<63-1)/int64(all+1)) // all have the same length, and grow
	var values []string
	for _, name := range names {
		value := "t." + name
		switch form, ok := ownInDatabase[table][name]; {
		case ok:
			value = strings.NewReplacer("%[1]s", "copy", "%[2]s", spread, "%[3]s", "'240101' || lpad(copy::text, 15, '0')").Replace(form)
		case name == "body_day":
			value = fmt.Sprintf("CASE WHEN copy >= %d THEN t.body_day END", all-withBody)
		}
		values = append(values, value)
	}
	key := "seq"
	if table == "bodies" {
		key = "event"
	}
	return fmt.Sprintf(`INSERT INTO caddypay.%[1]s (%[2]s) OVERRIDING SYSTEM VALUE SELECT %[3]s
		FROM generate_series($1::bigint, $2::bigint) AS copy, (SELECT * FROM caddypay.%[1]s ORDER BY %[4]s LIMIT 1) AS t`,
		table, strings.Join(names, ", "), strings.Join(values, ", "), key), nil
}

package sqlite

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	sqlCount = `INSERT INTO counts (scope, state, n) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n`
	sqlTally = `INSERT INTO tallies (scope, hour, what, n) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n`

	sqlCounts          = `SELECT state, n FROM counts WHERE scope = ?`
	sqlTalliedSince    = `SELECT hour FROM tallies WHERE scope = ? AND what = 'since'`
	sqlSetTalliedSince = `INSERT INTO tallies (scope, hour, what, n) VALUES (?, ?, 'since', 0)`

	sqlHours = `SELECT hour, what, n FROM tallies WHERE scope = ? AND hour >= ? AND hour < ? AND what <> 'since' ORDER BY hour`
)

// These stand among the states in counts.
const (
	eventsAtRisk ledger.State = "at risk"
	fenAtRisk    ledger.State = "fen at risk"
)

// stateOf is a state of a scope's events.
type stateOf struct {
	scope int64
	state ledger.State
}

// tallyOf is something that is counted in an hour of a scope.
type tallyOf struct {
	scope ledger.Scope
	hour  int64
	what  string
}

// count notes that an event went from a state, or from nowhere, to another.
func (t *tx) count(scope int64, from, to ledger.State) {
	if from == to {
		return
	}
	if from != "" {
		t.add(scope, from, -1)
	}
	t.add(scope, to, 1)
}

// weigh notes how much money of an event was at risk, and is.
func (t *tx) weigh(scope, was, is int64) {
	if was == is {
		return
	}
	t.add(scope, fenAtRisk, is-was)
	switch {
	case was == 0:
		t.add(scope, eventsAtRisk, 1)
	case is == 0:
		t.add(scope, eventsAtRisk, -1)
	}
}

func (t *tx) add(scope int64, state ledger.State, n int64) {
	if t.counts == nil {
		t.counts = make(map[stateOf]int64)
	}
	t.counts[stateOf{scope, state}] += n
}

// Tally is core.Tx's.
func (t *tx) Tally(s ledger.Scope, at time.Time, what string, n int64) {
	t.dirty = true
	if t.tally == nil {
		t.tally = make(map[tallyOf]int64)
	}
	t.tally[tallyOf{s, millis(core.HourOf(at)), what}] += n
}

// writeCounts writes what was counted, once for all events of the transaction.
func (t *tx) writeCounts() error {
	for of, n := range t.counts {
		if n == 0 {
			continue
		}
		if err := t.run(sqlCount, nil, of.scope, string(of.state), n); err != nil {
			return err
		}
	}
	for of, n := range t.tally {
		scope, err := t.addScope(of.scope)
		if err == nil {
			err = t.run(sqlTally, nil, scope, of.hour, of.what, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Hours is core.Desk's.
func (r *reader) Hours(s ledger.Scope, from, to time.Time) (hours []ledger.Hour, err error) {
	scope, err := r.scope(s)
	if err != nil {
		return nil, err
	}
	err = r.run(sqlHours, func(row *row) {
		at := row.time()
		if n := len(hours); n == 0 || !hours[n-1].At.Equal(at) {
			hours = append(hours, ledger.Hour{At: at})
		}
		core.Add(&hours[len(hours)-1], row.text(), row.number())
	}, scope, millis(from), millis(to))
	return hours, err
}

// TalliedSince is core.Whole's, SetTalliedSince core.Tx's.
func (r *reader) TalliedSince(s ledger.Scope) (since time.Time, err error) {
	scope, err := r.scope(s)
	if err == nil {
		err = r.run(sqlTalliedSince, func(row *row) { since = row.time() }, scope)
	}
	return since, err
}

func (t *tx) SetTalliedSince(s ledger.Scope, hour time.Time) error {
	scope, err := t.addScope(s)
	if err != nil {
		return err
	}
	return t.set(sqlSetTalliedSince, scope, millis(hour))
}

// sqlDrift compares what is counted with what there is, and says where they differ. Counted are states, money at risk, and what is tallied by the hour.
const sqlDrift = `
	WITH read AS MATERIALIZED ( -- once: there may be millions
		SELECT scope, state, source, received / 3600000 * 3600000 AS hour, count(*) AS n, sum(money > 0) AS payments, sum(max(money, 0)) AS paid,
			sum(max(-money, 0)) AS refunded, sum(` + atRisk + `) AS risks, sum(` + atRisk + ` * money) AS fen
		FROM events GROUP BY 1, 2, 3, 4
	), tallied AS MATERIALIZED ( -- once too: there are many hours
		SELECT scope AS of, hour AS since FROM tallies WHERE what = 'since'
	), counted (scope, hour, what, kept, found) AS (
		SELECT scope, -1, state, n, 0 FROM counts
		UNION ALL SELECT scope, -1, state, 0, n FROM read
		UNION ALL SELECT scope, -1, 'at risk', 0, risks FROM read WHERE state IN ('pending', 'held', 'dead')
		UNION ALL SELECT scope, -1, 'fen at risk', 0, fen FROM read WHERE state IN ('pending', 'held', 'dead')
		UNION ALL SELECT scope, -1, 'frozen', 0, count(*) FROM shipments WHERE ` + isFrozen + ` GROUP BY 1
		UNION ALL SELECT s.scope, -1, 'fen frozen', 0, sum(max(0, c.amount_paid - c.amount_refunded)) FROM shipments AS s JOIN charges AS c ON c.seq = s.charge
			WHERE s.` + isFrozen + ` GROUP BY 1
		UNION ALL SELECT scope, hour, what, n, 0 FROM tallies WHERE what <> 'since'
		UNION ALL SELECT scope, hour, source, 0, payments FROM read
		UNION ALL SELECT scope, hour, 'paid', 0, paid FROM read
		UNION ALL SELECT scope, hour, 'refunded', 0, refunded FROM read
		UNION ALL SELECT scope, created / 3600000 * 3600000, 'charges', 0, count(*) FROM charges WHERE state = 'created' GROUP BY 1, 2
	)
	SELECT 'miscounted: app ' || app || ' (' || mode || '): ' || what || CASE hour WHEN -1 THEN '' ELSE ' in the hour of ' || datetime(hour / 1000, 'unixepoch') END
		|| ' is counted as ' || sum(kept) || ', and is ' || sum(found)
	FROM counted JOIN scopes ON id = scope LEFT JOIN tallied ON of = id
	WHERE hour = -1 OR hour >= coalesce(since, 0)
	GROUP BY id, hour, what HAVING sum(kept) <> sum(found) LIMIT ?`

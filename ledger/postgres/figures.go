package postgres

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	// kept is what is counted, in whichever of its tables.
	kept = `(SELECT scope, hour, what, n FROM caddypay.counts UNION ALL SELECT scope, hour, what, n FROM caddypay.deltas) AS kept`

	sqlCounts = `SELECT what, sum(n)::bigint FROM ` + kept + ` WHERE scope = $1 AND hour = -1 GROUP BY what`
	sqlHours  = `SELECT hour, what, sum(n)::bigint FROM ` + kept + ` WHERE scope = $1 AND hour >= $2 AND hour < $3 AND hour <> -1 AND what <> 'since' GROUP BY hour, what ORDER BY hour`

	sqlTalliedSince    = `SELECT hour FROM caddypay.counts WHERE scope = $1 AND what = 'since'`
	sqlSetTalliedSince = `INSERT INTO caddypay.counts (scope, hour, what, n) VALUES ($1, $2, 'since', 0)`

	sqlOldestPending = `SELECT received FROM caddypay.queue WHERE scope = $1 AND risk = $2 AND event > 0 ORDER BY received LIMIT 1`
	sqlOldestShelf   = `SELECT received FROM caddypay.events WHERE shelf IS NOT NULL AND (scope, shelf, risk, seq) > ($1, $2, true, 0)
		AND (scope, shelf, risk, seq) < ($1, $2, true, 9223372036854775807) ORDER BY scope, shelf, risk, seq LIMIT 1`
	sqlSwept = `SELECT compared FROM caddypay.sweeps WHERE scope = $1`
	sqlBytes = `SELECT pg_database_size(current_database())`
)

var sqlCounted = `SELECT ` + counted(`$2`)

// counted is how many events of the scope $1 are in a state.
func counted(state string) string {
	return `(SELECT coalesce(sum(n), 0)::bigint FROM ` + kept + ` WHERE scope = $1 AND hour = -1 AND what = ` + state + `)`
}

func (r *reader) Figures(s ledger.Scope) (*ledger.Figures, error) {
	f := &ledger.Figures{Events: make(map[ledger.State]int64)}
	var err error
	if f.Bytes, err = r.number(sqlBytes); err != nil {
		return nil, err
	}
	scope, err := r.scope(s)
	if err != nil || scope == 0 {
		return f, err
	}
	err = r.run(sqlCounts, func(row *row) {
		switch what, n := row.text(), row.number(); {
		case what == eventsAtRisk:
			f.AtRiskEvents = n
		case what == fenAtRisk:
			f.AtRisk = n
		case what == frozen:
			f.FrozenShipments = n
		case what == fenFrozen:
			f.Frozen = n
		case n != 0:
			f.Events[ledger.State(what)] = n
		}
	}, scope)
	if err != nil {
		return nil, err
	}
	if err := r.oldest(scope, f); err != nil {
		return nil, err
	}
	if err := r.run(sqlSwept, func(row *row) { f.Swept = row.time() }, scope); err != nil {
		return nil, err
	}
	f.Paused, err = one(&r.session, readPause, sqlPause, s)
	return f, err
}

// oldest fills in what is pending or at risk for longest.
func (r *reader) oldest(scope int64, f *ledger.Figures) error {
	for _, q := range []struct {
		text string
		of   any
		is   []*time.Time
	}{
		{sqlOldestPending, false, []*time.Time{&f.OldestPending}},
		{sqlOldestPending, true, []*time.Time{&f.OldestPending, &f.OldestAtRisk}},
		{sqlOldestShelf, string(ledger.Held), []*time.Time{&f.OldestAtRisk}},
		{sqlOldestShelf, string(ledger.Dead), []*time.Time{&f.OldestAtRisk}},
	} {
		ms, err := r.number(q.text, scope, q.of)
		if err != nil {
			return err
		}
		for _, oldest := range q.is {
			if at := moment(ms); !at.IsZero() && (oldest.IsZero() || at.Before(*oldest)) {
				*oldest = at
			}
		}
	}
	return nil
}

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
	if err == nil {
		t.tell(sqlSetTalliedSince, scope, millis(hour))
	}
	return err
}

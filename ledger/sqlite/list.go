package sqlite

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	// What every list is filtered by, in the terms of the index that it goes along.
	listed = ` AND seq >= ?3 AND seq < ?4 AND received >= ?5 AND (?6 = '' OR type = ?6) AND (?7 = '' OR instr(?7, ' ' || state || ' '))
		ORDER BY seq DESC LIMIT ?8`

	sqlByOrder  = `SELECT ` + eventHead + ` FROM events WHERE scope = ?1 AND order_no = ?2 AND order_no <> '' AND by_charge = 0` + listed
	sqlPayments = `SELECT ` + eventHead + ` FROM events WHERE seq IN (SELECT payment FROM charges WHERE scope = ?1 AND order_no = ?2)` + listed
	sqlByState  = `SELECT ` + eventHead + ` FROM events INDEXED BY events_state WHERE scope = ?1 AND state = ?2 AND state <> 'pending' AND state <> 'delivered'` + listed
	// Events of all states, and those of most: of the states in the filter.
	sqlNewest = `SELECT ` + eventHead + ` FROM events INDEXED BY events_scope WHERE scope = ?1` + listed
	// While few are pending they may be far below the newest.
	sqlPendings = `SELECT ` + eventHead + ` FROM events WHERE seq IN (
			SELECT seq FROM events INDEXED BY events_due WHERE scope = ?1 AND state = 'pending' AND blocked = 0
			UNION ALL SELECT seq FROM events INDEXED BY events_behind WHERE scope = ?1 AND state = 'pending' AND blocked = 1)` + listed
	sqlCounted = `SELECT n FROM counts WHERE scope = ? AND state = ?`
	sqlByType  = `SELECT ` + eventHead + ` FROM events WHERE scope = ?1 AND type = ?2 AND type <> 'charge.succeeded'` + listed

	sqlLast     = `SELECT coalesce(max(seq), 0) FROM events`
	sqlReceived = `SELECT seq, received FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`
)

// manyPending is more than can be looked through to find the newest of them.
const manyPending = 20_000

// Events is core.Reader's.
func (r *reader) Events(f ledger.Filter) (es []ledger.Event, err error) {
	scope, err := r.scope(f.Scope)
	if err != nil || scope == 0 {
		return nil, err
	}
	first, err := r.firstSince(f.Since)
	if err != nil {
		return nil, err
	}
	add := func(text, by string, states ...ledger.State) error {
		return r.run(text, func(row *row) { es = append(es, readEventHead(row, f.Scope)) },
			scope, by, first, f.Before, millis(f.Since), f.Type, stateSet(states), f.Limit)
	}
	switch {
	case f.OrderNo != "":
		if err = add(sqlPayments, f.OrderNo, f.States...); err == nil {
			err = add(sqlByOrder, f.OrderNo, f.States...)
		}
	case f.Type != "" && f.Type != "charge.succeeded":
		err = add(sqlByType, f.Type, f.States...)
	case len(f.States) == 0 || slices.Contains(f.States, ledger.Delivered):
		err = add(sqlNewest, "", f.States...)
	default:
		err = r.atOnce(func() error { // else an event whose state changes meanwhile is in none of them
			for _, state := range slices.Compact(slices.Sorted(slices.Values(f.States))) { // each is in order: no sorting of them all
				text := sqlByState
				if state == ledger.Pending {
					if n, err := r.number(sqlCounted, scope, string(state)); err != nil {
						return err
					} else if text = sqlPendings; n > manyPending {
						text = sqlNewest
					}
				}
				if err := add(text, string(state), state); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(es, func(a, b ledger.Event) int { return cmp.Compare(b.Seq, a.Seq) })
	es = slices.CompactFunc(es, func(a, b ledger.Event) bool { return a.Seq == b.Seq }) // a payment may be found in both ways
	return es[:min(len(es), f.Limit)], nil
}

// stateSet writes states so that one can be found among them.
func stateSet(states []ledger.State) string {
	var b strings.Builder
	for _, s := range states {
		b.WriteString(" " + string(s) + " ")
	}
	return b.String()
}

// disorder is how much later than another an event may have been received and yet been recorded before it: by processes
// whose clocks differ, or by callers who waited.
const disorder = 10 * time.Minute

// firstSince returns a sequence number that no event has gone below that was received since a time. Events are recorded
// very nearly in the order in which they are received, so a binary search finds it without an index.
func (r *reader) firstSince(since time.Time) (int64, error) {
	if since.IsZero() {
		return 0, nil
	}
	cut := millis(since.Add(-disorder))
	var low int64
	high, err := r.number(sqlLast)
	if err != nil {
		return 0, err
	}
	for high++; low < high; {
		middle := low + (high-low)/2
		var seq, received int64
		if err := r.run(sqlReceived, func(row *row) { seq, received = row.number(), row.number() }, middle); err != nil {
			return 0, err
		}
		if seq == 0 || received >= cut { // 0: there is none from there on
			high = middle
		} else {
			low = seq + 1
		}
	}
	return low, nil
}

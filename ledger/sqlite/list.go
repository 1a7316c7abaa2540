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
	sqlByState  = `SELECT ` + eventHead + ` FROM events WHERE scope = ?1 AND state = ?2` + listed
	sqlByType   = `SELECT ` + eventHead + ` FROM events WHERE scope = ?1 AND type = ?2 AND type <> 'charge.succeeded'` + listed

	sqlLast     = `SELECT coalesce(max(seq), 0) FROM events`
	sqlReceived = `SELECT seq, received FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`
)

var allStates = []ledger.State{ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Held, ledger.Discarded, ledger.Filtered}

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
	add := func(text, by string) error {
		return r.run(text, func(row *row) { es = append(es, readEventHead(row, f.Scope)) },
			scope, by, first, f.Before, millis(f.Since), f.Type, stateSet(f.States), f.Limit)
	}
	switch {
	case f.OrderNo != "":
		if err = add(sqlPayments, f.OrderNo); err == nil {
			err = add(sqlByOrder, f.OrderNo)
		}
	case f.Type != "" && f.Type != "charge.succeeded":
		err = add(sqlByType, f.Type)
	default:
		states := f.States
		if len(states) == 0 {
			states = allStates
		}
		err = r.atOnce(func() error { // else an event whose state changes meanwhile is in none of them
			for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) { // each is in order: no sorting of them all
				if err := add(sqlByState, string(state)); err != nil {
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

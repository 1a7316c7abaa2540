package sqlite

import (
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	fromTo = ` AND seq >= ?3 AND seq < ?4 ORDER BY seq DESC LIMIT ?5`

	sqlByOrder  = `SELECT ` + eventHead + ` FROM events INDEXED BY events_order WHERE scope = ?1 AND order_no = ?2 AND order_no <> '' AND by_charge = 0` + fromTo
	sqlPayments = `SELECT ` + eventHead + ` FROM events WHERE seq IN (SELECT payment FROM charges WHERE scope = ?1 AND order_no = ?2)` + fromTo
	sqlByType   = `SELECT ` + eventHead + ` FROM events INDEXED BY events_type WHERE scope = ?1 AND type = ?2 AND type <> 'charge.succeeded'` + fromTo
	sqlByState  = `SELECT ` + eventHead + ` FROM events INDEXED BY events_state WHERE scope = ?1 AND state = ?2 AND state <> 'pending' AND state <> 'delivered'
		AND ` + atRisk + ` = ?6` + fromTo
	// Events of all states: whoever wants those of some takes them from there.
	sqlNewest = `SELECT ` + eventHead + ` FROM events INDEXED BY events_scope WHERE scope = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4`
	// While few are pending they may be far below the newest.
	sqlPendings = `SELECT ` + eventHead + ` FROM events WHERE seq IN (
			SELECT seq FROM events INDEXED BY events_due WHERE scope = ?1 AND state = 'pending' AND blocked = 0
			UNION ALL SELECT seq FROM events INDEXED BY events_behind WHERE scope = ?1 AND state = 'pending' AND blocked = 1)
		AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4`
	sqlCounted = `SELECT n FROM counts WHERE scope = ? AND state = ?`

	sqlLast     = `SELECT coalesce(max(seq), 0) FROM events`
	sqlReceived = `SELECT seq, received FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`
)

// manyPending is more than can be looked through to find the newest of them.
const manyPending = 20_000

// EventParts is core.Desk's.
func (r *reader) EventParts(f ledger.Filter) (parts []core.Part[ledger.Event], err error) {
	scope, err := r.scope(f.Scope)
	if err != nil {
		return nil, err
	}
	if f.AtRisk && len(f.States) == 0 {
		f.States = []ledger.State{ledger.Pending, ledger.Held, ledger.Dead}
	}
	first, err := r.firstSince(f.Since)
	if err != nil {
		return nil, err
	}
	last := int64(-1)
	if !f.Until.IsZero() { // those that were received later are not below it, as far as the disorder goes in the other direction
		if last, err = r.firstSince(f.Until.Add(2 * disorder)); err != nil {
			return nil, err
		}
	}
	add := func(text string, args func(before int64, n int) []any) {
		parts = append(parts, func(after core.Mark, n int) (es []ledger.Event, err error) {
			before := after.Seq
			if last >= 0 {
				before = min(before, last)
			}
			err = r.run(text, func(row *row) { es = append(es, readEventHead(row, f.Scope)) }, args(before, n)...)
			return es, err
		})
	}
	every := func(before int64, n int) []any { return []any{scope, first, before, n} }
	of := func(by string) func(before int64, n int) []any {
		return func(before int64, n int) []any { return []any{scope, by, first, before, n} }
	}
	pending, err := r.number(sqlCounted, scope, string(ledger.Pending))
	if err != nil {
		return nil, err
	}
	many := slices.Contains(f.States, ledger.Pending) && pending > manyPending
	switch {
	case f.OrderNo != "":
		add(sqlPayments, of(f.OrderNo))
		add(sqlByOrder, of(f.OrderNo))
	case f.Type != "" && f.Type != "charge.succeeded":
		add(sqlByType, of(f.Type))
	case len(f.States) == 0 || slices.Contains(f.States, ledger.Delivered) || many:
		add(sqlNewest, every)
	default:
		for _, state := range slices.Compact(slices.Sorted(slices.Values(f.States))) { // each is in order: no sorting of them all
			if state == ledger.Pending {
				add(sqlPendings, every)
				continue
			}
			for _, risk := range []bool{true, false} {
				if risk || !f.AtRisk {
					add(sqlByState, func(before int64, n int) []any { return []any{scope, string(state), first, before, n, risk} })
				}
			}
		}
	}
	return parts, nil
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

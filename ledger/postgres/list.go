package postgres

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

var (
	// What a filter chooses, but for its cursor: whatever is left out here need not be read.
	chosen = ` AND ($6 = '' OR strpos($6, e.state) > 0) AND ($7 = '' OR e.type = $7) AND ($8 = '' OR e.source = $8) AND ($9 = '' OR strpos(e.reasons, $9) > 0)
		AND (NOT $10 OR ` + atRisk + `) AND e.received >= $11 AND e.received <= $12`
	fromTo = ` AND e.seq >= $3 AND e.seq < $4` + chosen + ` ORDER BY e.seq DESC LIMIT $5`

	// Events of all states: whoever wants those of some takes them from there.
	sqlNewest, sqlDown       = along(`$2 = ''`, `e.scope`, `$1`)
	sqlByType, sqlDownType   = along(`e.type <> 'charge.succeeded'`, `e.scope, e.type`, `$1, $2`)
	sqlByShelf, sqlDownShelf = along(`e.shelf IS NOT NULL`, `e.scope, e.shelf, e.risk`, `$1, substr($2, 2), left($2, 1) = '1'`) // $2 begins with whether they are at risk

	// A plan that was made while few are pending is not one for a million: so each row's place in the queue is looked up by itself.
	heads = `SELECT ` + eventHead + ` FROM caddypay.events AS e LEFT JOIN LATERAL (SELECT * FROM caddypay.queue WHERE event = e.seq LIMIT 1) AS q ON true WHERE `
	// While few are pending they may be far below the newest.
	sqlPendings = heads + `e.seq = ANY (ARRAY (SELECT event FROM caddypay.queue WHERE scope = $1 AND event >= $3 AND event < $4)) AND $2 = ''` + fromTo

	ofOrder     = ` AND e.seq >= $3 AND e.seq < $4 ORDER BY e.seq DESC LIMIT $5`
	sqlByOrder  = heads + `e.scope = $1 AND e.order_no = $2 AND e.order_no <> '' AND NOT e.by_charge` + ofOrder
	sqlPayments = heads + `e.seq = ANY (ARRAY (SELECT payment FROM caddypay.charges WHERE scope = $1 AND order_no = $2 AND payment <> 0))` + ofOrder
)

// along is what goes down an index whose columns are compared with values, then seq: the events that are chosen, and the number that one so many rows
// further down has, since nobody counts what a statement looks at and leaves out. They are compared, and ordered by, all together: the primary key has
// the order of seq as well, and would be gone through from one end to the other for what is rare, or long ago.
func along(where, columns, values string) (rows, further string) {
	where += ` AND (` + columns + `, e.seq) >= (` + values + `, $3) AND (` + columns + `, e.seq) < (` + values + `, $4)`
	order := ` ORDER BY ` + strings.ReplaceAll(columns, `,`, ` DESC,`) + ` DESC, e.seq DESC`
	return heads + where + chosen + order + ` LIMIT $5`, `SELECT e.seq FROM caddypay.events AS e WHERE ` + where + order + ` LIMIT 1 OFFSET $5`
}

const (
	sqlLast     = `SELECT coalesce(max(seq), 0) FROM caddypay.events`
	sqlReceived = `SELECT seq, received FROM caddypay.events WHERE seq >= $1 ORDER BY seq LIMIT 1`
)

const (
	fewEvents = 20_000 // events that can be looked through to find the newest of them
	perRow    = 16     // rows that are looked at for each that is asked for
	atATime   = 1024   // of those that have to be looked for anew each time
)

// EventParts is core.Desk's. Where no index has what a filter chooses, a part goes down the events bit by bit, and a page ends after so many.
func (r *reader) EventParts(f ledger.Filter) ([]core.Part[ledger.Event], error) {
	w, err := r.walk(f)
	if err != nil {
		return nil, err
	}
	if f.AtRisk && len(f.States) == 0 {
		f.States = []ledger.State{ledger.Pending, ledger.Held, ledger.Dead}
	}
	inFew, pending := len(f.States) > 0, int64(0) // what the filter chooses is among few that an index has
	for _, state := range f.States {
		n, err := r.number(sqlCounted, w.scope, string(state))
		if err != nil {
			return nil, err
		}
		if state == ledger.Pending {
			pending = n
		}
		inFew = inFew && state != ledger.Delivered && n <= fewEvents
	}
	switch {
	case f.OrderNo != "":
		return []core.Part[ledger.Event]{w.order(sqlPayments, f.OrderNo), w.order(sqlByOrder, f.OrderNo)}, nil
	case f.Type != "" && f.Type != "charge.succeeded" && !inFew:
		w.filter[typed] = ""
		return []core.Part[ledger.Event]{w.down(sqlByType, sqlDownType, f.Type)}, nil
	case len(f.States) == 0 || slices.Contains(f.States, ledger.Delivered) || pending > fewEvents:
		w.choose(f.States)
		return []core.Part[ledger.Event]{w.down(sqlNewest, sqlDown, "")}, nil
	}
	var parts []core.Part[ledger.Event]
	for _, state := range slices.Compact(slices.Sorted(slices.Values(f.States))) { // each is in order: no sorting of them all
		if state == ledger.Pending {
			parts = append(parts, w.pending(int(pending)))
			continue
		}
		w.filter[risky] = false // the index has that
		parts = append(parts, w.down(sqlByShelf, sqlDownShelf, "1"+string(state)))
		if !f.AtRisk {
			parts = append(parts, w.down(sqlByShelf, sqlDownShelf, "0"+string(state)))
		}
	}
	return parts, nil
}

// walk goes down the events of a scope.
type walk struct {
	*reader
	of          ledger.Scope
	scope       int64
	first, last int64 // the sequence numbers between which they are, the last one without
	filter      [7]any
}

// Members of a walk's filter, the values of chosen.
const (
	stated = iota
	typed
	sourced
	reasoned
	risky
	since
	until
)

var unfiltered = [7]any{"", "", "", "", false, int64(0), int64(math.MaxInt64)}

func (r *reader) walk(f ledger.Filter) (w walk, err error) {
	w = walk{reader: r, of: f.Scope, last: math.MaxInt64, filter: unfiltered}
	if w.scope, err = r.scope(f.Scope); err != nil {
		return w, err
	}
	if w.first, err = r.firstSince(f.Since); err != nil {
		return w, err
	}
	w.filter[typed], w.filter[sourced], w.filter[risky], w.filter[since] = f.Type, string(f.Source), f.AtRisk, millis(f.Since)
	if f.Reason != "" {
		w.filter[reasoned] = strings.Trim(encodeReasons([]string{f.Reason}), "[]")
	}
	if !f.Until.IsZero() { // those that were received later are not below it, as far as the disorder goes in the other direction
		w.filter[until] = millis(f.Until)
		w.last, err = r.firstSince(f.Until.Add(2 * disorder))
	}
	return w, err
}

// choose leaves those of other states out.
func (w *walk) choose(states []ledger.State) {
	var all []string
	for _, s := range states {
		all = append(all, string(s))
	}
	w.filter[stated] = strings.Join(all, " ")
}

func (w walk) read(text, by string, low, before int64, n int, filter ...any) (es []ledger.Event, err error) {
	err = w.run(text, func(row *row) { es = append(es, readEventHead(row, w.of)) }, append([]any{w.scope, by, low, before, n}, filter...)...)
	return es, err
}

func eventMark(e *ledger.Event) core.Mark { return core.Mark{Seq: e.Seq} }

// order is the part of those that are found by an order's number.
func (w walk) order(text, orderNo string) core.Part[ledger.Event] {
	return core.Straight(func(after core.Mark, n int) ([]ledger.Event, error) {
		return w.read(text, orderNo, w.first, min(after.Seq, w.last), n)
	}, eventMark)
}

// down is the part of those that an index has in their order.
func (w walk) down(text, down, by string) core.Part[ledger.Event] {
	return func(after core.Mark, n, skip int) (s core.Stretch[ledger.Event], err error) {
		low, before := w.first, min(after.Seq, w.last)
		s.Over = true
		if w.filter != unfiltered {
			s.Skipped = max(min(perRow*n, skip), 1)
			to, err := w.number(down, w.scope, by, low, before, s.Skipped-1)
			if err != nil {
				return s, err
			}
			if to > 0 {
				low, s.Over = to, false
			}
		}
		s.To = core.Mark{Seq: low}
		if s.Rows, err = w.read(text, by, low, before, n, w.filter[:]...); len(s.Rows) == n {
			s.To, s.Over = eventMark(&s.Rows[n-1]), false
		}
		return s, err
	}
}

// pending is the part of those that are pending, which are few.
func (w walk) pending(count int) core.Part[ledger.Event] {
	return func(after core.Mark, n, _ int) (s core.Stretch[ledger.Event], err error) {
		n = max(n, atATime)
		s.Skipped, s.Over = count, true
		if s.Rows, err = w.read(sqlPendings, "", w.first, min(after.Seq, w.last), n, w.filter[:]...); len(s.Rows) == n {
			s.To, s.Over = eventMark(&s.Rows[n-1]), false
		}
		return s, err
	}
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

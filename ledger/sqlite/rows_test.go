package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestQueryPlans: no statement may read a whole table, nor all that is in one state.
func TestQueryPlans(t *testing.T) {
	l := openFile(t, newFile(t))
	allowed := map[string]string{ // steps that would be slow elsewhere
		sqlBooks:          "SCAN one",                                        // a table of one row
		sqlChargesCreated: "USE TEMP B-TREE FOR ORDER BY",                    // of the attempts of a day
		sqlPayable:        "USE TEMP B-TREE FOR ORDER BY",                    // of what one payer may pay
		sqlPendings:       "events USING COVERING INDEX events_",             // what it lists: not many, see fewEvents
		sqlNewest:         "events_scope (scope=? AND rowid>? AND rowid<?)",  // what it lists
		sqlDown:           "events_scope (scope=? AND rowid>? AND rowid<?)",  // ends after so many rows
		sqlFirstDue:       "SEARCH events USING INDEX events_due (scope=?)",  // ends at the first with money at risk, or after a thousand
		sqlForsaken:       "SEARCH charges USING INDEX charges_reserved",     // of the requests of this moment
		sqlWaiting:        "SEARCH events USING INDEX events_back (scope=?)", // what it makes due
		sqlNextDue:        "SEARCH events USING INDEX events_due (scope=?)",  // ends at the first without a lease
		sqlUnshipped:      "SCAN (subquery",                                  // of so many that it counts
		sqlScopes:         "SCAN scopes",                                     // apps, of which there are few
		sqlTalliedSince:   "SEARCH tallies USING PRIMARY KEY (scope=?)",      // once in an export, which reads all of them
	}
	for _, text := range slices.Concat(reads, writes) {
		for _, step := range steps(t, l, text) {
			if only := allowed[text]; only != "" && strings.Contains(step, only) {
				continue
			}
			for _, slow := range []string{"TEMP B-TREE", "(scope=?)", "(scope=? AND id>", "(scope=? AND state=?)", "(scope=? AND rowid"} {
				if strings.Contains(step, slow) && !strings.Contains(step, "SEARCH counts") {
					t.Errorf("%s\n%s", step, text)
				}
			}
			if strings.HasPrefix(step, "SCAN ") && !strings.HasPrefix(step, "SCAN CONSTANT") {
				t.Errorf("%s\n%s", step, text)
			}
		}
	}
}

// steps are what SQLite will do for a statement.
func steps(t *testing.T, l *Ledger, text string) (steps []string) {
	t.Helper()
	must(t, l.read(t.Context(), func(r *reader) error {
		return r.run("EXPLAIN QUERY PLAN "+text, func(r *row) {
			r.next = 3 // after what leads from one to another
			steps = append(steps, r.text())
		}, make([]any, parameters(text))...)
	}))
	if len(steps) == 0 && !strings.HasPrefix(text, "INSERT") {
		t.Errorf("no steps: %s", text)
	}
	return steps
}

func parameters(text string) int {
	n := strings.Count(text, "?")
	for i := n; i > 0; i-- {
		if strings.Contains(text, fmt.Sprint("?", i)) { // numbered
			return i
		}
	}
	return n
}

// TestCounts: the counts that each transaction keeps are what counting gives.
func TestCounts(t *testing.T) {
	l := openFile(t, newFile(t))
	for i := range 20 {
		appendEvents(t, l, fmt.Sprint("evt_", i), fmt.Sprint("evt_", i))
	}
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9), Until: time.UnixMilli(99), Limit: 9})
	must(t, err)
	for i, e := range es {
		state := []ledger.State{ledger.Delivered, ledger.Dead, ledger.Pending}[i%3]
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: e.ID, State: state, Due: time.UnixMilli(5)}))
	}
	for i, action := range []ledger.Action{ledger.ActionReplay, ledger.ActionDiscard, ledger.ActionReplay} {
		must(t, l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: fmt.Sprint("evt_", i), Action: action, Now: time.UnixMilli(1000)}))
	}
	states := 0
	must(t, l.read(t.Context(), func(r *reader) error {
		return r.run(`SELECT state, count(*), (SELECT n FROM counts AS c WHERE c.scope = e.scope AND c.state = e.state)
			FROM events AS e GROUP BY scope, state`, func(r *row) {
			if state, counted, kept := r.text(), r.count(), r.count(); counted != kept {
				t.Errorf("%d %s events, but %d are counted", counted, state, kept)
			}
			states++
		})
	}))
	if states != 4 {
		t.Errorf("%d states, want 4", states)
	}
}

// TestAudit: what a person decided stays on record; what the event's state did not allow is not a decision.
func TestAudit(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	d := ledger.Decision{Scope: scope, EventID: "evt_1", Action: ledger.ActionDiscard, Now: time.UnixMilli(7000), By: "address 127.0.0.1", Said: "ops", Reason: "because"}
	must(t, l.Decide(t.Context(), d))
	if err := l.Decide(t.Context(), d); !errors.Is(err, ledger.ErrState) || !strings.Contains(err.Error(), "evt_1 is discarded") {
		t.Errorf("again: %v", err)
	}
	rows := ask(t, l, `SELECT count(*) FROM audit`, (*row).count)
	got := ask(t, l, `SELECT concat_ws(' ', event, at, action, state, by, said, reason) FROM audit`, (*row).text)
	if rows != 1 || got != "1 7000 discard pending address 127.0.0.1 ops because" {
		t.Errorf("%d rows, %q", rows, got)
	}
}

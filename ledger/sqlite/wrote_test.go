package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestAnswerLeavesNothing: of a job that ends with an answer of the ledger's nothing is left, whatever it had written by then.
func TestAnswerLeavesNothing(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	claim := ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9), Until: time.UnixMilli(99), Limit: 9}
	leases := core.Span{Now: time.UnixMilli(9), Far: time.UnixMilli(999)}
	for name, write := range map[string]func(t *tx) error{
		"a row is changed": func(t *tx) error { return t.set("UPDATE events SET host = 'odd'") },
		"a row is added":   func(t *tx) error { _, err := t.addScope(ledger.Scope{App: "odd", Mode: ledger.Live}); return err },
		"it is claimed": func(t *tx) error {
			if es, err := t.Claim(claim, leases); err != nil || len(es) != 1 {
				return fmt.Errorf("claimed %v: %w", es, err)
			}
			return nil
		},
	} {
		before := ask(t, l, "SELECT (SELECT count(*) FROM scopes) || (SELECT host || coalesce(owner, '-') FROM events)", (*row).text)
		var wrote error
		if err := l.write(t.Context(), func(t *tx) error { wrote = write(t); return ledger.ErrState }); !errors.Is(err, ledger.ErrState) || wrote != nil {
			t.Errorf("%s: %v, %v", name, wrote, err)
		}
		if after := ask(t, l, "SELECT (SELECT count(*) FROM scopes) || (SELECT host || coalesce(owner, '-') FROM events)", (*row).text); after != before {
			t.Errorf("%s: it is %s, was %s", name, after, before)
		}
	}
	es, err := l.Claim(t.Context(), claim)
	if err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	settle := func(owner string) error {
		return l.write(t.Context(), func(t *tx) error {
			did, err := t.Settle(scope, "evt_1", owner, core.Outcome{State: ledger.Delivered, Settled: time.UnixMilli(20)})
			if t.dirty != (did != nil) {
				return errors.New("it does not know whether it has written")
			}
			return errors.Join(err, ledger.ErrState)
		})
	}
	for _, owner := range []string{"b", "a"} {
		if err := settle(owner); !errors.Is(err, ledger.ErrState) || strings.Contains(err.Error(), "it does not know") {
			t.Errorf("settled by %s: %v", owner, err)
		}
		if e, err := l.Event(t.Context(), scope, "evt_1"); err != nil || e.State != ledger.Pending {
			t.Errorf("settled by %s: %+v, %v", owner, e, err)
		}
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("%q, %v", faults, err)
	}
}

// TestUnreadableColumns: a column that holds what nobody can read is an error, not nothing.
func TestUnreadableColumns(t *testing.T) {
	l := openFile(t, newFile(t))
	for name, c := range map[string]struct {
		text string
		read func(*row)
		fine bool
	}{
		"a report":           {`SELECT '{}'`, func(r *row) { r.content() }, true},
		"no report":          {`SELECT NULL`, func(r *row) { r.content() }, true},
		"half a report":      {`SELECT '{"type'`, func(r *row) { r.content() }, false},
		"two halves":         {`SELECT '{"type', '['`, func(r *row) { r.content(); r.reasons() }, false},
		"reasons":            {`SELECT '["type"]'`, func(r *row) { r.reasons() }, true},
		"no reasons":         {`SELECT ''`, func(r *row) { r.reasons() }, true},
		"half of reasons":    {`SELECT '["ty'`, func(r *row) { r.reasons() }, false},
		"a text for a count": {`SELECT 'x', 1.5`, func(r *row) { r.count(); r.text() }, false},
	} {
		err := l.read(t.Context(), func(r *reader) error { return r.run(c.text, c.read) })
		if (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := encodeReasons(nil) + encodeReasons([]string{}); text != "" {
		t.Errorf("no reasons are %q", text)
	}
}

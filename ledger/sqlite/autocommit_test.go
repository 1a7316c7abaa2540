package sqlite

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestHalfWritten: SQLite ends a transaction by itself when the disk fails it. Whoever shared it is recorded whole or not at all, also
// when the job to which it happened wrote nothing, or did not notice.
func TestHalfWritten(t *testing.T) {
	noDisk := errors.New("disk I/O error")
	for name, result := range map[string]error{"who fails has written nothing": noDisk, "an error that was not noticed": nil} {
		t.Run(name, func(t *testing.T) {
			l := openFile(t, newFile(t))
			resume := stall(t, l)
			var wg sync.WaitGroup
			wg.Go(func() {
				err := l.write(t.Context(), func(t *tx) error {
					_ = t.conn.run("ROLLBACK", nil) // what SQLite does after an I/O error
					return result
				})
				if err == nil {
					t.Error("a job whose transaction was gone was told that it is recorded")
				}
			})
			queued(t, l, 1)
			wg.Go(func() { appendEvents(t, l, "evt_1") })
			queued(t, l, 2)
			runs := 0
			wg.Go(func() {
				err := l.write(t.Context(), func(t *tx) error {
					if _, err := core.Append(t, newEvent("evt_half")); err != nil {
						return err
					}
					runs++
					return noDisk // before its payment is booked
				})
				if !errors.Is(err, noDisk) {
					t.Error(err)
				}
			})
			queued(t, l, 3)
			resume()
			wg.Wait()
			if _, err := l.Event(t.Context(), scope, "evt_half"); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("half of an event is recorded after %d runs: %v", runs, err)
			}
			if did, err := l.Append(t.Context(), newEvent("evt_half")); err != nil || did != ledger.Recorded {
				t.Errorf("the same event again: %s, %v", did, err)
			}
			if _, err := l.Event(t.Context(), scope, "evt_1"); err != nil {
				t.Error(err)
			}
			if due, err := l.NextDue(t.Context(), scope); err != nil || due.Pending != 2 {
				t.Errorf("counted: %+v, %v", due, err)
			}
		})
	}
}

// TestNoWriteOutsideTransactions: a statement of the writer's that finds no transaction changes nothing.
func TestNoWriteOutsideTransactions(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	err := l.write(t.Context(), func(t *tx) error {
		_ = t.conn.run("ROLLBACK", nil)
		if _, _, err := t.change(sqlAddScope, "app_2", "test"); err == nil {
			return errors.New("it wrote")
		}
		return nil
	})
	n := ask(t, l, "SELECT count(*) FROM scopes", (*row).count)
	if n != 1 || err == nil || fmt.Sprint(err) == "it wrote" {
		t.Errorf("%d scopes, %v", n, err)
	}
}

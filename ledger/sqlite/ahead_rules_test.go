package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger/core"
)

// TestAheadIsBounded: of what is due far ahead no more is read than is asked for, and only what is wanted.
func TestAheadIsBounded(t *testing.T) {
	l := openFile(t, newFile(t))
	for n := range 5 {
		e := newEvent(fmt.Sprint("evt_", n))
		e.Due, e.Lane = then(int64(n)), e.ID
		_, err := l.Append(t.Context(), e)
		must(t, err)
	}
	for limit, want := range map[int]int{1: 1, 2: 2, 3: 3, 9: 3} {
		asked := 0
		must(t, l.read(t.Context(), func(r *reader) error {
			es, err := r.EventsAhead(scope, time.UnixMilli(1), limit, func(e *core.Event, _ time.Time) bool { asked++; return asked%2 == 1 })
			if len(es) != want || limit < 9 && asked != 2*limit-1 {
				t.Errorf("%d of at most %d, asked %d times", len(es), limit, asked)
			}
			return err
		}))
	}
}

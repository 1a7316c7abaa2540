package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestManyPending: of more pending events than are read at a time each is on one page.
func TestManyPending(t *testing.T) {
	l := openFile(t, newFile(t))
	const many = atATime + 50
	must(t, l.write(t.Context(), func(x *tx) error {
		for n := range many {
			e := newEvent(fmt.Sprint("evt_", n))
			e.Type = "transfer.succeeded"
			if _, err := core.Append(x, e); err != nil {
				return err
			}
		}
		return nil
	}))
	seen, pages := map[string]bool{}, 0
	for f := (ledger.Filter{Scope: scope, States: []ledger.State{ledger.Pending}, Limit: 1000}); pages == 0 || f.Cursor != ""; pages++ {
		p, err := l.ListEvents(t.Context(), f)
		must(t, err)
		for _, e := range p.Rows {
			seen[e.ID] = true
		}
		f.Cursor = p.Next
	}
	if len(seen) != many || pages != 2 {
		t.Errorf("%d events on %d pages", len(seen), pages)
	}
}

// TestOpenedAt: a ledger is as old as the clock says that it was opened by.
func TestOpenedAt(t *testing.T) {
	at := then(7)
	l, err := Open(t.Context(), Options{File: newFile(t), Now: func() time.Time { return at }})
	must(t, err)
	defer l.Close()
	if !l.opened.At.Equal(at) {
		t.Errorf("opened at %s", l.opened.At)
	}
}

package sqlite

import (
	"errors"
	"fmt"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestNotOnDiskYet: what a transaction records is not to be delivered before it is on disk, from its first event on.
func TestNotOnDiskYet(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	err := l.write(t.Context(), func(x *tx) error {
		before := x.unforced()
		for n := range 2 {
			if _, err := core.Append(x, newEvent(fmt.Sprint("evt_x", n))); err != nil {
				return err
			}
			if got := x.unforced(); got != 2 || before <= 2 {
				t.Errorf("from %d on, and from %d before", got, before)
			}
		}
		if x.last != 3 || !x.dirty {
			t.Errorf("the last is %d", x.last)
		}
		return ledger.ErrState // it is not meant
	})
	if !errors.Is(err, ledger.ErrState) {
		t.Error(err)
	}
}

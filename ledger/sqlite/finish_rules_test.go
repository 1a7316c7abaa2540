package sqlite

import (
	"errors"
	"fmt"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// TestRecorded: the file hears which events a transaction recorded, and, once it is on disk, up to which event all are.
func TestRecorded(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1", "evt_2")
	if n := l.file.Forced(); n != 2 {
		t.Errorf("up to %d are on disk", n)
	}
	err := l.write(t.Context(), func(x *tx) error {
		for n := range 3 {
			if _, err := core.Append(x, newEvent(fmt.Sprint("evt_x", n))); err != nil {
				return err
			}
		}
		if got, err := x.Finish(); err != nil || got != (file.Recorded{First: 3, Last: 5}) {
			t.Errorf("%+v, %v", got, err)
		}
		return ledger.ErrState // it is not meant
	})
	if !errors.Is(err, ledger.ErrState) {
		t.Error(err)
	}
}

package file_test

import (
	"context"
	"errors"
	"testing"
)

// A ledger that is too large to be looked at in time opens all the same: the rest is left to the check of the whole. Who gives up waiting has opened
// nothing.
func TestQuickCheckOutOfTime(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	must(t, l.inside.CheckQuickly(t.Context(), 0))
	must(t, l.inside.CheckQuickly(t.Context(), quickCheck))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.inside.CheckQuickly(ctx, quickCheck); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

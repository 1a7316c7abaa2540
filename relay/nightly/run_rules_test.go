package nightly

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/relay/relaytest"
)

// What fails is said, and tried again an hour later, not before; what is told to stop says nothing.
func TestNightsRun(t *testing.T) {
	b := &nightBooks{}
	n, lines := newNights(t, b, &there{})
	b.fails["open"] = errors.New("the disk is full")
	said := func() int {
		return lines.FilterMessage("the comparison with Ping++ failed, trying again in an hour").Len()
	}
	stop := relaytest.Run(t, n.Run)
	relaytest.WaitFor(t, "it is said", func() bool { return said() > 0 })
	time.Sleep(20 * time.Millisecond) // in which one that does not wait would fail again and again
	stop()
	if n := said(); n != 1 {
		t.Errorf("said %d times", n)
	}
	over, end := context.WithCancel(t.Context())
	end()
	n.Run(over)
	if n := said(); n != 1 {
		t.Errorf("said %d times", n)
	}
}

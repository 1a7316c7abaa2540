package file

import (
	"context"
	"time"
)

// openWait is how long whoever opens the ledger waits for others who open, close or write it.
const openWait = 5 * time.Second

// patiently runs a function again while another connection is in its way. SQLite waits by itself for most locks (_busy_timeout), but not where it
// has one already and wants a stronger one: of two that make a new file a ledger, the second is refused at once.
func patiently(ctx context.Context, f func() error) error {
	for start := time.Now(); ; {
		err := f()
		if !isBusy(err) || time.Since(start) > openWait {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

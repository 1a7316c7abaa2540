package file

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
)

// What somebody waits for is forced at once, what nobody waits for when it has been left to the system for a while, and nothing else is.
func TestWhenTheDiskIsAtWork(t *testing.T) {
	for _, c := range []struct {
		name    string
		waiting int
		loose   time.Duration // ago; 0: nothing is
		due     bool
		least   time.Duration // until it looks again by itself
	}{
		{"nothing", 0, 0, false, time.Minute},
		{"what somebody waits for", 2, 0, true, time.Minute},
		{"what nobody waits for", 0, laxDelay, true, time.Minute},
		{"both", 1, time.Nanosecond, true, time.Minute},
		{"what nobody waits for yet", 0, -time.Hour, false, time.Hour},
	} {
		d := newDisk(&File{})
		d.waiting = make([]batch, c.waiting)
		if c.loose != 0 {
			d.loose = time.Now().Add(-c.loose)
		}
		all, due, rest := d.take()
		if len(all) != c.waiting || due != c.due || rest < c.least || rest > 2*time.Hour || d.loose.IsZero() != (c.due || c.loose == 0) {
			t.Errorf("%s: %d batches, due: %t, next in %s, loose since %v", c.name, len(all), due, rest, d.loose)
		}
	}
}

// A checkpoint that could not force something to the disk leaves the ledger's own file torn; any other error of one does not.
func TestWhatTearsAFile(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, errors.New("no disk"): false, sqlite.ResultFull.ToError(): false, sqlite.ResultIOErrWrite.ToError(): false, sqlite.ResultIOErrRead.ToError(): false,
		sqlite.ResultIOErrFsync.ToError(): true, fmt.Errorf("copying: %w", sqlite.ResultIOErrFsync.ToError()): true, sqlite.ResultIOErrDirFsync.ToError(): true,
	} {
		d := newDisk(&File{})
		if noted := d.noteForce(err); noted != want || d.torn.Load() != want || d.failed.Load() != want || (d.broken() != nil) != want {
			t.Errorf("%v: noted %t, torn %t, failed %t", err, noted, d.torn.Load(), d.failed.Load())
		}
	}
}

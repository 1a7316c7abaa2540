package file

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
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

// A checkpoint that fails is tried again, but not when something could not be forced to the disk: the next one would find nothing left to force.
func TestInsist(t *testing.T) {
	odd, torn := errors.New("odd"), sqlite.ResultIOErrFsync.ToError()
	for _, c := range []struct {
		name  string
		fails []error // the first times
		calls int
		want  error
		torn  bool
	}{
		{"it works", nil, 1, nil, false},
		{"it works at last", []error{odd, odd}, 3, nil, false},
		{"it never works", slices.Repeat([]error{odd}, attempts+9), attempts, odd, false},
		{"it cannot be forced", []error{odd, torn}, 2, torn, true},
	} {
		d, calls := newDisk(&File{}), 0
		done, err := insist(func() (done copied, err error) {
			if calls++; calls <= len(c.fails) {
				err = c.fails[calls-1]
			}
			return copied{frames: calls}, err
		}, d.noteForce)
		if done.frames != c.calls || calls != c.calls || !errors.Is(err, c.want) || d.torn.Load() != c.torn {
			t.Errorf("%s: %d calls, %+v, %v, torn: %t", c.name, calls, done, err, d.torn.Load())
		}
	}
}

// What may come from a disk that could not be read once is no reason yet to refuse a ledger; it is in the end.
func TestOpenTries(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, errors.New("odd"): false, sqlite.ResultFull.ToError(): false, fmt.Errorf("ledger: %w", ledger.ErrDamaged): true,
		sqlite.ResultIOErrRead.ToError(): true, sqlite.ResultIOErr.ToError(): true,
	} {
		if isUnread(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
	tries := 0
	f := openBare(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	e := f.engine
	e.Opened = func(*Conn) error { tries++; return ledger.ErrDamaged }
	if _, err := Open(t.Context(), Options{Path: f.path}, e); !errors.Is(err, ledger.ErrDamaged) || tries != openTries {
		t.Errorf("opened %d times: %v", tries, err)
	}
}

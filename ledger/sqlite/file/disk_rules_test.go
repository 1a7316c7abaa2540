package file

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What nobody waits for gets to the disk after a while, each time; it is left to the system until then.
func TestLeftForAWhile(t *testing.T) {
	d, _ := openedDisk(t)
	d.signal = func(...ledger.Topic) {}
	forced := make(chan time.Time, 9)
	d.sync = func(*os.File) error { forced <- time.Now(); return nil }
	go d.run()
	for range 3 {
		left := time.Now()
		d.leave()
		if took := (<-forced).Sub(left); took < laxDelay {
			t.Errorf("it was forced after %s", took)
		}
	}
	close(d.wake)
	<-d.done
	if len(forced) > 0 {
		t.Error("forced once more, with nothing left")
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// Who waits is told what became of the disk's call, and what it is about is signalled and counts as being on disk only if that succeeded.
func TestWhoIsTold(t *testing.T) {
	none := errors.New("no disk")
	for _, fails := range []error{nil, none} {
		d, _ := openedDisk(t)
		var topics []ledger.Topic
		d.signal = func(ts ...ledger.Topic) { topics = append(topics, ts...) }
		d.sync = func(*os.File) error { return fails }
		d.forced.Store(5)
		first, second := &job{done: make(chan error, 1)}, &job{done: make(chan error, 1), result: ledger.ErrNotFound}
		d.add(batch{jobs: []*job{first}, topics: []ledger.Topic{"a"}, last: 4}) // recorded by another process, before what is known
		d.add(batch{jobs: []*job{second}, topics: []ledger.Topic{"b"}, event: 6, last: 7})
		if got := d.unforced(); got != 6 {
			t.Errorf("the first that is not on disk is %d", got)
		}
		go d.run()
		d.settle()
		told, told2 := <-first.done, <-second.done
		if fails == nil {
			if told != nil || !errors.Is(told2, ledger.ErrNotFound) || len(topics) != 2 || d.forced.Load() != 7 {
				t.Errorf("told %v and %v, signalled %q, on disk up to %d", told, told2, topics, d.forced.Load())
			}
		} else if !errors.Is(told, errForce) || !errors.Is(told, none) || !errors.Is(told2, errForce) || len(topics) != 0 || d.forced.Load() != 5 {
			t.Errorf("the disk fails: told %v and %v, signalled %q, on disk up to %d", told, told2, topics, d.forced.Load())
		}
		close(d.wake)
		<-d.done
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func init() {
	children["full"], children["leave"], children["full start"] = childFull, childLeave, childFullStart
}

// TestDiskFull: a limit on the size of files stands for a full disk; it needs a process of its own.
func TestDiskFull(t *testing.T) {
	cmd, lines := startChild(t, "full", newFile(t))
	for lines.Scan() {
		t.Log(lines.Text())
	}
	must(t, cmd.Wait())
}

func childFull() int {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		return complain("open", err)
	}
	many := func(round int) (recorded map[string]bool) {
		recorded = make(map[string]bool)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				e := newEvent(fmt.Sprintf("evt_%d_%d", round, i))
				e.Body = make([]byte, 20_000)
				_, err := l.Append(context.Background(), e)
				mu.Lock()
				defer mu.Unlock()
				recorded[e.ID] = err == nil
				if err != nil && len(recorded) == 1 {
					fmt.Println("while full:", err)
				}
			})
		}
		wg.Wait()
		return recorded
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return complain("limit", err)
	}
	results := []map[string]bool{many(0)}
	for round := 1; round <= 6; round++ { // full, with room, full, …
		soft := limit
		if round%2 == 1 {
			soft.Cur = 3 << 20
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &soft); err != nil {
			return complain("limit", err)
		}
		results = append(results, many(round))
	}
	failed := 0
	for round, recorded := range results {
		for id, ok := range recorded {
			_, err := l.Event(context.Background(), scope, id)
			if ok != (err == nil) || !ok && !errors.Is(err, ledger.ErrNotFound) {
				return complain(id, fmt.Errorf("acknowledged: %t, but: %v", ok, err))
			}
			if !ok && round%2 == 0 {
				return complain(id, errors.New("refused although there was room"))
			}
			if !ok {
				failed++
			}
		}
	}
	if failed == 0 {
		return complain("limit", errors.New("nothing failed: the disk was never full"))
	}
	fmt.Println(failed, "appends refused while full")
	if err := l.Close(); err != nil {
		return complain("close", err)
	}
	return 0
}

// TestStartOnAFullDisk: a process that was killed leaves a -wal file that cannot be written again on a full disk. The ledger opens, reads, takes
// nothing, and goes on by itself once there is room.
func TestStartOnAFullDisk(t *testing.T) {
	file := newFile(t)
	for _, mode := range []string{"leave", "full start"} {
		cmd, lines := startChild(t, mode, file)
		for lines.Scan() {
			t.Log(lines.Text())
		}
		must(t, cmd.Wait())
	}
}

// childLeave ends without closing the ledger.
func childLeave() int {
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		return complain("open", err)
	}
	for i := range 100 {
		e := newEvent(fmt.Sprint("evt_", i))
		e.Body = make([]byte, 20_000)
		if _, err := l.Append(context.Background(), e); err != nil {
			return complain("append", err)
		}
	}
	return 0
}

func childFullStart() int {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return complain("limit", err)
	}
	small := limit
	small.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		return complain("limit", err)
	}
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		return complain("open on a full disk", err)
	}
	for i := range 100 {
		if _, err := l.Event(context.Background(), scope, fmt.Sprint("evt_", i)); err != nil {
			return complain("read on a full disk", err)
		}
	}
	for _, id := range []string{"evt_new", "evt_1"} { // one that was acknowledged is not acknowledged again before it is surely on disk
		if did, err := l.Append(context.Background(), newEvent(id)); err == nil {
			return complain("append on a full disk", fmt.Errorf("%s is %s", id, did))
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return complain("limit", err)
	}
	for id, want := range map[string]ledger.Appended{"evt_new": ledger.Recorded, "evt_1": ledger.Duplicate} {
		if did, err := l.Append(context.Background(), newEvent(id)); err != nil || did != want {
			return complain("append with room", fmt.Errorf("%s is %s: %w", id, did, err))
		}
	}
	if err := l.Close(); err != nil {
		return complain("close", err)
	}
	return 0
}

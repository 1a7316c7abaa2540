package sqlite

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

func init() { children["full"] = childFull }

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

func complain(what string, err error) int {
	fmt.Fprintln(os.Stderr, what+":", err)
	return 1
}

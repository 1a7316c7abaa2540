package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func init() { children["open at once"] = childOpenAtOnce }

// openAtOnce opens a ledger three times at once, appends to each and closes it.
func openAtOnce(file, id string) error {
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() {
			l, err := Open(context.Background(), Options{File: file})
			if err != nil {
				errs[i] = err
				return
			}
			_, err = l.Append(context.Background(), newEvent(fmt.Sprint(id, "_", i)))
			errs[i] = errors.Join(err, l.Close())
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

const openRounds = 25 // of a child: as many new ledgers

func childOpenAtOnce() int {
	for i := range openRounds {
		file := fmt.Sprint(os.Getenv("LEDGER_FILE"), i)
		if err := openAtOnce(file, fmt.Sprint("evt_", os.Getpid())); err != nil {
			return complain(file, err)
		}
		fmt.Println("round", i)
	}
	return 0
}

func complain(what string, err error) int {
	fmt.Fprintln(os.Stderr, what+":", err)
	return 1
}

// TestOpenAtOnceFromProcesses: several processes, each several times, make one file a ledger, write to it and leave it, at the same moment.
func TestOpenAtOnceFromProcesses(t *testing.T) {
	file := newFile(t)
	var wg sync.WaitGroup
	for range 3 {
		cmd, lines := startChild(t, "open at once", file)
		wg.Go(func() {
			for lines.Scan() {
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range openRounds {
		l := openFile(t, fmt.Sprint(file, i))
		if due, err := l.NextDue(t.Context(), scope); err != nil || due.Pending != 9 {
			t.Errorf("ledger %d: %d events are pending, want 9; %v", i, due.Pending, err)
		}
		sound(t, l)
	}
}

// TestOpenWaits: an opening waits until another one is through, but not longer than its context.
func TestOpenWaits(t *testing.T) {
	file := newFile(t)
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, nil, 0o600))
	other, err := connectWrites(t.Context(), file)
	must(t, err)
	defer other.Close()
	must(t, other.Run("BEGIN IMMEDIATE", nil)) // as somebody who makes the file a ledger
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(short, Options{File: file}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opened for a moment: %v", err)
	}
	opened := make(chan error)
	go func() {
		l, err := Open(t.Context(), Options{File: file})
		if err == nil {
			err = l.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Errorf("it has not waited: %v", err)
		return
	case <-time.After(200 * time.Millisecond):
	}
	must(t, other.Rollback())
	must(t, <-opened)
}

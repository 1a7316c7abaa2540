package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"zombiezen.com/go/sqlite"
)

// What is looked after is looked after again and again, until it is no more.
func TestRegularly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		regularly(ctx, 0, time.Nanosecond, func() {
			if calls++; calls == 3 {
				cancel()
			}
		})
	}()
	<-done
	if calls < 3 {
		t.Errorf("%d calls", calls)
	}
}

// Whoever is in the way is waited for as long as the context lasts; whatever else is wrong is told at once.
func TestPatiently(t *testing.T) {
	busy, odd := sqlite.ResultBusy.ToError(), errors.New("odd")
	for _, want := range []error{nil, odd} {
		calls := 0
		err := patiently(t.Context(), func() error {
			if calls++; calls < 3 {
				return busy
			}
			return want
		})
		if !errors.Is(err, want) || calls != 3 {
			t.Errorf("%d calls: %v, want %v", calls, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := patiently(ctx, func() error { cancel(); return busy }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// Who begins to read for long after the writer has asked for a pause is ended as well.
func TestLateForAPause(t *testing.T) {
	var p pauses
	end := p.pause()
	asked := p.asked.Load()
	end()
	if !asked || p.asked.Load() {
		t.Errorf("asked for during a pause: %t, and behind it: %t", asked, p.asked.Load())
	}
	p.asked.Store(true)
	ctx, done := p.takeLong(t.Context())
	if err := context.Cause(ctx); !errors.Is(err, errYield) {
		t.Errorf("ended by %v", err)
	}
	done()
}

// An opening that fails at last says of which file, and leaves nothing open: whoever opens and closes the ledger then is the last, who removes its -wal file.
func TestOpeningThatFails(t *testing.T) {
	file, e := closedBare(t, 1)
	odd := errors.New("odd")
	e.Opened = func(*Conn) error { return odd }
	if _, err := Open(t.Context(), Options{Path: file}, e); !errors.Is(err, odd) || !strings.HasPrefix(err.Error(), "ledger "+file+": ") {
		t.Error(err)
	}
	c, err := connectWrites(t.Context(), file)
	if err == nil {
		err = c.Run("SELECT n FROM a", nil)
	}
	if err = errors.Join(err, c.close()); err != nil || exists(file+"-wal") {
		t.Errorf("the -wal file is there: %t, %v", exists(file+"-wal"), err)
	}
}

// That nobody can see whether a ledger's files are there is an error, and not that they are not.
func TestPresenceThatCannotBeSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	log, err := os.Create(file + "-wal")
	if err == nil {
		err = os.Symlink(file+"-shm", file+"-shm")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &presence{file: file, log: zap.NewNop()}
	if err := p.connected(log); err == nil || errors.Is(err, errGone) {
		t.Error(err)
	}
}

// ownedBy is a file of somebody.
type ownedBy struct {
	fs.FileInfo
	sys any
}

func (o ownedBy) Sys() any { return o.sys }

// A file's user is named as sudo takes it, also one that has no name.
func TestOwner(t *testing.T) {
	for want, sys := range map[string]any{"root": &syscall.Stat_t{}, fmt.Sprint("#", 4_000_000_123): &syscall.Stat_t{Uid: 4_000_000_123}, "": nil} {
		if got := owner(ownedBy{sys: sys}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// An upgrade that takes too long ends with the context of the opening, says that, and leaves the file of the version that it was.
func TestUpgradeEnds(t *testing.T) {
	file, e := closedBare(t, 3)
	newer := e
	newer.Schema.Version, newer.Schema.Upgrades = 2, map[int]string{1: "DELETE FROM a; CREATE TABLE b AS " + endless}
	for ends, want := range map[string]error{"canceled": context.Canceled, "too late": context.DeadlineExceeded} {
		ctx := &endable{Context: t.Context(), done: make(chan struct{}), err: want}
		beside, err := connectWrites(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		var watch sync.WaitGroup
		watch.Go(func() {
			for !isBusy(beside.Run(sqlBegin, nil)) { // until the upgrade writes
				_ = beside.Rollback()
				time.Sleep(time.Millisecond)
			}
			close(ctx.done)
		})
		f, err := Open(ctx, Options{Path: file}, newer)
		watch.Wait()
		if err == nil {
			_ = f.Close()
			t.Fatal("opened")
		}
		if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "ledger "+file+": stopped while it was brought up to schema 2; nothing is lost") {
			t.Errorf("%s: %v", ends, err)
		}
		if err := beside.close(); err != nil {
			t.Error(err)
		}
	}
	r, err := OpenReading(t.Context(), file, e)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := rowsOf(t, r); n != 3 || err != nil {
		t.Errorf("%d rows are left, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// endable is a context that ends when it is told to, in either way.
type endable struct {
	context.Context
	done chan struct{}
	err  error
}

func (e *endable) Done() <-chan struct{} { return e.done }

func (e *endable) Err() error {
	select {
	case <-e.done:
		return e.err
	default:
		return nil
	}
}

// What an older file was is kept once, beside the newer one, and nothing else is left there; of one that is up to date nothing is kept.
func TestWhatIsKept(t *testing.T) {
	file, e := closedBare(t, 3)
	e.Schema.Upgrades = map[int]string{1: "DELETE FROM a"}
	open := func(version int, said string) {
		t.Helper()
		e.Schema.Version = version
		core, logs := observer.New(zap.InfoLevel)
		f, err := Open(t.Context(), Options{Path: file, Logger: zap.New(core), Now: func() time.Time { return time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC) }}, e)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); said != "" && logs.FilterMessageSnippet(said).Len() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not in time: %v", logs.All())
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if said == "" && logs.Len() > 0 {
			t.Errorf("logged %v", logs.All())
		}
	}
	there := func(want ...string) {
		t.Helper()
		if got, err := filepath.Glob(file + "*"); err != nil || !slices.Equal(got, want) {
			t.Errorf("there is %q, want %q; %v", got, want, err)
		}
	}
	open(1, "")
	there(file)
	open(2, "is kept until you delete it")
	kept := file + ".schema1-20261127T080000Z"
	there(file, kept)
	open(2, "")
	there(file, kept)
	e.Schema.Version = 1
	r, err := OpenReading(t.Context(), kept, e)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := rowsOf(t, r); n != 3 || err != nil {
		t.Errorf("%d rows are kept, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A -wal file is warned of when it has grown, is as large as that, and has not begun anew for as long; not before.
func TestWhenALogIsStuck(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	f := openBare(t)
	defer f.Close()
	f.log = zap.New(core)
	c, err := connectWrites(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	grow := func() {
		t.Helper()
		for range 3 {
			if err := c.Run("INSERT INTO a VALUES (randomblob(9000))", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	const after = time.Minute
	s, now := &stuck{file: f, size: 1 << 40, after: after}, time.Now()
	grow()
	s.look(now)
	for _, tt := range []struct {
		name    string
		grows   bool
		smaller int64 // than would be warned of
		since   time.Duration
		want    int // warnings until then
	}{
		{"too small", true, 1, after, 0},
		{"too early", true, 0, after - 1, 0},
		{"as it was", false, 0, after, 0},
		{"large, and for long", true, 0, after, 1},
		{"once more", true, 0, after, 1},
	} {
		if tt.grows {
			grow()
		}
		info, err := os.Stat(f.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		s.size = info.Size() + tt.smaller
		s.look(now.Add(tt.since))
		if n := logs.FilterMessageSnippet("cannot begin anew").Len(); n != tt.want {
			t.Errorf("%s: %d warnings", tt.name, n)
		}
	}
}

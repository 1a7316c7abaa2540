package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is cmd/caddy, which is linked once for all tests.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// binary is cmd/caddy; CRASH_BIN names one that is there already.
func binary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("CRASH_BIN"); bin != "" {
		return bin
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "caddypay-crash-"); built.err == nil {
			built.err = build(context.Background(), filepath.Join(built.dir, "caddy"), false, "")
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "caddy")
}

// perform conducts, and fails the test if a promise was broken.
func perform(t *testing.T, o options) *report {
	t.Helper()
	dir, err := os.MkdirTemp("", "caddypay-crash-")
	if err != nil {
		t.Fatal(err)
	}
	rep, err := conduct(t.Context(), o, dir)
	if err != nil {
		t.Fatalf("seed %d: %v; ledger and log are in %s", o.seed, err, dir)
	}
	var table strings.Builder
	rep.print(&table)
	t.Log("\n" + table.String())
	if len(rep.faults.list()) > 0 {
		t.Fatalf("seed %d; ledger and log are in %s", o.seed, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
	return rep
}

// TestCrash is a short run with every fault; make crash is a long one. It has no payments whose webhook never comes: when a process
// dies while it asks for one, the next one waits a minute with it.
func TestCrash(t *testing.T) {
	bin := binary(t)
	t.Run("faults", func(t *testing.T) {
		o := options{kills: len(lasting), seed: rand.Uint64(), rate: 100, bin: bin, disorder: 0.1, drain: 3 * time.Minute, say: t.Logf}
		if seed := os.Getenv("CRASH_SEED"); seed != "" {
			var err error
			if o.seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("CRASH_SEED=%d replays the plan", o.seed)
		perform(t, o)
	})
	t.Run("fsync", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Log("NOT CHECKED that a 200 comes after an fsync: strace is for Linux")
			return
		}
		if _, err := exec.LookPath("strace"); err != nil {
			t.Fatal("strace is missing: it shows that a 200 comes after an fsync; make deps installs it on Debian")
		}
		ids, err := unforced(t.Context(), options{bin: bin, seed: 1}, t.TempDir(), 50)
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) > 0 {
			t.Errorf("%d of 50 webhooks were acknowledged with nothing forced to the disk since they were sent: %v", len(ids), ids)
		}
	})
}

// The same seed gives the same plan, and a short plan has every fault.
func TestPlan(t *testing.T) {
	deal := func(seed uint64) []step { return plan(rand.New(rand.NewPCG(seed, 5)), len(lasting), "") }
	for seed := range uint64(100) {
		steps, again := deal(seed), deal(seed)
		seen := make(map[string]int)
		for i, s := range steps {
			if s != again[i] {
				t.Fatalf("seed %d: step %d is %v and then %v", seed, i, s, again[i])
			}
			seen[s.fault]++
		}
		for _, fault := range append([]string{reload, reject, term}, lasting...) {
			if seen[fault] == 0 {
				t.Errorf("seed %d: no %s in %v", seed, fault, steps)
			}
		}
		if seen[kill] != len(lasting) {
			t.Errorf("seed %d: %d kills", seed, seen[kill])
		}
	}
}

// strace writes a call in one line or in two.
func TestTrace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	text := `11 100.000000 fdatasync(9</tmp/x/ledger.db-wal>) = 0 <0.500000>
11 101.000000 fdatasync(9</tmp/x/other>) = 0 <0.500000>
12 102.000000 fsync(9</tmp/x/ledger.db-wal> <unfinished ...>
11 102.100000 fsync(8</tmp/x/other> <unfinished ...>
11 102.200000 <... fsync resumed>) = 0 <0.100000>
12 103.000000 <... fsync resumed>) = 0 <1.000000>
12 104.000000 fdatasync(9</tmp/x/ledger.db-wal>) = -1 EIO (Input/output error) <0.100000>
12 105.000000 fsync(8</tmp/x/other> <unfinished ...>
12 105.100000 <... fsync resumed>) = 0 <0.100000>
11 106.000000 fdatasync(9</tmp/x/ledger.db-wal>) = -1 EIO (Input/output error) (INJECTED) <0.000010>
11 107.000000 fdatasync(9</tmp/x/ledger.db-wal>) = 0 (DELAYED) <0.250000>
12 108.000000 +++ exited with 0 +++
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := readTrace(file)
	if err != nil || !slices.Equal(got, []span{{100, 100.5}, {102, 103}, {107, 107.25}}) {
		t.Errorf("%v, %v", got, err)
	}
}

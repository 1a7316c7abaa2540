package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/test/plant"
)

func TestMain(m *testing.M) {
	if os.Getenv(caddyVariable) != "" {
		caddycmd.Main()
		return
	}
	goleak.VerifyTestMain(m)
}

// seed is POWER_SEED, or a new one, which is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if given := os.Getenv("POWER_SEED"); given != "" {
		var err error
		if n, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// recorded records a run in a folder that is kept if the test fails.
func recorded(t *testing.T, o options) *record {
	t.Helper()
	dir, err := os.MkdirTemp("", "caddypay-power-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d; the record is in %s", o.seed, dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := makeRecord(t.Context(), o, dir); err != nil {
		t.Fatal(err)
	}
	rec, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.complete(); err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestPower is a short run of what make power does, and then with the same record of programs that make mistakes, each of which has to be noticed.
func TestPower(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("NOT CHECKED that a power failure loses nothing: strace is for Linux")
		return
	}
	o := options{states: 100, seed: seed(t), events: 160, say: t.Logf}
	rec := recorded(t, o)
	rep, err := rec.look(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	rep.print(&table)
	t.Log("\n" + table.String())
	if rep.looked != o.states || len(rep.broken) > 0 {
		t.Fatalf("%d states, of which %d are broken", rep.looked, len(rep.broken))
	}
	for _, what := range []string{acknowledged, delivered, asked, answered} {
		if rep.out[what] == 0 {
			t.Errorf("nothing %s", what)
		}
	}
	if rep.copied == 0 {
		t.Error("the -wal file was never copied")
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			o := o
			o.states, o.pass, o.until, o.where = 1000, 20, regexp.MustCompile(m.want), []where{m.where}
			rep, err := rec.with(m.make(rec)).look(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !rep.has(o.until) {
				t.Errorf("nobody noticed in %d states", rep.looked)
			}
			t.Logf("noticed after %d states in %s", rep.looked, rep.took)
		})
	}
}

// TestPlanted records a Caddy that never forces its -wal file to the disk before it answers, which has to be noticed. It costs a link of the whole
// binary, so that only make crash-proof does it.
func TestPlanted(t *testing.T) {
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := plant.Overlay(root, dir, "ledger/sqlite/file/disk.go", [][2]string{{"err := d.use(d.sync)", "err := error(nil)"}})
	if err != nil {
		t.Fatal(err) // the place has to be there, whether it is planted today or not
	}
	if os.Getenv("CRASH_PROOF") == "" {
		return
	}
	o := options{states: 1000, seed: seed(t), events: 200, bin: filepath.Join(dir, "caddy"), until: regexp.MustCompile("was acknowledged, and is not in the ledger"), say: t.Logf}
	if err := plant.Build(t.Context(), o.bin, false, overlay); err != nil {
		t.Fatal(err)
	}
	rep, err := recorded(t, o).look(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.has(o.until) {
		t.Errorf("nobody noticed in %d states", rep.looked)
	}
	t.Logf("noticed after %d states in %s", rep.looked, rep.took)
}

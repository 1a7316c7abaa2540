// Command bench measures the product side by side with what it could cost at best, in one run: make bench.
//
// The product is Caddy with this module in a process of its own, on a real ledger file; so are the references: a bare net/http
// handler that verifies the same signature and stores nothing, the same over a group-committed append log (the floor), and
// Caddy without pay. The load generator, the backend, and Ping++ (the sandbox) are in this process. What is compared is measured in turns, a
// round each, since a shared machine is never as fast as a moment ago. See docs/performance.md for what each row means.
//
// Environment: BENCH_TIME (for one figure, default 5s), BENCH_ROWS (events in the big ledger), BENCH_PENDING (events that
// wait in the backlog), BENCH_JSON (a file to which the rows are added as JSON lines).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are what a run is told.
type settings struct {
	time    time.Duration // for one figure
	rounds  int           // into which that is divided
	rows    int           // events in the big ledger
	few     int           // events in the one that it is compared with
	pending int           // events in the backlog
	binary  string        // Caddy with this module; empty: build it
	profile string        // folder for CPU profiles of accept; empty: none
	only    string        // the figures to measure, separated by commas; empty: all
	json    string        // file for JSON lines; empty: none
}

func main() {
	if kind := os.Getenv(serveVariable); kind != "" {
		fail(serveReference(kind))
		return
	}
	s := settings{time: 5 * time.Second, rounds: 5, rows: 500_000, few: 10_000, pending: 1_000_000, json: os.Getenv("BENCH_JSON")}
	flag.StringVar(&s.binary, "bin", "", "Caddy with this module; default: built from ./cmd/caddy")
	flag.StringVar(&s.profile, "profile", "", "write CPU profiles of accept, with delivery on and paused, to this folder")
	flag.StringVar(&s.only, "only", "", "measure only some of: accept,profile,200/s,1000/s,charges,pass-through,operators,backup,backlog,upgrade,postgres")
	flag.Parse()
	fail(s.environment())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(s.run(ctx, os.Stdout))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (s *settings) environment() error {
	if v := os.Getenv("BENCH_TIME"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return fmt.Errorf("BENCH_TIME must be a duration like 5s, not %q", v)
		}
		s.time = d
	}
	for name, to := range map[string]*int{"BENCH_ROWS": &s.rows, "BENCH_PENDING": &s.pending} {
		v := os.Getenv(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("%s must be a number of events like 500000, not %q", name, v)
		}
		*to = n
	}
	return nil
}

// run measures everything and prints the table.
func (s *settings) run(ctx context.Context, out io.Writer) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "caddypay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := s.binary
	if binary == "" {
		binary = filepath.Join(dir, "caddy")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/caddypay/caddypay/cmd/caddy")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building cmd/caddy: %w", err)
		}
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	st, err := newStage(ctx, dir, binary)
	if err != nil {
		return err
	}
	defer st.close()
	b := &bench{stage: st, settings: *s, report: report{out: out}, progress: os.Stderr}
	fmt.Fprintf(out, "%s, %s/%s, %d CPUs, %s a figure in %d rounds%s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), s.time, s.rounds, load())
	if err := b.all(); err != nil {
		if ctx.Err() != nil {
			return errors.New("broken off")
		}
		return err
	}
	b.report.table()
	fmt.Fprintf(out, "\n%s in all%s\n", time.Since(began).Round(time.Second), load())
	if s.json != "" {
		return b.report.lines(s.json, began, *s)
	}
	return nil
}

// load says how busy the machine is, where it says so: figures from a busy one compare, at best.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return ", load " + strings.Fields(string(text) + " ?")[0]
}

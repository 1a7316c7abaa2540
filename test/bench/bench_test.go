package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(serveVariable); kind != "" {
		fail(serveReference(kind))
		return
	}
	os.Exit(m.Run())
}

// figures are all rows of the table, in its order.
var figures = []string{
	"floor: append log", "accept, delivery on", "accept, delivery paused", "accept, delivery on, of verify only", "accept p95, closed loop",
	"delivered meanwhile", "CPU for an event, accept to delivered", "CPU for an event, delivery paused", "accept with 2000 events", "memory, idle", "memory, under load",
	"accept at 200/s, p50", "accept at 200/s, p95", "accept at 200/s, p99", "event → backend at 200/s, p95",
	"accept at 1000/s, p50", "accept at 1000/s, p95", "accept at 1000/s, p99", "event → backend at 1000/s, p95",
	"charge creation, own part, p50", "pass-through, reverse_proxy", "pass-through, reverse_proxy, CPU added",
	"pass-through, respond", "pass-through, respond, CPU added",
	"slowest list or page, 2000 events", "slowest search, 2000 events", "scrape, 2000 events", "accept while the console is open",
	"accept while a backup runs", "delivery of a backlog", "memory, 1000 pending", "start with 2000 events of the oldest version",
	"PostgreSQL: append, in process", "PostgreSQL: CPU of the server for an event appended", "PostgreSQL: append, of one a commit", "PostgreSQL: append, of SQLite", "PostgreSQL: claim, p95",
	"PostgreSQL: accept, delivery on", "PostgreSQL: accept, delivery on, of the floor", "PostgreSQL: accept, delivery paused", "PostgreSQL: accept, delivery paused, of the floor",
	"PostgreSQL: accept with 2000 events", "PostgreSQL: CPU of a node for an event, accept to delivered", "PostgreSQL: CPU of the server for it",
	"PostgreSQL: a payment on the disk", "PostgreSQL: what of it is kept for ever", "PostgreSQL: log written for a payment", "PostgreSQL: three nodes",
}

// TestRun is a short run: it asks that everything is measured and shown, not how fast it is.
func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.json")
	s := settings{time: 400 * time.Millisecond, rounds: 2, rows: 2000, few: 500, pending: 1000, json: file, profile: t.TempDir()}
	var out bytes.Buffer
	if err := s.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(raw)) {
		var x row
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v in the line %s", err, line)
		}
		got = append(got, x.Figure)
		added := strings.HasSuffix(x.Figure, "added") // may be lost in the noise
		if x.Value <= 0 && !added || x.ReferenceName != "" && x.Reference <= 0 {
			t.Errorf("%s: %+v has no value or no reference", x.Figure, x)
		}
		if !strings.Contains(out.String(), x.Figure) {
			t.Errorf("the table lacks %s", x.Figure)
		}
	}
	if strings.Join(got, "\n") != strings.Join(figures, "\n") {
		t.Errorf("the figures are\n%s", strings.Join(got, "\n"))
	}
	for _, name := range []string{"accept.pprof", "paused.pprof"} {
		if info, err := os.Stat(filepath.Join(s.profile, name)); err != nil || info.Size() == 0 {
			t.Errorf("no CPU profile: %v", err)
		}
	}
}

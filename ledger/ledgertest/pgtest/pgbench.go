package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// PgBench has PostgreSQL's own load generator run a script in a database, prepared, over so many connections at once, so often on each of them. It
// returns how many a second there were, without the time that it took to connect.
func (s *Server) PgBench(t testing.TB, dsn, script string, clients, each int) (perSecond float64) {
	t.Helper()
	file := filepath.Join(s.dir, "script")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, program(t, "pgbench"), "-n", "-M", "prepared", "-c", fmt.Sprint(clients), "-t", fmt.Sprint(each), "-f", file, dsn).CombinedOutput()
	found := tps.FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("pgbench: %v\n%s", err, out)
	}
	perSecond, _ = strconv.ParseFloat(string(found[1]), 64)
	return perSecond
}

// CPU is how much time all processes of the server have had on a CPU; 0 where the system does not say.
func (s *Server) CPU(t testing.TB) time.Duration {
	t.Helper()
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	if s.process.cmd == nil {
		t.Fatal("it does not run")
	}
	first := s.process.cmd.Process.Pid
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	var spent int64 // in hundredths of a second, in which Linux counts for everybody
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		count := 0 // of the fields that matter: its own time, user's and system's, and then that of its children that have ended
		switch strconv.Itoa(first) {
		case filepath.Base(filepath.Dir(file)):
			count = 4
		case fields[1]:
			count = 2
		}
		for _, field := range fields[11 : 11+count] {
			n, _ := strconv.ParseInt(field, 10, 64)
			spent += n
		}
	}
	return time.Duration(spent) * 10 * time.Millisecond
}

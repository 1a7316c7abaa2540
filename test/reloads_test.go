package test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A site that is cheap to load: plain HTTP, and nothing but the payments. The site's own proxy keeps no connections, since Caddy
// leaves those of requests that outlive a reload open for two minutes; pay closes its own.
const (
	cheapOptions = `{
	admin localhost:<admin>
	http_port <plain>
	persist_config off
	grace_period 10s
	storage file_system <dir>/storage
	pay {
		ledger sqlite <dir>/ledger.db
	}
}
`
	cheapSite = `
http://localhost:<plain> {
	header X-Generation <n>
	pay {
		allow_http` + accounts + events + `	}
	reverse_proxy <backend> {
		transport http {
			keepalive off
		}
	}
}
`
)

// A hundred reloads under load: no event is lost, no request fails, and nothing stays behind of the configurations: neither
// goroutines nor file handles.
func TestHundredReloads(t *testing.T) {
	const warmUp, reloads = 5, 100
	s := newStage(t, false)
	s.noTLS = true
	generations := 0
	generation := func() string {
		generations++
		return s.fill(strings.Replace(cheapOptions+cheapSite, "<n>", strconv.Itoa(generations), 1))
	}
	s.write("Caddyfile", []byte(generation()))
	s.restart()

	acked := make(map[string]bool)
	reload := func(orders string, times int) {
		visits := s.traffic(2)
		f := s.flood(s.endless(orders), 60, true)
		for n := range times {
			hooks, _ := f.counts()
			seen := visits.count()
			if err := s.load(generation()); err != nil {
				t.Fatalf("reload %d: %v", n+1, err)
			}
			eventually(t, shortly, func() error { // each configuration serves some of both
				if now, _ := f.counts(); now < hooks+3 || visits.count() < seen+3 {
					return errorf("after reload %d only %d webhooks were acknowledged and %d visits answered", n+1, now-hooks, visits.count()-seen)
				}
				return nil
			})
		}
		f.halt()
		count, failed := visits.end()
		if len(failed) > 0 {
			t.Errorf("%d of %d visits failed, the first with %s", len(failed), count, failed[0])
		}
		if len(f.refused) > 0 {
			t.Errorf("%d of %d webhooks failed: %v", len(f.refused), f.sent, f.refused)
		}
		maps.Copy(acked, f.acked)
		repeats := s.delivered(acked, shortly)
		if repeats > 0 && !strings.Contains(s.caddy.log.String(), "cannot record the outcome") { // which an overloaded machine may bring about
			t.Errorf("%d events were delivered twice", repeats)
		}
		t.Logf("%d reloads: %d webhooks acknowledged, %d sent again on another connection; %d visits, %d repeated",
			times, len(f.acked), f.resent, count, visits.again)
	}
	l := s.ledger()
	atRest := func() holdings {
		eventually(t, shortly, func() error {
			due, err := l.NextDue(t.Context(), s.scope())
			if err == nil && due.Pending > 0 {
				err = errorf("%d events are pending", due.Pending)
			}
			return err
		})
		if err := s.load(generation()); err != nil { // one that has no connections to the backend yet
			t.Fatal(err)
		}
		return s.atRest()
	}

	reload("WARM", warmUp)
	before := atRest()
	reload("R", reloads)
	var after holdings
	if err := poll(shortly, func() error {
		if after = atRest(); after.goroutines > before.goroutines || len(after.files) > len(before.files) {
			return errors.New("there are more than before")
		}
		return nil
	}); err != nil {
		t.Errorf("files before: %q\nfiles after: %q\n%.6000s", before.files, after.files, before.grown(after))
	}
	t.Logf("%d goroutines before %d reloads, %d after; %d open files and %d of the ledger before, %d and %d after",
		before.goroutines, reloads, after.goroutines, len(before.files), before.ledger, len(after.files), after.ledger)
	// Seven connections (four that read; one each that writes, folds, and only stays open), each with the file and its -wal; the -wal once more to force
	// it to the disk; and the -shm, which they share.
	if after.ledger > 16 {
		t.Errorf("the ledger is open %d times", after.ledger)
	}
}

// holdings are what a process has.
type holdings struct {
	goroutines int
	stacks     string
	files      []string // what its file handles stand for; empty where the system does not tell
	ledger     int      // more of them, of the ledger's: its connections are opened as they are needed, and kept
}

// grown returns what there is more of in a later profile: its groups are a number, addresses, and the frames below.
func (h holdings) grown(later holdings) string {
	count := make(map[string]int)
	for group := range strings.SplitSeq(h.stacks, "\n\n") {
		n, stack, _ := strings.Cut(group, " @ ")
		count[stack], _ = strconv.Atoi(n)
	}
	var more strings.Builder
	for group := range strings.SplitSeq(later.stacks, "\n\n") {
		n, stack, _ := strings.Cut(group, " @ ")
		if now, _ := strconv.Atoi(n); now > count[stack] {
			fmt.Fprintf(&more, "%d goroutines before and %d after @ %s\n\n", count[stack], now, stack)
		}
	}
	return more.String()
}

var goroutines = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// atRest waits until the process has ended what it was doing, and returns what it still has.
func (s *stage) atRest() (h holdings) {
	s.t.Helper()
	s.client.CloseIdleConnections()
	profile := fmt.Sprintf("http://localhost:%d/debug/pprof/goroutine?debug=1", s.admin)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(s.t, shortly, func() error {
		last := h
		a, err := s.try(client, "GET", profile, nil)
		if err != nil {
			return err
		}
		m := goroutines.FindSubmatch(a.Body)
		if m == nil {
			return errorf("the admin endpoint answered %s", a)
		}
		h = holdings{stacks: string(a.Body)}
		h.goroutines, _ = strconv.Atoi(string(m[1]))
		h.files, h.ledger = s.openFiles()
		if h.goroutines != last.goroutines || !slices.Equal(h.files, last.files) {
			return errorf("the process is at work: %d goroutines, %d open files", h.goroutines, len(h.files))
		}
		return nil
	})
	return h
}

// openFiles lists the file handles of the process, and counts those of the ledger.
func (s *stage) openFiles() (files []string, ledger int) {
	s.t.Helper()
	if runtime.GOOS != "linux" {
		return nil, 0
	}
	dir := fmt.Sprintf("/proc/%d/fd", s.caddy.cmd.Process.Pid)
	handles, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, handle := range handles {
		file, err := os.Readlink(dir + "/" + handle.Name())
		switch {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(file, s.file("ledger.db")):
			ledger++
		default:
			kind, _, _ := strings.Cut(file, ":[") // the number of a socket or a pipe says nothing
			files = append(files, kind)
		}
	}
	slices.Sort(files)
	return files, ledger
}

package test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A site that is cheap to load: plain HTTP, and nothing but the payments. Caddy closes the idle connections of an old
// configuration only where a transport is named; pay closes its own anyway.
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
			dial_timeout 5s
		}
	}
}
`
)

// A hundred reloads under load: no event is lost, no request fails, and the process has no more goroutines and file handles
// afterwards than before.
func TestHundredReloads(t *testing.T) {
	const warmUp, reloads = 5, 100
	s := newStage(t, false)
	s.noTLS = true
	generation := func(n int) string {
		return s.fill(strings.Replace(cheapOptions+cheapSite, "<n>", strconv.Itoa(n), 1))
	}
	s.write("Caddyfile", []byte(generation(0)))
	s.restart()
	acked, visited := make(map[string]bool), 0

	// load reloads again and again while webhooks and visitors come; each configuration serves some of both.
	load := func(orders string, from, to int) {
		visits := s.traffic(2)
		f := s.flood(s.endless(orders), 60, true)
		for n := from; n < to; n++ {
			hooks, _ := f.counts()
			seen := visits.count()
			if err := s.load(generation(n)); err != nil {
				t.Fatalf("reload %d: %v", n, err)
			}
			eventually(t, shortly, func() error {
				if now, _ := f.counts(); now < hooks+3 || visits.count() < seen+3 {
					return errorf("after reload %d only %d webhooks were acknowledged and %d visits answered", n, now-hooks, visits.count()-seen)
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
		for id := range f.acked {
			acked[id] = true
		}
		visited += count
		repeats := s.delivered(acked, shortly)
		if repeats > 0 && !strings.Contains(s.caddy.log.String(), "cannot record the outcome") {
			t.Errorf("%d events were delivered twice", repeats)
		}
		t.Logf("%d reloads: %d webhooks acknowledged, %d sent again on another connection; %d visits, %d repeated",
			to-from, len(f.acked), f.resent, count, visits.again)
	}

	load("WARM", 1, 1+warmUp)
	before := s.atRest()
	load("R", 1+warmUp, 1+warmUp+reloads)
	after := s.atRest()
	if err := poll(shortly, func() error {
		after = s.atRest()
		if after.goroutines > before.goroutines || len(after.files) > len(before.files) {
			return errors.New("there are more")
		}
		return nil
	}); err != nil {
		t.Errorf("%d goroutines before %d reloads, %d after; %d open files, %d after\nfiles before: %q\nfiles after: %q\n%.3000s",
			before.goroutines, reloads, after.goroutines, len(before.files), len(after.files), before.files, after.files, after.stacks)
	}
	t.Logf("%d events and %d visits; %d goroutines before and %d after, %d open files before and %d after",
		len(acked), visited, before.goroutines, after.goroutines, len(before.files), len(after.files))
}

// holdings are what a process has.
type holdings struct {
	goroutines int
	stacks     string
	files      []string // what its file handles stand for; nil where the system does not tell
}

var goroutines = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// atRest waits until the process has ended what it was doing, and returns what it still has.
func (s *stage) atRest() (h holdings) {
	s.t.Helper()
	s.client.CloseIdleConnections()
	eventually(s.t, shortly, func() error {
		last := h
		a, err := s.try(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "GET", fmt.Sprintf("http://localhost:%d/debug/pprof/goroutine?debug=1", s.admin), nil)
		if err != nil {
			return err
		}
		m := goroutines.FindSubmatch(a.Body)
		if m == nil {
			return errorf("the admin endpoint answered %s", a)
		}
		h = holdings{stacks: string(a.Body), files: s.openFiles()}
		h.goroutines, _ = strconv.Atoi(string(m[1]))
		if h.goroutines != last.goroutines || !slices.Equal(h.files, last.files) {
			return errorf("the process is at work: %d goroutines, %d open files", h.goroutines, len(h.files))
		}
		return nil
	})
	return h
}

// openFiles lists the file handles of the process. Numbers of sockets and the like, which say nothing, are left out.
func (s *stage) openFiles() (files []string) {
	s.t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	dir := fmt.Sprintf("/proc/%d/fd", s.caddy.cmd.Process.Pid)
	handles, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, handle := range handles {
		file, err := os.Readlink(dir + "/" + handle.Name())
		if err != nil {
			continue // closed meanwhile
		}
		kind, _, _ := strings.Cut(file, ":[")
		files = append(files, kind)
	}
	slices.Sort(files)
	return files
}

package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	s := newStage(t, false).start(plainSite)
	hooks := s.hooks("R", 2000)
	visits := s.traffic(2)
	f := s.flood(hooks, 100)
	for n := range 20 {
		start := time.Now()
		if err := s.load(s.generation(n)); err != nil {
			t.Fatalf("reload %d: %v", n, err)
		}
		a, r := f.counts()
		t.Logf("reload %d took %s; %d acked %d refused", n, time.Since(start), a, r)
	}
	dump := func(name string) {
		time.Sleep(1500 * time.Millisecond)
		a, r := f.counts()
		visits.mu.Lock()
		t.Logf("%s: %d acked %d refused; %d visits %v", name, a, r, visits.visits, visits.failed)
		visits.mu.Unlock()
		resp, err := http.Get(fmt.Sprintf("http://localhost:%d/debug/pprof/goroutine?debug=2", s.admin))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		os.WriteFile("/tmp/goroutines-"+name+".txt", b, 0o644)
		c := s.newClient(&http.Transport{DisableKeepAlives: true})
		c.Timeout = 3 * time.Second
		for range 6 {
			x, err := s.try(c, "GET", s.url("/"), nil)
			if err != nil {
				t.Log(err)
			} else {
				t.Log(x.Header.Get("X-Generation"))
			}
		}
		x := s.call("GET", "/", nil)
		t.Log("h2", x.Header.Get("X-Generation"))
	}
	dump("a")
	t.Log(s.load(strings.Replace(s.generation(98), "{env.PAY_BACKEND_TOKEN}", "short", 1)))
	dump("b")
	t.Log(s.load(s.generation(99) + fmt.Sprintf("\nhttp://localhost:%s {\n\trespond taken\n}\n", s.backend.addr()[strings.LastIndex(s.backend.addr(), ":")+1:])))
	dump("c")
	s.caddy.kill()
	f.halt()
	visits.end()
	os.WriteFile("/tmp/reload.log", []byte(s.caddy.log.String()), 0o644)
}

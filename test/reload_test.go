package test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// load gives the process a Caddyfile as `caddy reload` does, without a process of its own.
func (s *stage) load(caddyfile string) error {
	// Each configuration brings an admin endpoint of its own: a connection that meets the end of the old one breaks.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := s.try(client, "POST", fmt.Sprintf("http://localhost:%d/load", s.admin), []byte(caddyfile), "Content-Type", "text/caddyfile")
	for try := 0; err != nil && try < 3; try++ {
		a, err = s.try(client, "POST", fmt.Sprintf("http://localhost:%d/load", s.admin), []byte(caddyfile), "Content-Type", "text/caddyfile")
	}
	if err == nil && a.StatusCode != http.StatusOK {
		err = errors.New(a.String())
	}
	return err
}

// generation is the site with something that makes each configuration another one, so that it is loaded indeed.
func (s *stage) generation(n int) string {
	return s.fill(globalOptions + strings.Replace(plainSite, "<pay>", fmt.Sprintf("header X-Generation %d\n\t<pay>", n), 1))
}

// traffic visits the site 50 times a second in each of a few loops until stopped, and keeps what went wrong.
type traffic struct {
	mu     sync.Mutex
	visits int
	again  int // repeated since the connection broke without an answer, as browsers do
	failed []string
	stop   chan struct{}
	ended  sync.Once
	loops  sync.WaitGroup
}

func (s *stage) traffic(loops int) *traffic {
	tr := &traffic{stop: make(chan struct{})}
	s.t.Cleanup(func() { tr.end() })
	for range loops {
		tr.loops.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tr.stop:
					return
				case <-tick.C:
				}
				a, err := s.try(s.client, "GET", s.url("/shop"), nil)
				again := 0
				for ; err != nil && again < 3; again++ {
					a, err = s.try(s.client, "GET", s.url("/shop"), nil)
				}
				tr.mu.Lock()
				tr.visits++
				tr.again += again
				switch {
				case err != nil:
					tr.failed = append(tr.failed, err.Error())
				case a.StatusCode != http.StatusOK || a.Header.Get("X-From") != "site":
					tr.failed = append(tr.failed, a.String())
				}
				tr.mu.Unlock()
			}
		})
	}
	return tr
}

func (tr *traffic) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.visits
}

func (tr *traffic) end() (visits int, failed []string) {
	tr.ended.Do(func() { close(tr.stop) })
	tr.loops.Wait()
	return tr.visits, tr.failed
}

func TestReloadUnderLoad(t *testing.T) {
	const reloads, perSecond = 20, 100
	s := newStage(t, false).start(plainSite)
	visits := s.traffic(2)
	f := s.flood(s.endless("R"), perSecond, true)
	for n := range reloads {
		if err := s.load(s.generation(n)); err != nil {
			t.Fatalf("reload %d: %v", n, err)
		}
		before, _ := f.counts()
		eventually(t, shortly, func() error {
			if now, _ := f.counts(); now < before+10 {
				return errorf("after reload %d only %d webhooks were acknowledged", n, now-before)
			}
			return nil
		})
	}
	// And once in the way that people do it.
	s.write("Caddyfile", []byte(s.generation(reloads)))
	if _, stderr, code := command(t, s.dir, s.env(), "reload", "--config", s.file("Caddyfile"), "--address", fmt.Sprintf("localhost:%d", s.admin)); code != 0 {
		t.Errorf("caddy reload: exit code %d\n%s", code, stderr)
	}

	// A configuration that is refused, for reasons found early and late, disturbs nothing.
	for what, bad := range map[string]string{
		"the token is too short": strings.Replace(s.generation(98), "{env.PAY_BACKEND_TOKEN}", "short", 1),
		"a port is taken":        s.generation(99) + fmt.Sprintf("\nhttp://localhost:%s {\n\trespond taken\n}\n", s.backend.addr()[strings.LastIndex(s.backend.addr(), ":")+1:]),
	} {
		if err := s.load(bad); err == nil {
			t.Errorf("a configuration was taken although %s", what)
		}
	}
	fresh := s.newClient(&http.Transport{DisableKeepAlives: true}) // an old connection may stay with its old configuration
	for range 10 {
		a, err := s.try(fresh, "GET", s.url("/"), nil)
		if err != nil {
			t.Error(err)
		} else if a.Header.Get("X-Generation") != fmt.Sprint(reloads) {
			t.Errorf("after refused configurations X-Generation is %q, want %d", a.Header.Get("X-Generation"), reloads)
		}
	}
	more := s.hooks("RB", 30)
	for _, hook := range more {
		s.accept(hook)
		f.note(hook, nil)
	}
	f.halt()
	count, failed := visits.end()
	if len(failed) > 0 {
		t.Errorf("%d of %d visits failed, the first with %s", len(failed), count, failed[0])
	}
	for id, why := range f.refused {
		t.Errorf("webhook %s: %s", id, why)
		break
	}
	repeats := s.delivered(f.acked, shortly)
	if repeats > 0 && !strings.Contains(s.caddy.log.String(), "cannot record the outcome") { // which an overloaded machine may bring about
		t.Errorf("%d events were delivered twice", repeats)
	}
	acked, refused := f.counts()
	t.Logf("%d reloads: %d webhooks acknowledged, %d not, %d sent again on another connection, %d delivered twice; %d visits, %d repeated, %d failed",
		reloads+1, acked, refused, f.resent, repeats, count, visits.again, len(failed))
}

// Requests that wait for a payment answer at once when their configuration is replaced, and when the process ends.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	_, session := s.login()
	id := s.newCharge(session, "W10001")
	for _, tt := range []struct {
		name string
		end  func()
	}{
		{"reload", func() {
			if err := s.load(s.generation(1)); err != nil {
				t.Error(err)
			}
		}},
		{"exit", func() { s.caddy.stop(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			type result struct {
				a   *answer
				err error
			}
			waiting := make(chan result, 1)
			go func() {
				a, err := s.try(s.client, "GET", s.url("/pay/charges/"+id+"?wait=60s&client="+map[string]string{"reload": "success", "exit": "cancel"}[tt.name]), nil, "X-Pay-Session", session)
				waiting <- result{a, err}
			}()
			// The client's report is in the ledger: the request is there, and about to wait.
			l := s.ledger()
			eventually(t, shortly, func() error {
				c, err := l.Charge(t.Context(), s.scope(), id)
				if err != nil {
					return err
				}
				if want := map[string]string{"reload": "success", "exit": "cancel"}[tt.name]; c.Client.Result != want {
					return errorf("the client's report is %q", c.Client.Result)
				}
				return nil
			})
			start := time.Now()
			tt.end()
			var got result
			select {
			case got = <-waiting:
			case <-time.After(patience):
				t.Fatal("the request goes on waiting")
			}
			took := time.Since(start)
			if got.err != nil {
				t.Fatal(got.err)
			}
			if got.a.StatusCode != http.StatusOK || !bytes.Contains(got.a.Body, []byte(`"created"`)) {
				t.Errorf("answered %s", got.a)
			}
			if took > 30*time.Second { // of the minute that it asked for
				t.Errorf("it took %s", took)
			}
			t.Logf("%s: answered, and done, after %s", tt.name, took.Round(time.Millisecond))
		})
	}
}

// SIGTERM while events arrive: every 200 is kept.
func TestExitUnderLoad(t *testing.T) {
	s := newStage(t, false).start(plainSite)
	acked := make(map[string]bool)
	for round := range 2 {
		if round > 0 {
			s.restart()
		}
		f := s.flood(s.endless(fmt.Sprintf("X%d", round)), 200, false)
		eventually(t, shortly, func() error {
			if n, _ := f.counts(); n < 60 {
				return errorf("%d acknowledged", n)
			}
			return nil
		})
		start := time.Now()
		s.caddy.stop(t)
		took := time.Since(start)
		f.halt()
		if took > 10*time.Second {
			t.Errorf("it took %s to exit", took)
		}
		n, no := f.counts()
		maps.Copy(acked, f.acked)
		t.Logf("exit after %s; %d acknowledged, %d not", took.Round(time.Millisecond), n, no)
	}
	s.restart()
	repeats := s.delivered(acked, shortly)
	t.Logf("%d acknowledged, all delivered, %d twice", len(acked), repeats)
}

// caddy validate on the running configuration opens nothing and harms nothing.
func TestValidate(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.write("Caddyfile", []byte(s.fill(globalOptions+plainSite)))
	if stdout, stderr, code := command(t, s.dir, s.env(), "validate", "--config", s.file("Caddyfile")); code != 0 {
		t.Fatalf("validate: exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(s.file("ledger.db")); !os.IsNotExist(err) {
		t.Errorf("validate made a ledger: %v", err)
	}
	s.restart()
	before, after := s.succeeded("V10001"), s.succeeded("V10002")
	s.accept(before)
	s.backend.await(t, before.ID, 1)
	for range 2 {
		if stdout, stderr, code := command(t, s.dir, s.env(), "validate", "--config", s.file("Caddyfile")); code != 0 {
			t.Fatalf("validate beside the running process: exit code %d\n%s%s", code, stdout, stderr)
		}
	}
	s.accept(after)
	s.backend.await(t, after.ID, 1)
	if n := len(s.backend.events("")); n != 2 {
		t.Errorf("the backend heard %d events, want 2", n)
	}
}

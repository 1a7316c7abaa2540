package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What a backend does wrong the first times, and what the operator then reads. None of it is a receipt; the event comes
// again until the backend has really taken it.
var backendFaults = []struct {
	name  string
	wrong func(w http.ResponseWriter, r *http.Request)
	why   string // in the ledger's record of the attempt
}{
	{"500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) }, "answered 500"},
	{"404", func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }, "answered 404"},
	{"an HTML page with 200", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html>\n<title>Log in</title>success")
	}, "HTML page"},
	{"a redirect to the login page", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "302 to /login"},
	{"a redirect that keeps the method", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://localhost"+eventsPath, http.StatusPermanentRedirect)
	}, "308 to https://localhost"},
	{"slower than the timeout", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ""},
	{"closes before it answers", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
	{"closes in the middle of its answer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "success")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, ""},
	{"closes in the middle of a chunked answer", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "success")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, ""},
	{"another word than expected", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fail") }, `not "success"`},
	{"an empty 200", func(http.ResponseWriter, *http.Request) {}, `not "success"`},
}

func TestBackendFaults(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	block := strings.Replace(payBlock, "timeout 15s", "timeout 4s\n\t\texpect body success", 1)
	s.start(strings.Replace(plainSite, "<pay>", block, 1))
	wrong := make(map[string]func(http.ResponseWriter, *http.Request))
	hooks := make([]webhook, len(backendFaults))
	for i, tt := range backendFaults {
		hooks[i] = s.succeeded(fmt.Sprintf("F%05d", i))
		wrong[hooks[i].ID] = tt.wrong
	}
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, r *http.Request, h heard) {
			if h.Nth <= 2 {
				wrong[h.ID](w, r)
				return
			}
			fmt.Fprint(w, "\n Success\r\n")
		}
	})
	l := s.ledger()
	for i, tt := range backendFaults { // one after the other: three in a row would look like a backend that is down
		t.Run(tt.name, func(t *testing.T) {
			s.accept(hooks[i])
			s.backend.await(t, hooks[i].ID, 3)
			s.awaitState(t, l, hooks[i].ID, ledger.Delivered)
			attempts, err := l.Deliveries(t.Context(), s.scope(), hooks[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(attempts) != 3 {
				t.Fatalf("%d attempts are recorded, want 3: %+v", len(attempts), attempts)
			}
			for _, a := range attempts[:2] {
				if a.State != ledger.Pending || a.Error == "" || !strings.Contains(a.Error, tt.why) {
					t.Errorf("attempt %d is %s with %q, want pending and something with %q", a.Attempt, a.State, a.Error, tt.why)
				}
			}
			if a := attempts[2]; a.State != ledger.Delivered || a.Status != 200 || a.Error != "" {
				t.Errorf("the last attempt is %+v", a)
			}
		})
	}
	if err := s.caddy.running(); err != nil {
		t.Error(err)
	}
}

func (s *stage) awaitState(t testing.TB, l ledger.Ledger, id string, want ledger.State) *ledger.Event {
	t.Helper()
	var e *ledger.Event
	eventually(t, shortly, func() (err error) {
		if e, err = l.Event(t.Context(), s.scope(), id); err != nil {
			return err
		}
		if e.State != want {
			return errorf("event %s is %s after %d attempts, want %s", id, e.State, e.Attempts, want)
		}
		return nil
	})
	return e
}

// An event whose schedule is at its end is dead: kept, visible, and not sent any more.
func TestDeadEvent(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, _ *http.Request, _ heard) { http.Error(w, "never", 500) }
	})
	block := payBlock[:strings.Index(payBlock, "retry ")] + "retry 20ms 20ms\n\t}\n}\n"
	s.start(strings.Replace(plainSite, "<pay>", block, 1))
	hook := s.succeeded("DEAD1")
	s.accept(hook)
	e := s.awaitState(t, s.ledger(), hook.ID, ledger.Dead)
	if got := len(s.backend.events(hook.ID)); e.Attempts != 3 || got != 3 {
		t.Errorf("%d attempts in the ledger, %d at the backend, want 3", e.Attempts, got)
	}
	if string(e.Body) != string(hook.Body) {
		t.Errorf("the event's body is %s", e.Body)
	}
}

// A backend that is down gets everything when it is up again; charges say so meanwhile.
func TestBackendDown(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	serve := func(addr string) *httptest.Server {
		up := &httptest.Server{Listener: listen(t, addr), Config: &http.Server{Handler: http.HandlerFunc(s.backend.serve)}}
		up.Start()
		t.Cleanup(up.Close)
		return up
	}
	s.backend.Close()
	addr := fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0]) // which nobody takes while the backend is down
	s.backend.Server = serve(addr)
	s.start(plainSite)
	_, session := s.login()
	s.backend.Close()

	a := s.charge(session, "DOWN1")
	checkProblem(t, a, http.StatusBadGateway, "backend_unavailable")
	hooks := s.hooks("DOWN", 20)
	start := time.Now()
	for _, hook := range hooks {
		s.accept(hook)
	}
	l := s.ledger()
	eventually(t, shortly, func() error {
		// Nobody is there: there are probes, and the event's clock stands still.
		probes, err := l.Deliveries(t.Context(), s.scope(), hooks[0].ID)
		if err != nil {
			return err
		}
		e, err := l.Event(t.Context(), s.scope(), hooks[0].ID)
		if err != nil {
			return err
		}
		if e.State != ledger.Pending || e.Attempts != 0 || len(probes) == 0 {
			return errorf("event %s is %s after %d attempts and %d probes", e.ID, e.State, e.Attempts, len(probes))
		}
		return nil
	})
	s.backend.Server = serve(addr)
	acked := make(map[string]bool)
	for _, hook := range hooks {
		acked[hook.ID] = true
	}
	repeats := s.delivered(acked, shortly)
	if repeats > 0 {
		t.Errorf("%d events were delivered twice", repeats)
	}
	t.Logf("%d events delivered %s after the first was accepted", len(hooks), time.Since(start).Round(time.Millisecond))
	if a := s.charge(session, "DOWN1"); a.StatusCode != http.StatusCreated {
		t.Errorf("the charge after the backend came back: %s", a)
	}
}

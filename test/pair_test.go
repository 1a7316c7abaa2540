package test

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Two processes share one ledger, and both are sent events: none is delivered by both at the same time, though some take the
// backend longer than a lease lasts and some fail first; and what one of them leaves behind, killed, the other delivers.
func TestTwoProcesses(t *testing.T) {
	const perSecond = 60
	s := newStage(t, false)
	s.noTLS = true
	site := strings.NewReplacer("upstream <backend>\n", "upstream <backend> {\n\t\theader_up X-Process <n>\n\t}\n", "timeout 15s", "timeout 20s").Replace(cheapOptions + cheapSite)
	run := func(name string, plain, admin int) *process {
		s.write(name, []byte(s.fill(strings.NewReplacer("<n>", name, "<plain>", strconv.Itoa(plain), "<admin>", strconv.Itoa(admin)).Replace(site))))
		p, err := spawn(s.dir, s.env(), "run", "--config", s.file(name), "--adapter", "caddyfile")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.finish(p) })
		eventually(t, time.Minute, func() error {
			if err := p.running(); err != nil {
				return &fatalError{err}
			}
			_, err := s.try(s.client, "GET", fmt.Sprintf("http://localhost:%d/pay/webhooks", plain), nil)
			return err
		})
		return p
	}
	ports := freePorts(t, 2)
	first, second := s.url("/pay/webhooks"), fmt.Sprintf("http://localhost:%d/pay/webhooks", ports[0])
	s.caddy = run("first", s.plain, s.admin)
	other := run("second", ports[0], ports[1])

	busy := newBusy(t)
	s.backend.script(func() { s.backend.event = busy.event })
	acked := make(map[string]bool)
	send := func(orders string, n int, urls ...string) (all []webhook) {
		t.Helper()
		var mu sync.Mutex
		var under sync.WaitGroup
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		for i := range n {
			w := s.succeeded(fmt.Sprintf("%s%03d", orders, i))
			all = append(all, w)
			busy.expect(w.ID, i)
			<-tick.C
			under.Go(func() {
				if err := s.post(s.client, urls[i%len(urls)], w); err != nil {
					t.Errorf("webhook %d: %v", i, err)
					return
				}
				mu.Lock()
				acked[w.ID] = true
				mu.Unlock()
			})
		}
		under.Wait()
		return all
	}

	all := send("BOTH", 180, first, second)
	l := s.ledger()
	settled := func() error {
		due, err := l.NextDue(t.Context(), s.scope())
		if err == nil && due.Pending > 0 {
			err = errorf("%d events are pending", due.Pending)
		}
		return err
	}
	eventually(t, time.Minute, settled)
	s.delivered(acked, shortly)
	for i, w := range all {
		want := 1
		if fails(i) {
			want = 2
		}
		if n := len(s.backend.events(w.ID)); n != want {
			t.Errorf("event %d was sent to the backend %d times, want %d", i, n, want)
		}
	}
	by := busy.processes()
	if by["first"] == 0 || by["second"] == 0 {
		t.Errorf("one of the two did all the work: %v", by)
	}

	// One dies over its work.
	send("KILL", 60, second)
	eventually(t, shortly, func() error {
		if busy.of("second") == 0 {
			return errorf("the second process has nothing under way")
		}
		return nil
	})
	left := busy.of("second")
	other.kill()
	send("REST", 20, first)
	s.delivered(acked, time.Minute)
	eventually(t, time.Minute, settled)
	for id := range acked {
		if e, err := l.Event(t.Context(), s.scope(), id); err != nil || e.State != ledger.Delivered {
			t.Errorf("%s: %+v %v", id, e, err)
		}
	}
	t.Logf("%d events, delivered by %v; the second process was killed over %d of them", len(acked), busy.processes(), left)
}

// Of each 24 events one takes the backend longer than a lease lasts, and of each five one fails first.
func lasts(i int) bool { return i%24 == 7 }
func fails(i int) bool { return i%5 == 2 }

// busy is a backend's work. It watches that nobody else is at the same event.
type busy struct {
	t *testing.T

	mu    sync.Mutex
	nth   map[string]int    // of the events, in the order they were sent
	under map[string]string // which process delivers it at this moment
	by    map[string]int
}

func newBusy(t *testing.T) *busy {
	return &busy{t: t, nth: make(map[string]int), under: make(map[string]string), by: make(map[string]int)}
}

func (b *busy) expect(id string, i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nth[id] = i
}

func (b *busy) event(w http.ResponseWriter, r *http.Request, h heard) {
	process := h.Header.Get("X-Process")
	b.mu.Lock()
	if other, ok := b.under[h.ID]; ok {
		b.t.Errorf("%s comes from %s while %s delivers it", h.ID, process, other)
	}
	b.under[h.ID] = process
	b.by[process]++
	i := b.nth[h.ID]
	b.mu.Unlock()
	work := 5 * time.Millisecond
	if lasts(i) && h.Nth == 1 {
		work = 3 * time.Second
	}
	done := time.NewTimer(work)
	defer done.Stop()
	select {
	case <-done.C:
	case <-r.Context().Done(): // who asked is dead
	}
	b.mu.Lock()
	delete(b.under, h.ID)
	b.mu.Unlock()
	if fails(i) && h.Nth == 1 {
		http.Error(w, "not yet", http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, "success")
}

// of says how many events a process is delivering.
func (b *busy) of(process string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.under {
		if p == process {
			n++
		}
	}
	return n
}

// processes says how many deliveries each has made.
func (b *busy) processes() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.by)
}

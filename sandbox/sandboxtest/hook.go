package sandboxtest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
)

// Hook is a merchant's webhook endpoint that remembers what came and answers from a script; after its
// end it answers 200.
type Hook struct {
	*httptest.Server
	Says   string // what it answers; by default "seen"
	mu     sync.Mutex
	script []int
	got    []Received
}

// Received is a webhook that came.
type Received struct {
	At     time.Time
	Header http.Header
	Body   []byte
}

// NewHook opens one; script is what it answers first.
func NewHook(t *testing.T, script ...int) *Hook {
	h := &Hook{script: script}
	h.Server = httptest.NewTLSServer(h)
	t.Cleanup(func() {
		h.Client().CloseIdleConnections()
		h.Close()
	})
	return h
}

func (h *Hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, Received{time.Now(), r.Header.Clone(), body})
	status := 200
	if len(h.script) > 0 {
		status, h.script = h.script[0], h.script[1:]
	}
	if status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
	fmt.Fprint(w, cmp.Or(h.Says, "seen"))
}

// Seen is what came so far.
func (h *Hook) Seen() []Received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Received(nil), h.got...)
}

// Hooked starts a sandbox that tells a hook; the schedule's 24 hours take well under a second.
func Hooked(t *testing.T, h *Hook, scale float64) *Bench {
	return Start(t, sandbox.Config{Webhooks: []string{h.URL + "/pay/webhooks?k=v"}, WebhookClient: h.Client(), TimeScale: scale})
}

// Paid makes a charge that is paid, and returns its id.
func (b *Bench) Paid(orderNo string) string {
	b.T.Helper()
	id := b.Create(orderNo).ID()
	if err := b.Pay(id); err != nil {
		b.T.Fatal(err)
	}
	return id
}

// Settled waits until no delivery of the newest event is pending and returns it.
func (b *Bench) Settled(status string) sandbox.EventState {
	b.T.Helper()
	var e sandbox.EventState
	Until(b.T, "a delivery that is "+status, func() bool {
		e = b.State(1).Events[0]
		for _, d := range e.Deliveries {
			if d.Status != status {
				return false
			}
		}
		return len(e.Deliveries) > 0
	})
	return e
}

package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	ordersPath = "/internal/pay/orders/"
	eventsPath = "/internal/pay/events"
)

// backend is a merchant's backend that records what it is asked. It prices every order at 100 fen, acknowledges every
// event, and answers everything else with what it saw, unless its script says otherwise.
type backend struct {
	*httptest.Server

	mu     sync.Mutex
	heard  []heard
	onSite http.HandlerFunc
	quote  func(orderNo string) (status int, answer any)
	event  func(w http.ResponseWriter, r *http.Request, h heard)
}

// heard is one event as the backend received it.
type heard struct {
	ID     string // webhook-id
	Body   []byte
	Header http.Header
	Host   string
	Method string
	At     time.Time
	Nth    int // how often this id was received, this time included
}

func newBackend(t testing.TB) *backend {
	b := &backend{
		quote: func(orderNo string) (int, any) {
			return http.StatusOK, map[string]any{"order_no": orderNo, "amount": 100, "currency": "cny", "subject": "Tea 茶", "body": "Green tea <&>"}
		},
		event:  func(w http.ResponseWriter, _ *http.Request, _ heard) { fmt.Fprint(w, "success") },
		onSite: echo,
	}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) addr() string { return strings.TrimPrefix(b.URL, "http://") }

func (b *backend) serve(w http.ResponseWriter, r *http.Request) {
	if orderNo, ok := strings.CutPrefix(r.URL.Path, ordersPath); ok {
		b.mu.Lock()
		quote := b.quote
		b.mu.Unlock()
		status, answer := quote(orderNo)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	if r.URL.Path != eventsPath {
		b.onSite(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was not received
	}
	b.mu.Lock()
	h := heard{ID: r.Header.Get("webhook-id"), Body: body, Header: r.Header.Clone(), Host: r.Host, Method: r.Method, At: time.Now(), Nth: 1}
	for _, other := range b.heard {
		if other.ID == h.ID {
			h.Nth++
		}
	}
	b.heard = append(b.heard, h)
	event := b.event
	b.mu.Unlock()
	event(w, r, h)
}

// script changes how the backend answers.
func (b *backend) script(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// events returns what was heard so far, of one id or ("") of all.
func (b *backend) events(id string) []heard {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.heard), func(h heard) bool { return id != "" && h.ID != id })
}

// ofOrder returns what was heard so far of an order, by the merchant's number.
func (b *backend) ofOrder(orderNo string) []heard {
	return slices.DeleteFunc(b.events(""), func(h heard) bool { return h.Header.Get("X-Pay-Order-No") != orderNo })
}

// await waits until an event was heard n times, and returns each time.
func (b *backend) await(t testing.TB, id string, n int) []heard {
	t.Helper()
	eventually(t, shortly, func() error {
		if got := len(b.events(id)); got < n {
			return fmt.Errorf("the backend heard %s %d times, want %d", id, got, n)
		}
		return nil
	})
	return b.events(id)
}

// seen is what echo answers.
type seen struct {
	Method string      `json:"method"`
	Host   string      `json:"host"`
	URI    string      `json:"uri"`
	Header http.Header `json:"header"`
}

// echo answers what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-From", "site")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.Host, r.RequestURI, r.Header})
}

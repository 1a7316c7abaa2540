package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	ordersPath    = "/internal/pay/orders/"
	eventsPath    = "/internal/pay/events"
	price         = 100               // fen, of every order
	back          = price / 2         // fen that go back with a refund: a payment whose money goes back whole before it was sent is not announced
	processHeader = "X-Crash-Process" // which process delivers
)

// acceptance is an event that the backend has taken.
type acceptance struct {
	at      time.Time
	process string
}

// receipts are all of one event.
type receipts struct {
	kind, charge, effect string
	under                map[string]int // attempts being answered, by process
	accepted             []acceptance
}

// backend records what it is given. It survives the process under test, and has faults of its own.
type backend struct {
	addr   string
	hook   *standardwebhooks.Webhook
	token  string
	faults *violations
	sent   func(id string) *event // what Ping++ sent under an id
	gone   func(process string) bool

	mu       sync.Mutex
	rnd      *rand.Rand
	mode     map[string]bool // faults that are on
	events   map[string]*receipts
	paid     map[string]bool   // charges whose payment was accepted
	effects  map[string]string // the event that had an effect
	attempts int
	last     time.Time // of the last acceptance

	server *http.Server // nil while cut off
}

func newBackend(rnd *rand.Rand, secret, token string, faults *violations) (*backend, error) {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	b := &backend{
		addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), hook: hook, token: token, faults: faults, rnd: rnd, mode: make(map[string]bool),
		events: make(map[string]*receipts), paid: make(map[string]bool), effects: make(map[string]string),
	}
	return b, b.listen()
}

func (b *backend) listen() error {
	ln, err := net.Listen("tcp", b.addr)
	if err != nil {
		return fmt.Errorf("the backend's port: %w", err)
	}
	b.addr = ln.Addr().String()
	b.server = &http.Server{Handler: b}
	go b.server.Serve(ln)
	return nil
}

// set turns a fault on or off.
func (b *backend) set(fault string, on bool) error {
	b.mu.Lock()
	b.mode[fault] = on
	b.mu.Unlock()
	switch {
	case fault != cut:
	case on && b.server != nil:
		_ = b.server.Close()
		b.server = nil
	case !on && b.server == nil:
		return b.listen()
	}
	return nil
}

func (b *backend) close() { _ = b.set(cut, true) }

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Pay-Token") != b.token {
		b.faults.add("backend token missing", "%s %s", r.Method, r.URL.Path)
	}
	if number, ok := strings.CutPrefix(r.URL.Path, ordersPath); ok {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"order_no": number, "amount": price, "currency": "cny", "subject": "Tea", "body": "Green tea"})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was not received
	}
	id, process := r.Header.Get("Webhook-Id"), r.Header.Get(processHeader)
	if err := b.genuine(id, body, r.Header); err != nil {
		b.faults.add("delivery not genuine", "%s from %s: %v", id, process, err)
		http.Error(w, "not genuine", http.StatusBadRequest)
		return
	}
	b.begin(id, process, body, r.Header)
	b.answer(w, r.Context(), id, process, r.Header.Get("X-Pay-Order-No"))
}

// genuine checks what every delivery has to be: signed for us, and Ping++'s bytes and signature.
func (b *backend) genuine(id string, body []byte, h http.Header) error {
	if err := b.hook.Verify(body, h); err != nil {
		return err
	}
	if h.Get("X-Pay-Source") == "query" {
		if want := "evt_q_" + h.Get("X-Pay-Charge") + "_charge_succeeded"; id != want {
			return fmt.Errorf("learned by query, but is not %s", want)
		}
		return nil
	}
	e := b.sent(id)
	switch {
	case e == nil:
		return fmt.Errorf("nobody sent it")
	case string(body) != string(e.body):
		return fmt.Errorf("the body is another one than was sent")
	case h.Get(signatureHeader) != e.signature:
		return fmt.Errorf("the signature of Ping++ is another one than was sent")
	}
	return nil
}

// begin notes an attempt, and looks at the lane and at who else is at it.
func (b *backend) begin(id, process string, body []byte, h http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	e := b.events[id]
	if e == nil {
		var said struct {
			Data struct{ Object struct{ ID string } }
		}
		_ = json.Unmarshal(body, &said) // it was compared, or is signed
		e = &receipts{kind: h.Get("X-Pay-Event"), charge: h.Get("X-Pay-Charge"), under: make(map[string]int)}
		e.effect = e.kind + " " + said.Data.Object.ID
		b.events[id] = e
	}
	for other, n := range e.under {
		if n > 0 && !b.gone(other) && !b.gone(process) {
			b.faults.add("delivered twice at the same time", "%s by %s and %s at %s", id, other, process, time.Now().Format(clock))
		}
	}
	e.under[process]++
	if e.kind == "refund.succeeded" && !b.paid[e.charge] {
		b.faults.add("refund before its payment", "%s of charge %s by %s at %s", id, e.charge, process, time.Now().Format(clock))
	}
}

// answer accepts the event, or fails as its faults demand. What is accepted is noted before the answer goes out, as a shop
// commits before it answers.
func (b *backend) answer(w http.ResponseWriter, ctx context.Context, id, process, number string) {
	b.mu.Lock()
	mode := func(fault string, share float64) bool { return b.mode[fault] && b.rnd.Float64() < share }
	wait := time.Duration(0)
	if mode(slow, 1) {
		wait = 20*time.Millisecond + time.Duration(b.rnd.Int64N(int64(600*time.Millisecond)))
	}
	breaks, fails := mode(broken, 0.3), b.mode[failed] && unlucky(number)
	b.mu.Unlock()

	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	b.mu.Lock()
	e := b.events[id]
	e.under[process]--
	switch {
	case ctx.Err() != nil: // whoever asked is gone, and a shop would roll back
		b.mu.Unlock()
		return
	case fails, breaks:
		b.mu.Unlock()
	default:
		b.accept(id, process, e)
		b.mu.Unlock()
		fmt.Fprint(w, "success")
		return
	}
	if fails {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Length", "100")
	fmt.Fprint(w, "succ")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func (b *backend) accept(id, process string, e *receipts) {
	b.last = time.Now()
	e.accepted = append(e.accepted, acceptance{b.last, process})
	if e.kind == "charge.succeeded" {
		b.paid[e.charge] = true
	}
	if other, ok := b.effects[e.effect]; ok && other != id {
		b.faults.add("one effect under two ids", "%s as %s and as %s", e.effect, other, id)
	}
	b.effects[e.effect] = id
}

// unlucky chooses the orders that get errors.
func unlucky(number string) bool {
	h := fnv.New32a()
	_, _ = io.WriteString(h, number)
	return h.Sum32()%4 == 0
}

// clock is how times are shown: as in Caddy's log.
const clock = "15:04:05.000"

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.attempts
}

package events

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/store"
)

const (
	maxSending     = 32 // webhooks under way at once
	webhookTimeout = 30 * time.Second
	maxSnippet     = 256 // bytes of a merchant's answer that are kept to show
)

// gaps are Ping++'s waits after the 1st to 7th failed try. Eight tries are all.
var gaps = []time.Duration{2 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour}

// delivery is one event on its way to one URL.
type delivery struct {
	event    *event
	url      string
	status   string // pending, delivered, failed (after the last try), missing (by a fault)
	attempts []Attempt
	due      time.Time
	index    int // in the queue; -1 when not in it
	tries    int
	again    int         // copies to send after it was received (duplicate)
	releases []*delivery // held back until this one's first try is over (disorder)
}

// sender sends events to webhook URLs by Ping++'s schedule.
type sender struct {
	client *http.Client
	scale  float64
	sign   func(body []byte) string
	sent   func(Sent)
	now    func() time.Time
	faults *desk.Faults
	log    *zap.Logger
	ctx    context.Context // ends with the sandbox
	done   chan struct{}   // closed when the worker has ended
	wake   chan struct{}   // tells the worker that the queue changed

	mu      sync.Mutex // guards all below, and the events
	urls    webhooks
	queue   deliveryQueue
	held    []*delivery // out of order: waiting for another event
	sending int         // webhooks under way
}

func newSender(ctx context.Context, cfg Config) *sender {
	s := &sender{scale: cfg.TimeScale, sign: cfg.Sign, sent: cfg.Sent, now: cfg.Now, faults: cfg.Faults, log: cfg.Log,
		ctx: ctx, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	s.useClient(cfg.Client)
	return s
}

// wait waits for the worker to end.
func (s *sender) wait() {
	<-s.done
	s.client.CloseIdleConnections()
}

// useClient takes the caller's client or one of our own. A redirect is an answer, not followed.
func (s *sender) useClient(given *http.Client) {
	client := http.Client{}
	if given != nil {
		client = *given
	}
	if client.Transport == nil {
		client.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	if client.Timeout == 0 {
		client.Timeout = webhookTimeout
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &client
}

func (s *sender) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.scale)
}

// enqueue puts an event on its way to every URL, as its fault would have it.
func (s *sender) enqueue(e *event) {
	f, faulty := s.faults.Take(opWebhook, eventFaults)
	now := time.Now()
	released := s.held
	s.held = nil
	for _, u := range s.urls.of(e.live) {
		d := &delivery{event: e, url: u, status: "pending", due: now, index: -1}
		e.deliveries = append(e.deliveries, d)
		for _, h := range released {
			if h.url == u && h.index >= 0 {
				d.releases = append(d.releases, h)
			}
		}
		if faulty {
			switch f.Name {
			case "missing":
				d.status = "missing"
				continue
			case "late":
				d.due = now.Add(f.OrDefault(s.scaled(2 * time.Minute)))
			case "duplicate":
				d.again = 1
			case "disorder":
				d.due = now.Add(f.OrDefault(s.scaled(time.Minute)))
				s.held = append(s.held, d)
			}
		}
		if s.queue.Len() >= store.Max {
			d.status = "failed"
			s.log.Warn("webhook dropped: too many are waiting", zap.String("event", e.id))
			continue
		}
		heap.Push(&s.queue, d)
	}
	s.poke()
}

// poke tells the worker to look at the queue again.
func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// work sends webhooks when they are due, until the sandbox closes; at most maxSending at once.
func (s *sender) work() {
	defer close(s.done)
	var senders sync.WaitGroup
	defer senders.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, wait := s.takeDue()
		for _, d := range due {
			senders.Go(func() { s.try(d) })
		}
		timer.Reset(wait)
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// takeDue takes deliveries off the queue and tells when the next look is worth it.
func (s *sender) takeDue() (due []*delivery, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for s.queue.Len() > 0 && s.sending < maxSending {
		if wait := s.queue[0].due.Sub(now); wait > 0 {
			return due, wait
		}
		due = append(due, heap.Pop(&s.queue).(*delivery))
		s.sending++
	}
	return due, time.Hour // a finished try, or a new event, pokes
}

// try sends a delivery once, and tells Config.Sent of it.
func (s *sender) try(d *delivery) {
	f, _ := s.faults.Call(opWebhook, attemptFaults...)
	started := time.Now()
	a := Attempt{At: s.now(), Fault: f.Name}
	body, signature := d.event.body, http.Header{"X-Pingplusplus-Signature": {d.event.signature}}
	switch f.Name {
	case "bad_signature":
		signature.Set("X-Pingplusplus-Signature", s.sign(append([]byte("another body "), body...)))
	case "empty_signature":
		signature.Set("X-Pingplusplus-Signature", "")
	case "no_signature":
		signature = http.Header{}
	case "altered_body":
		body = alter(body)
	}
	a.Status, a.Snippet, a.Error = s.post(d.url, body, signature)
	a.Millis = time.Since(started).Milliseconds()
	if sent, ok := s.tried(d, a); ok && s.sent != nil {
		s.sent(sent) // not under the lock: it may write to somebody slow
	}
}

// tried records a try and decides what becomes of the delivery; false once the sandbox is closed.
func (s *sender) tried(d *delivery, a Attempt) (Sent, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending--
	defer s.poke()
	if s.ctx.Err() != nil {
		return Sent{}, false
	}
	d.attempts = append(d.attempts, a)
	d.tries++
	s.settle(d, a)
	for _, h := range d.releases {
		if h.index >= 0 {
			h.due = time.Now()
			heap.Fix(&s.queue, h.index)
		}
	}
	d.releases = nil
	s.log.Info("webhook sent", zap.String("event", d.event.id), zap.String("type", d.event.kind), zap.Int("try", d.tries),
		zap.Int("status", a.Status), zap.String("error", a.Error), zap.String("delivery", d.status))
	e := d.event
	sent := Sent{Event: e.id, Type: e.kind, Charge: e.charge, Livemode: e.live, URL: d.url, Try: d.tries, Attempt: a, Delivery: d.status}
	if d.index >= 0 {
		due := d.due
		sent.Next = &due
	}
	return sent, true
}

// settle applies the schedule: any 2xx ends it, and so does the last try.
func (s *sender) settle(d *delivery, a Attempt) {
	if a.Status >= 200 && a.Status < 300 {
		d.status = "delivered"
		if d.again > 0 {
			d.again--
			d.due = time.Now()
			heap.Push(&s.queue, d)
		}
		return
	}
	if d.status == "delivered" { // a refused copy of what was received needs no repeat
		return
	}
	if d.tries > len(gaps) {
		d.status = "failed"
		return
	}
	d.due = time.Now().Add(s.scaled(gaps[d.tries-1]))
	heap.Push(&s.queue, d)
}

// post sends one webhook and returns the status and the beginning of the answer, or why there is none.
func (s *sender) post(target string, body []byte, header http.Header) (status int, snippet, failure string) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", "the webhook URL is malformed"
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json;charset=utf-8")
	r.Header.Set("User-Agent", "Pingplusplus-Sandbox/1.0")
	res, err := s.client.Do(r)
	if err != nil {
		return 0, "", reason(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, maxSnippet))
	if err != nil {
		return res.StatusCode, "", reason(err)
	}
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)                                   // lets the connection be used again
	return res.StatusCode, redact.Contacts(string(got), len(got) == maxSnippet), "" // a merchant may try with real people
}

// reason is an error without the URL, whose query may hold a secret.
func reason(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Sprint(err)
}

// alter changes a body so that it still reads as JSON: the amount grows by a digit, and where there is
// none a space goes to the end.
func alter(body []byte) []byte {
	const amount = `"amount":`
	if i := bytes.Index(body, []byte(amount)); i >= 0 {
		i += len(amount)
		return append(append(append([]byte{}, body[:i]...), '9'), body[i:]...)
	}
	return append(append([]byte{}, body...), ' ')
}

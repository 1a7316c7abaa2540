package sandbox

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

	"github.com/caddypay/caddypay/sandbox/store"

	"go.uber.org/zap"
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

// Attempt is one try of a delivery.
type Attempt struct {
	At      time.Time `json:"at"`
	Millis  int64     `json:"ms"`
	Status  int       `json:"status,omitempty"` // of the merchant's answer
	Error   string    `json:"error,omitempty"`  // why there was no answer
	Snippet string    `json:"snippet,omitempty"`
	Fault   string    `json:"fault,omitempty"`
}

// Sent is one try of a webhook, and what came back. Answers, and events that a caller of the levers made, may hold any bytes.
type Sent struct {
	Event    string `json:"event"`
	Type     string `json:"type"`
	Charge   string `json:"charge,omitempty"`
	Livemode bool   `json:"livemode"`
	URL      string `json:"url"`
	Try      int    `json:"try"` // from 1
	Attempt
	Delivery string     `json:"delivery"`          // delivered, failed, or pending: it is tried again
	Next     *time.Time `json:"next_at,omitempty"` // when; or when a copy goes out (duplicate)
}

// useClient takes the caller's client or one of our own. A redirect is an answer, not followed.
func (s *Sandbox) useClient(given *http.Client) {
	client := http.Client{}
	if given != nil {
		client = *given
	}
	if client.Transport == nil {
		s.ownConns = http.DefaultTransport.(*http.Transport).Clone()
		client.Transport = s.ownConns
	}
	if client.Timeout == 0 {
		client.Timeout = webhookTimeout
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.sender = &client
}

func (s *Sandbox) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.cfg.TimeScale)
}

// enqueue puts an event on its way to every URL, as its fault would have it.
func (s *Sandbox) enqueue(e *event) {
	f, faulty := s.takeFault(opWebhook, eventFaults)
	now := time.Now()
	released := s.held
	s.held = nil
	for _, u := range s.webhooks.of(e.live) {
		d := &delivery{event: e, url: u, status: "pending", due: now, index: -1}
		e.deliveries = append(e.deliveries, d)
		for _, h := range released {
			if h.url == u && h.index >= 0 {
				d.releases = append(d.releases, h)
			}
		}
		if faulty {
			switch f.name {
			case "missing":
				d.status = "missing"
				continue
			case "late":
				d.due = now.Add(orDefault(f.delay, s.scaled(2*time.Minute)))
			case "duplicate":
				d.again = 1
			case "disorder":
				d.due = now.Add(orDefault(f.delay, s.scaled(time.Minute)))
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
func (s *Sandbox) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// work settles refunds and sends webhooks when they are due, until Close; at most maxSending at once.
func (s *Sandbox) work() {
	defer close(s.done)
	var senders sync.WaitGroup
	defer senders.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		settle := s.settleDue()
		due, wait := s.takeDue()
		wait = min(wait, settle)
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
func (s *Sandbox) takeDue() (due []*delivery, wait time.Duration) {
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
func (s *Sandbox) try(d *delivery) {
	s.mu.Lock()
	s.calls[opWebhook]++
	f, _ := s.takeFault(opWebhook, attemptFaults)
	s.mu.Unlock()

	started := time.Now()
	a := Attempt{At: s.cfg.Now(), Fault: f.name}
	body, signature := d.event.body, http.Header{"X-Pingplusplus-Signature": {d.event.signature}}
	switch f.name {
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
	if sent, ok := s.tried(d, a); ok && s.cfg.Sent != nil {
		s.cfg.Sent(sent) // not under the lock: it may write to somebody slow
	}
}

// tried records a try and decides what becomes of the delivery; false once the sandbox is closed.
func (s *Sandbox) tried(d *delivery, a Attempt) (Sent, bool) {
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
func (s *Sandbox) settle(d *delivery, a Attempt) {
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
func (s *Sandbox) post(target string, body []byte, header http.Header) (status int, snippet, failure string) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", "the webhook URL is malformed"
	}
	r.Header = header
	r.Header.Set("Content-Type", apiJSON)
	r.Header.Set("User-Agent", "Pingplusplus-Sandbox/1.0")
	res, err := s.sender.Do(r)
	if err != nil {
		return 0, "", reason(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, maxSnippet))
	if err != nil {
		return res.StatusCode, "", reason(err)
	}
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // lets the connection be used again
	return res.StatusCode, string(got), ""
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

// deliveryQueue is a heap by due time.
type deliveryQueue []*delivery

func (q deliveryQueue) Len() int           { return len(q) }
func (q deliveryQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q deliveryQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for container/heap.
func (q *deliveryQueue) Push(x any) {
	d := x.(*delivery)
	d.index = len(*q)
	*q = append(*q, d)
}

// Pop is for container/heap.
func (q *deliveryQueue) Pop() any {
	old := *q
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	d.index = -1
	return d
}

var _ heap.Interface = (*deliveryQueue)(nil)

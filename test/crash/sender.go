package main

import (
	"bytes"
	"container/heap"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	maxTries  = 8 // like Ping++
	twice     = 0.03
	twins     = 0.01
	refunded  = 0.5
	sendLimit = time.Minute
)

// sender is an open loop: each event goes out at its time, whatever has become of those before. What is not acknowledged goes
// out again, as Ping++ does it, only sooner.
type sender struct {
	rate     float64
	disorder float64
	ping     *pingpp
	targets  func() []string // where webhooks are taken now
	client   *http.Client

	mu       sync.Mutex
	rnd      *rand.Rand
	agenda   agenda
	events   map[string]*event // by id, all that were ever made
	acked    int
	requests int
	statuses map[int]int // 0: no answer
	silences []span      // during which a request waited that got no answer
	lastAck  time.Time
	under    sync.WaitGroup
}

func newSender(o options, rnd *rand.Rand) *sender {
	return &sender{
		rate: o.rate, disorder: o.disorder, rnd: rnd, events: make(map[string]*event), statuses: make(map[int]int),
		client: &http.Client{Timeout: sendLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 200, MaxConnsPerHost: 0}},
	}
}

// run sends until ctx ends, and waits for what is under way.
func (s *sender) run(ctx context.Context) {
	defer s.client.CloseIdleConnections()
	defer s.under.Wait()
	start := time.Now()
	for i := 0; ; i++ {
		at := time.NewTimer(time.Until(start.Add(time.Duration(float64(i) / s.rate * float64(time.Second)))))
		select {
		case <-at.C:
		case <-ctx.Done():
			at.Stop()
			return
		}
		targets := s.targets()
		if len(targets) == 0 {
			continue
		}
		e := s.next()
		s.under.Go(func() { s.send(e, targets[i%len(targets)]) })
	}
}

// next is what is due, or the payment of a new order.
func (s *sender) next() *event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.agenda) > 0 && !s.agenda[0].at.After(time.Now()) {
		return heap.Pop(&s.agenda).(due).event
	}
	o := s.ping.newOrder()
	e := s.ping.payment(o)
	s.events[e.id] = e
	s.plan(e)
	return e
}

// plan decides what comes of an order beside its payment.
func (s *sender) plan(payment *event) {
	switch dice := s.rnd.Float64(); {
	case dice < twins:
		twin := s.ping.payment(payment.order)
		s.events[twin.id] = twin
		s.later(twin, 0)
	case dice < twins+refunded:
		refund := s.ping.refund(payment.order)
		s.events[refund.id] = refund
		if s.rnd.Float64() < s.disorder {
			s.later(refund, 0)
		} else {
			payment.then = refund
		}
	}
}

// submit takes a payment of the sandbox's; silent ones are never sent.
func (s *sender) submit(e *event, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[e.id] = e
	if silent {
		return
	}
	s.plan(e)
	s.later(e, 0)
}

func (s *sender) later(e *event, wait time.Duration) {
	heap.Push(&s.agenda, due{time.Now().Add(wait), e})
}

func (s *sender) send(e *event, url string) {
	sent := time.Now()
	status := s.post(e, url)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.first.IsZero() {
		e.first = sent
	}
	if status == 0 {
		s.silences = append(s.silences, span{unix(sent), unix(time.Now())})
	}
	s.requests++
	s.statuses[status]++
	e.tries++
	if status != http.StatusOK {
		if e.tries < maxTries && e.acked.IsZero() {
			s.later(e, 200*time.Millisecond+time.Duration(s.rnd.Int64N(int64(time.Second))))
		}
		return
	}
	s.lastAck = time.Now()
	if !e.acked.IsZero() {
		return
	}
	e.acked = s.lastAck
	s.acked++
	if e.then != nil {
		s.later(e.then, time.Duration(s.rnd.Int64N(int64(300*time.Millisecond))))
	}
	if s.rnd.Float64() < twice {
		s.later(e, time.Duration(s.rnd.Int64N(int64(time.Second))))
	}
}

// post returns the status; 0 when there was no whole answer.
func (s *sender) post(e *event, url string) int {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(e.body))
	if err != nil {
		return 0
	}
	req.Header.Set(signatureHeader, e.signature)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // Ping++ goes by the status alone
	return resp.StatusCode
}

// event is what was made under an id.
func (s *sender) event(id string) *event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[id]
}

// lastAcked is when an event was acknowledged last, and refused how many answers were 503 so far.
func (s *sender) lastAcked() (at time.Time, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastAck, s.statuses[http.StatusServiceUnavailable]
}

// due is an event and when it is to go out.
type due struct {
	at    time.Time
	event *event
}

// agenda is a heap of what is to be sent, earliest first.
type agenda []due

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(due)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

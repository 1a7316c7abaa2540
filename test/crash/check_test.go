package main

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built.dir)
		os.Exit(code)
	}))
}

// accepts gives the backend an event as a delivery would, signature and all else aside.
func accepts(b *backend, e *event, process string) {
	h := http.Header{"X-Pay-Event": {e.kind}, "X-Pay-Charge": {e.order.charge}}
	b.begin(e.id, process, e.body, h)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[e.id].under[process]--
	b.accept(e.id, process, b.events[e.id])
}

// Every kind of broken promise that the backend's side shows is named, and nothing else is.
func TestChecks(t *testing.T) {
	o := &order{number: "K1", charge: "ch_1"}
	payment := &event{id: "evt_1", kind: "charge.succeeded", object: "ch_1", order: o, body: []byte(`{"data":{"object":{"id":"ch_1"}}}`)}
	twin := &event{id: "evt_2", kind: "charge.succeeded", object: "ch_1", order: o, body: payment.body}
	refund := &event{id: "evt_3", kind: "refund.succeeded", object: "re_1", order: o, body: []byte(`{"data":{"object":{"id":"re_1"}}}`)}
	for _, tt := range []struct {
		name string
		play func(c *conductor)
		want []string
	}{
		{"as it should be", func(c *conductor) {
			accepts(c.backend, payment, "a1")
			accepts(c.backend, refund, "a1")
		}, nil},
		{"lost", func(c *conductor) {
			refund := *refund
			refund.acked = time.Now()
			c.sender.events[refund.id] = &refund
			accepts(c.backend, payment, "a1")
		}, []string{"acknowledged, never delivered"}},
		{"a twin counts", func(c *conductor) {
			twin := *twin
			twin.acked = time.Now()
			c.sender.events[twin.id] = &twin
			accepts(c.backend, payment, "a1")
		}, nil},
		{"refund first", func(c *conductor) {
			accepts(c.backend, refund, "a1")
			accepts(c.backend, payment, "a1")
		}, []string{"refund before its payment"}},
		{"two ids", func(c *conductor) {
			accepts(c.backend, payment, "a1")
			accepts(c.backend, twin, "a1")
		}, []string{"one effect under two ids"}},
		{"again for no reason", func(c *conductor) {
			accepts(c.backend, payment, "a1")
			accepts(c.backend, payment, "a1")
		}, []string{"delivered again without a reason"}},
		{"again after a kill", func(c *conductor) {
			accepts(c.backend, payment, "a1")
			c.rep.restarts = []restart{{ended: time.Now(), killed: "a1"}}
			accepts(c.backend, payment, "a2")
		}, nil},
		{"again long before the kill", func(c *conductor) {
			accepts(c.backend, payment, "a1")
			c.rep.restarts = []restart{{ended: time.Now().Add(time.Minute), killed: "a1"}}
			accepts(c.backend, payment, "a2")
		}, []string{"delivered again without a reason"}},
		{"again since the disk was full", func(c *conductor) {
			c.rep.windows = []window{{fault: full, from: time.Now(), to: time.Now()}}
			accepts(c.backend, payment, "a1")
			accepts(c.backend, payment, "b2")
		}, nil},
		{"two at a time", func(c *conductor) {
			h := http.Header{"X-Pay-Event": {payment.kind}, "X-Pay-Charge": {o.charge}}
			c.backend.begin(payment.id, "a1", payment.body, h)
			c.backend.begin(payment.id, "b2", payment.body, h)
		}, []string{"delivered twice at the same time"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &conductor{rep: &report{}, sender: newSender(options{}, nil), shop: newShop(nil, nil, 0)}
			b, err := newBackend(nil, newSecret(), "token", &c.rep.faults)
			if err != nil {
				t.Fatal(err)
			}
			defer b.close()
			b.gone = func(string) bool { return false }
			c.backend = b
			tt.play(c)
			c.checkArrivals()
			c.checkDuplicates()
			if !slices.Equal(c.rep.faults.kinds, tt.want) {
				t.Errorf("%q, want %q", c.rep.faults.list(), tt.want)
			}
		})
	}
}

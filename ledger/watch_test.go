package ledger

import (
	"sync"
	"testing"
)

func TestNotifierMergesSignals(t *testing.T) {
	var n Notifier
	s := Scope{App: "app_1", Mode: Test}
	changed, stop := n.Watch(EventsTopic(s))
	defer stop()
	for range 3 {
		n.Signal(ChargeTopic(s, "ch_1"), EventsTopic(s), EventsTopic(s))
	}
	if len(changed) != 1 {
		t.Fatalf("%d signals wait after many, want one that stands for all", len(changed))
	}
	<-changed
	n.Signal(EventsTopic(Scope{App: "app_1", Mode: Live}))
	if len(changed) != 0 {
		t.Fatal("the live mode's signal reached a watcher of the test mode")
	}
}

func TestNotifierForgets(t *testing.T) {
	var n Notifier
	topic := OrderTopic(Scope{App: "app_1", Mode: Live}, "1")
	first, stopFirst := n.Watch(topic)
	second, stopSecond := n.Watch(topic)
	stopFirst()
	stopFirst()
	n.Signal(topic)
	if len(first) != 0 || len(second) != 1 {
		t.Fatalf("after the first watch ended: %d and %d signals, want 0 and 1", len(first), len(second))
	}
	stopSecond()
	if len(n.watchers) != 0 {
		t.Fatalf("%d topics kept after all watches ended", len(n.watchers))
	}
}

func TestNotifierConcurrent(t *testing.T) {
	var n Notifier
	topic := Topic("t")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				changed, stop := n.Watch(topic)
				n.Signal(topic)
				<-changed
				stop()
			}
		})
	}
	wg.Wait()
}

func TestEffect(t *testing.T) {
	for _, c := range []struct {
		typ, want string
	}{
		{"charge.succeeded", "obj_1 charge.succeeded"},
		{"order.succeeded", "obj_1 order.succeeded"},
		{"refund.succeeded", "obj_1 refund.succeeded"},
		{"refund.failed", "obj_1 refund.failed"},
		{"charge.reversed", "evt_1"},
		{"", "evt_1"},
	} {
		e := Event{ID: "evt_1", ObjectID: "obj_1", Type: c.typ}
		if got := e.Effect(); got != c.want {
			t.Errorf("effect of %q: %q, want %q", c.typ, got, c.want)
		}
	}
}

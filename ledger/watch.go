package ledger

import "sync"

// Notifier carries the signals of [Ledger.Watch] within one process; an implementation embeds it and calls Signal after
// each commit. Its zero value is ready. It needs no goroutine and nothing to close.
type Notifier struct {
	mu       sync.Mutex
	watchers map[Topic]map[chan struct{}]struct{}
}

// Watch is [Ledger.Watch].
func (n *Notifier) Watch(topic Topic) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers == nil {
		n.watchers = make(map[Topic]map[chan struct{}]struct{})
	}
	if n.watchers[topic] == nil {
		n.watchers[topic] = make(map[chan struct{}]struct{})
	}
	n.watchers[topic][c] = struct{}{}
	return c, func() { n.forget(topic, c) }
}

// Signal wakes everybody who watches one of the topics. It never blocks: a signal that nobody has taken yet stands for
// this one too.
func (n *Notifier) Signal(topics ...Topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, topic := range topics {
		for c := range n.watchers[topic] {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

func (n *Notifier) forget(topic Topic, c chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.watchers[topic], c)
	if len(n.watchers[topic]) == 0 {
		delete(n.watchers, topic)
	}
}

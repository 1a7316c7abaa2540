package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// signalled waits for a signal, which the one that looks each second by itself is too late for.
func signalled(t *testing.T, changed <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Fatal("no signal: " + what)
	}
}

// What one node accepts wakes the others, again after their connections were lost.
func TestListen(t *testing.T) {
	proxy := pgtest.NewProxy(t, newDatabase(t))
	a := open(t, Options{DSN: proxy.DSN(), Patience: time.Minute})
	b := open(t, Options{DSN: proxy.DSN(), Patience: time.Minute})
	changed, stop := b.Watch(ledger.EventsTopic(live))
	defer stop()
	n := 0
	accept := func() {
		t.Helper()
		n++
		_, err := a.Append(t.Context(), event(fmt.Sprint("evt_", n)))
		must(t, err)
	}
	// Until both have connected nothing is promised.
	heard := func(what string) {
		t.Helper()
		eventually(t, what, func() bool {
			accept()
			select {
			case <-changed:
				return true
			case <-time.After(200 * time.Millisecond):
				return false
			}
		})
	}
	heard("the other node is told")
	for range 3 {
		accept()
		signalled(t, changed, "of an event on another node")
	}
	proxy.Break()
	heard("the other node is told after its connection was lost")
}

// Behind a pooler nobody listens, and nothing fails for that.
func TestListenOff(t *testing.T) {
	l := open(t, Options{DSN: newDatabase(t), NoListen: true, Patience: time.Minute})
	changed, stop := l.Watch(ledger.EventsTopic(live))
	defer stop()
	_, err := l.Append(t.Context(), event("evt_1"))
	must(t, err)
	signalled(t, changed, "of an event on this node")
	if n := ask(t, l.pool.Config().ConnString(), `SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()`); n[0] != 0 {
		t.Errorf("%d connections listen", n[0])
	}
}

// However many topics there are, what is told at once fits into one NOTIFY, that somebody may deliver something comes first, and nothing is told twice.
func TestPayload(t *testing.T) {
	w := newWakener(&Ledger{}, nil)
	var all []ledger.Topic
	for i := range 500 {
		all = append(all, ledger.OrderTopic(live, fmt.Sprintf("%040d", i)))
	}
	all = append(all, ledger.EventsTopic(live), ledger.OrderTopic(live, strings.Repeat("x", notifyBytes)), ledger.OrderTopic(live, "\"\n"))
	w.tell(all)
	o := newWakener(&Ledger{}, nil)
	var got []ledger.Topic
	for more, first := true, true; more; first = false {
		var text string
		text, more = w.payload()
		if len(text) >= 8000 {
			t.Errorf("%d bytes", len(text))
		}
		if first && !strings.Contains(text, string(ledger.EventsTopic(live))) {
			t.Error("what may be delivered is not told first")
		}
		var signals []ledger.Topic
		for _, topic := range all {
			changed, stop := o.ledger.Watch(topic)
			defer stop()
			if o.hear(text); len(changed) > 0 {
				signals = append(signals, topic)
			}
		}
		got = append(got, signals...)
	}
	if len(got) != len(all)-1 {
		t.Errorf("%d of %d topics are told; all are but the one that is too long", len(got), len(all))
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(all)-1 {
		t.Error("some are told twice")
	}
	if text, _ := w.payload(); text != `["`+w.node+`"]` {
		t.Errorf("then: %s", text)
	}
}

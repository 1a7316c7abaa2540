package postgres

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	channel     = "caddypay"
	notifyGap   = 10 * time.Millisecond // between two NOTIFY of a node, however much it writes
	notifyBytes = 7900                  // of one: the server takes less than 8,000
	notifyMost  = 2000                  // topics that wait for one; others look by themselves
	listenPulse = 15 * time.Second      // without a word until the connection is asked whether it lives
	listenWait  = 3 * time.Second       // for an answer
	listenAgain = 5 * time.Second       // at most, until a lost connection is made again
)

// wakener tells other nodes what this one has touched, and hears what they have, on a connection of its own. No transaction that writes has a NOTIFY in it:
// the server lets those commit one after the other, for all databases. Whoever listens to nobody looks by himself, as all do now and then.
type wakener struct {
	ledger *Ledger
	config *pgx.ConnConfig
	node   string // names this one: it knows its own topics

	mu      sync.Mutex
	waiting map[ledger.Topic]bool
	some    chan struct{} // receives when there are some
}

func newWakener(l *Ledger, config *pgx.ConnConfig) *wakener {
	names := []byte(nil)
	for range 4 {
		names = append(names, "bcdfghjklmnpqrstvwxz"[rand.IntN(20)], "aeiou"[rand.IntN(5)])
	}
	return &wakener{ledger: l, config: config, node: string(names), waiting: make(map[ledger.Topic]bool), some: make(chan struct{}, 1)}
}

// tell has other nodes told of topics.
func (w *wakener) tell(topics []ledger.Topic) {
	if len(topics) == 0 {
		return
	}
	w.mu.Lock()
	for _, topic := range topics {
		if len(w.waiting) < notifyMost || isEvents(topic) {
			w.waiting[topic] = true
		}
	}
	w.mu.Unlock()
	w.ring()
}

func (w *wakener) ring() {
	select {
	case w.some <- struct{}{}:
	default:
	}
}

// isEvents says that somebody may deliver something: that is told first.
func isEvents(topic ledger.Topic) bool { return strings.HasPrefix(string(topic), "events ") }

// payload takes as many topics as one NOTIFY holds, and says whether others still wait.
func (w *wakener) payload() (text string, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := []string{w.node}
	size := len(w.node) + 4
	for _, first := range []bool{true, false} {
		for topic := range w.waiting {
			b, _ := json.Marshal(topic) // strings always can
			if isEvents(topic) != first || size+len(b)+1 > notifyBytes && len(b) < notifyBytes/2 {
				continue
			}
			delete(w.waiting, topic)
			if size += len(b) + 1; size <= notifyBytes { // what is too long for any is not told
				names = append(names, string(topic))
			}
		}
	}
	b, _ := json.Marshal(names)
	return string(b), len(w.waiting) > 0
}

// hear signals what another node has touched.
func (w *wakener) hear(payload string) {
	var names []string
	if json.Unmarshal([]byte(payload), &names) != nil || len(names) == 0 || names[0] == w.node {
		return
	}
	for _, name := range names[1:] {
		w.ledger.Signal(ledger.Topic(name))
	}
}

// run goes on until the ledger is closed.
func (w *wakener) run(ctx context.Context) {
	told := false // the operator knows
	for pause, again := notifyGap, false; ; again = true {
		began := time.Now()
		err := w.listen(ctx, again)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > listenAgain {
			pause, told = notifyGap, false
		}
		if !told {
			w.ledger.log.Warn("listening to other nodes is interrupted; events that they accept are found by looking each second meanwhile. Behind PgBouncer in "+
				"transaction mode write: listen off", zap.Error(err))
			told = true
		}
		select { // not all at once when the server comes back
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, listenAgain)
	}
}

// listen connects, listens and tells until the connection fails.
func (w *wakener) listen(ctx context.Context, again bool) error {
	if err := w.ledger.gate.enter(); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, w.config.Copy())
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), listenWait)
		defer cancel()
		_ = conn.Close(closing)
	}()
	exec := func(text string, args ...any) error {
		ctx, cancel := context.WithTimeout(ctx, listenWait)
		defer cancel()
		_, err := conn.Exec(ctx, text, args...)
		return err
	}
	// A NOTIFY waits for no disk and no replica: whoever commits one holds all others up.
	if err := exec("SET synchronous_commit = off"); err != nil {
		return err
	}
	if err := exec("LISTEN " + channel); err != nil {
		return err
	}
	if again { // what happened meanwhile was not heard
		for _, s := range w.ledger.scopes.all() {
			w.ledger.Signal(ledger.EventsTopic(s))
		}
	}
	w.ring()
	for next := time.Now(); ; {
		asked, err := w.wait(ctx, conn)
		if err != nil {
			return err
		}
		if !asked {
			if err := exec("SELECT 1"); err != nil {
				return err
			}
			continue
		}
		time.Sleep(time.Until(next))
		text, more := w.payload()
		if err := exec("SELECT pg_notify($1, $2)", channel, text); err != nil {
			return err
		}
		if next = time.Now().Add(notifyGap); more {
			w.ring()
		}
	}
}

// wait hears what other nodes tell until something is to be told them, or for long nothing was said.
func (w *wakener) wait(ctx context.Context, conn *pgx.Conn) (asked bool, err error) {
	hearing, stop := context.WithTimeout(ctx, listenPulse)
	defer stop()
	over := make(chan bool, 1)
	go func() {
		select {
		case <-w.some:
			over <- true
		case <-hearing.Done():
			over <- false
		}
		stop()
	}()
	for {
		n, err := conn.WaitForNotification(hearing)
		if err != nil {
			stop()
			asked = <-over
			if conn.IsClosed() || ctx.Err() != nil {
				return asked, err
			}
			return asked, nil
		}
		w.hear(n.Payload)
	}
}

// all are those that are known.
func (s *scopes) all() []ledger.Scope {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []ledger.Scope
	for scope := range s.id {
		all = append(all, scope)
	}
	return slices.Clip(all)
}

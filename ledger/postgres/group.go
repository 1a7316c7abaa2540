package postgres

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	groupMost  = 64  // functions in a transaction: bounds how long the locks of one are kept for the others
	groupQueue = 512 // functions that wait; further callers wait to get in
	groups     = 2   // transactions at a time: one is put together while the other is forced to the disk
	yields     = 2   // how often others are let run before a transaction begins: whoever is about to come, and has only to be given a core, is in it then
)

// group puts what events come with into one transaction for many: one COMMIT, and few round trips. The functions of its members run in step: what each
// of them asks next goes to the server at once, as one.
//
// To the server they are one, so that it keeps none from what another has locked. The group does: a member waits for one that has locked the same, until
// that is done with it. When anything goes wrong nothing of the transaction stays, and each member is on its own.
type group struct {
	ledger *Ledger
	queue  chan *member
	over   chan struct{} // closed when nothing more is taken from the queue
}

// member is a function that is to be run in a transaction with others.
type member struct {
	ctx    context.Context // bounds all waiting
	caller context.Context
	run    func(core.Tx) error
	taken  atomic.Bool // by a group, or by a caller who has no more patience
	result chan error

	tx     *tx
	asked  []stmt     // what it waits for
	answer chan error // to that
	ended  bool
}

// errAlone tells a caller to run its function in a transaction of its own.
var errAlone = errors.New("the group's transaction was undone")

func newGroup(l *Ledger) *group {
	return &group{ledger: l, queue: make(chan *member, groupQueue), over: make(chan struct{})}
}

// write runs a function in a transaction with others, and returns once that is on disk.
func (g *group) write(caller context.Context, f func(core.Tx) error) error {
	if err := caller.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), g.ledger.patience)
	defer cancel()
	m := &member{ctx: ctx, caller: caller, run: f, result: make(chan error, 1)}
	select {
	case g.queue <- m:
	case <-g.over:
		return ledger.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	select {
	case err = <-m.result:
	case <-ctx.Done():
		err = m.leave(ctx.Err())
	case <-g.over:
		err = m.leave(ledger.ErrClosed)
	}
	if errors.Is(err, errAlone) {
		end, _ := ctx.Deadline()
		return g.ledger.write(caller, time.Until(end), false, f)
	}
	return err
}

// leave gives up waiting to be taken. What is taken runs, with what is its caller's, and has a result.
func (m *member) leave(why error) error {
	if m.taken.CompareAndSwap(false, true) {
		return why
	}
	return <-m.result
}

// work runs groups until the ledger is closed.
func (g *group) work(ctx context.Context) {
	var all sync.WaitGroup
	for range groups {
		all.Go(func() {
			for {
				select {
				case first := <-g.queue:
					g.transact(g.gather(first))
				case <-ctx.Done():
					return
				}
			}
		})
	}
	all.Wait()
	close(g.over)
}

// gather takes what waits already.
func (g *group) gather(first *member) (ms []*member) {
	take := func(m *member) {
		switch {
		case !m.taken.CompareAndSwap(false, true):
		case m.caller.Err() != nil:
			m.result <- m.caller.Err()
		default:
			ms = append(ms, m)
		}
	}
	take(first)
	for yielded := 0; len(ms) < groupMost; {
		select {
		case m := <-g.queue:
			take(m)
			continue
		default:
		}
		if yielded == yields {
			break
		}
		yielded++
		runtime.Gosched()
	}
	return ms
}

// transact runs members in one transaction, and tells each what became of it.
func (g *group) transact(ms []*member) {
	if len(ms) == 0 {
		return
	}
	err := g.together(ms)
	for _, m := range ms {
		m.result <- err
	}
}

func (g *group) together(ms []*member) error {
	l := g.ledger
	ctx := ms[0].ctx // nobody has waited longer
	conn, err := l.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	w := &wire{ctx: ctx, conn: conn.Conn()}
	whole := &tx{session: session{link: w, scopes: &l.scopes}, ledger: l}
	whole.begin(false, l.patience)
	if err = whole.inStep(ms); err != nil {
		whole.rollback(w)
		if ctx.Err() == nil {
			err = errAlone
		}
		return err
	}
	if err = whole.commit(w, false); err != nil {
		if l.doubt(err); undone(err) {
			err = errAlone
		}
		return err
	}
	l.committed(whole)
	return nil
}

// inStep runs the functions of members, and gathers what they did in the transaction.
func (t *tx) inStep(ms []*member) (err error) {
	asks := make(chan *member)
	holder := make(map[string]*member) // of what is locked
	running := len(ms)
	for _, m := range ms {
		m.answer = make(chan error)
		lends, _ := m.caller.Value(appending{}).(bool)
		m.tx = &tx{session: session{link: &step{m, asks}, scopes: t.scopes}, ledger: t.ledger, lends: lends}
		go func() {
			err := t.ledger.call(m.tx, m.run)
			m.ended, m.asked = true, m.tx.ahead
			if err != nil { // it is told by a run of its own
				m.asked = []stmt{{text: sqlUndo}}
			}
			asks <- m
		}()
	}
	var waiting []*member // those who have asked, in the order of asking
	for {
		for ; running > 0; running-- {
			waiting = append(waiting, <-asks)
		}
		if len(waiting) == 0 {
			return err
		}
		var names []string
		var round, kept []*member
		for _, m := range waiting {
			wants, free := m.wants(holder)
			if err == nil && !free {
				kept = append(kept, m)
				continue
			}
			for _, name := range wants {
				if holder[name] == nil {
					holder[name] = m
					names = append(names, name)
				}
			}
			round = append(round, m)
		}
		if len(round) == 0 { // they wait for each other
			round, kept, err = kept, nil, errAlone
		}
		if err == nil {
			err = t.send(round, names)
		}
		for _, m := range round {
			if m.ended {
				t.join(m.tx)
				for name, of := range holder {
					if of == m {
						holder[name] = nil
					}
				}
				continue
			}
			running++
			m.answer <- err
		}
		waiting = kept
	}
}

// sqlUndo stands for what ends the transaction for all.
const sqlUndo = `undo`

// wants are the names that a member waits to lock, and whether no other member has one of them.
func (m *member) wants(holder map[string]*member) (names []string, free bool) {
	for _, s := range m.asked {
		if s.text != sqlLock {
			continue
		}
		for _, name := range s.args[0].([]string) {
			if of := holder[name]; of != nil && of != m {
				return nil, false
			}
			names = append(names, name)
		}
	}
	return names, true
}

// send has what members ask run, all locks first and in one order: so two groups never wait for each other in the first step, and few do later.
func (t *tx) send(round []*member, names []string) error {
	if len(names) > 0 {
		slices.Sort(names)
		t.ahead = append(t.ahead, stmt{text: sqlLock, args: []any{slices.Compact(names)}})
	}
	wait := false
	var texts []string // of what is asked by many, in the order in which each of them asks it
	many := make(map[string][]stmt)
	for _, m := range round {
		for _, s := range m.asked {
			switch _, some := bulks[s.text]; {
			case s.text == sqlLock:
			case s.text == sqlUndo:
				return errAlone
			case some:
				if many[s.text] == nil {
					texts = append(texts, s.text)
				}
				many[s.text] = append(many[s.text], s)
			default:
				t.ahead = append(t.ahead, s)
			}
		}
		wait = wait || !m.ended
	}
	for _, text := range texts { // behind what each of them told before
		if of := many[text]; len(of) > 1 {
			t.ahead = append(t.ahead, bulks[text].merged(of))
		} else {
			t.ahead = append(t.ahead, of...)
		}
	}
	if !wait {
		return nil // it goes out with what comes next
	}
	return t.flush()
}

// join takes over what a member has done beside its statements.
func (t *tx) join(m *tx) {
	for of, n := range m.counts {
		t.add(of, n)
	}
	for scope, due := range m.dues {
		t.lower(scope, due)
	}
	for of, id := range m.fresh {
		t.remember(of, id)
	}
	for _, topic := range m.topics {
		t.Touch(topic)
	}
}

// step is the link of a member.
type step struct {
	member *member
	asks   chan<- *member
}

func (s *step) send(stmts []stmt) error {
	s.member.asked = stmts
	s.asks <- s.member
	return <-s.member.answer
}

// doubt tells the operator of what is not durable.
func (l *Ledger) doubt(err error) {
	if d := (*notDurable)(nil); errors.As(err, &d) {
		l.log.Error("a write is not durable, and is answered as failed", zap.String("warning", d.notice.Message), zap.String("code", d.notice.Code))
	}
}

// appending marks the context of a write whose locks say all that it touches, so that it may go into a group. Its value is whether a pause matters to it.
type appending struct{}

// Append implements [ledger.Events].
func (l *Ledger) Append(ctx context.Context, e *ledger.Event) (ledger.Appended, error) {
	return l.Ledger.Append(context.WithValue(ctx, appending{}, e.Lease.Owner != ""), e)
}

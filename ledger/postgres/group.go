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
	groups     = 2   // transactions of events at a time: one is put together while the other is forced to the disk
	laxGroups  = 1   // of outcomes, which are not waited for
	yields     = 2   // how often others are let run before a transaction begins: whoever is about to come, and has only to be given a core, is in it then
)

// group puts what events come with, or what became of their delivery, into one transaction for many: one COMMIT, and few round trips. The functions of its members run in step: what each
// of them asks next goes to the server at once, as one.
//
// To the server they are one, so that it keeps none from what another has locked. The group does: a member waits for one that has locked the same, until
// that is done with it. When anything goes wrong nothing of the transaction stays, and each member is on its own.
type group struct {
	ledger *Ledger
	lax    bool // it returns once that is committed; else on disk
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

	begin  chan bool // it is to run, in the goroutine of whoever waits for its result
	tx     *tx
	asks   chan<- *member // takes it each time that it waits for what it asked, and at its end
	asked  []stmt         // what it waits for
	answer chan error     // to that
	ended  bool
}

func newMember(ctx, caller context.Context, run func(core.Tx) error) *member {
	return &member{ctx: ctx, caller: caller, run: run, result: make(chan error, 1), begin: make(chan bool, 1), answer: make(chan error, 1)}
}

// errAlone tells a caller to run its function in a transaction of its own.
var errAlone = errors.New("the group's transaction was undone")

func newGroup(l *Ledger, lax bool) *group {
	return &group{ledger: l, lax: lax, queue: make(chan *member, groupQueue), over: make(chan struct{})}
}

// write runs a function in a transaction with others.
func (g *group) write(caller context.Context, patience time.Duration, f func(core.Tx) error) error {
	if err := caller.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), patience)
	defer cancel()
	m := newMember(ctx, caller, f)
	select {
	case g.queue <- m:
	case <-g.over:
		return ledger.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	err := m.wait(g.over)
	if errors.Is(err, errAlone) {
		end, _ := ctx.Deadline()
		return g.ledger.write(caller, time.Until(end), g.lax, f)
	}
	return err
}

// wait runs a member once it is taken, and returns its result. Who has no more patience gives up while it is not; what is taken has a result.
func (m *member) wait(over <-chan struct{}) error {
	impatient := m.ctx.Done()
	for {
		select {
		case <-m.begin:
			m.work()
		case err := <-m.result:
			return err
		case <-impatient:
			if m.taken.CompareAndSwap(false, true) {
				return m.ctx.Err()
			}
			impatient, over = nil, nil
		case <-over:
			if m.taken.CompareAndSwap(false, true) {
				return ledger.ErrClosed
			}
			impatient, over = nil, nil
		}
	}
}

// work runs a member's function.
func (m *member) work() {
	err := m.tx.ledger.call(m.tx, m.run)
	m.ended, m.asked = true, m.tx.ahead
	if err != nil { // it is told by a run of its own
		m.asked = []stmt{{text: sqlUndo}}
	}
	m.asks <- m
}

// work runs groups until the ledger is closed.
func (g *group) work(ctx context.Context) {
	var all sync.WaitGroup
	n := groups
	if g.lax {
		n = laxGroups
	}
	for range n {
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
	whole.begin(g.lax, l.patience) // a lock that is not to be had soon is waited for by its member alone
	if err = whole.inStep(ms); err != nil {
		whole.rollback(w)
		if ctx.Err() == nil {
			err = errAlone
		}
		return err
	}
	if err = whole.commit(w, g.lax); err != nil {
		if l.doubt(err); undone(err) {
			err = errAlone
		}
		return err
	}
	for _, m := range ms {
		l.floors.lower(m.tx.dues) // some of which came with the commit
	}
	l.committed(whole)
	return nil
}

// inStep runs the functions of members, and gathers what they did in the transaction.
func (t *tx) inStep(ms []*member) (err error) {
	asks := make(chan *member, len(ms))
	holder := make(map[string]*member) // of what is locked
	running := len(ms)
	for _, m := range ms {
		m.asks, m.tx = asks, &tx{session: session{link: (*step)(m), scopes: t.scopes}, ledger: t.ledger}
		if e, ok := m.caller.Value(appending{}).(*ledger.Event); ok {
			m.tx.coming = &coming{event: e}
		}
		m.begin <- true
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
	rest := make([][]stmt, len(round)) // what each of them asks, in its order
	for i, m := range round {
		if len(m.asked) > 0 && m.asked[0].text == sqlUndo {
			return errAlone
		}
		rest[i], wait = m.asked, wait || !m.ended
	}
	for t.merge(rest) {
	}
	if !wait {
		return nil // it goes out with what comes next
	}
	return t.flush()
}

// merge takes from what each of many asks next all that goes by itself, and then what is asked by several as one. It says whether there was any.
func (t *tx) merge(rest [][]stmt) bool {
	var next *bulk
	var text string // of those whose bulk it is
	for i, stmts := range rest {
		for len(stmts) > 0 && bulks[stmts[0].text] == nil {
			if stmts[0].text != sqlLock {
				t.ahead = append(t.ahead, stmts[0])
			}
			stmts = stmts[1:]
		}
		if rest[i] = stmts; len(stmts) > 0 {
			if b := bulks[stmts[0].text]; next == nil || b.rank < next.rank {
				next, text = b, stmts[0].text
			}
		}
	}
	if next == nil {
		return false
	}
	var of []stmt
	set := make(map[any]bool) // rows
	for i, stmts := range rest {
		for len(stmts) > 0 && stmts[0].text == text && !(next.sets && set[stmts[0].args[0]]) {
			if next.sets {
				set[stmts[0].args[0]] = true
			}
			of, stmts = append(of, stmts[0]), stmts[1:]
		}
		rest[i] = stmts
	}
	t.ahead = append(t.ahead, next.merged(of))
	return true
}

// join takes over what a member has done beside its statements.
func (t *tx) join(m *tx) {
	for of, n := range m.counts {
		t.add(of, n)
	}
	for of, id := range m.fresh {
		t.remember(of, id)
	}
	for _, topic := range m.topics {
		t.Touch(topic)
	}
}

// step is the link of a member.
type step member

func (s *step) send(stmts []stmt) error {
	s.asked = stmts
	s.asks <- (*member)(s)
	return <-s.answer
}

// doubt tells the operator of what is not durable.
func (l *Ledger) doubt(err error) {
	if d := (*notDurable)(nil); errors.As(err, &d) {
		l.log.Error("a write is not durable, and is answered as failed", zap.String("warning", d.notice.Message), zap.String("code", d.notice.Code))
	}
}

// settling marks the context of a write that records what became of a delivery.
type settling struct{}

// Settle implements [ledger.Events].
func (l *Ledger) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	return l.Ledger.Settle(context.WithValue(ctx, settling{}, true), owner, d)
}

// appending marks the context of a write whose locks say all that it touches, so that it may go into a group. Its value is the event.
type appending struct{}

// Append implements [ledger.Events].
func (l *Ledger) Append(ctx context.Context, e *ledger.Event) (ledger.Appended, error) {
	return l.Ledger.Append(context.WithValue(ctx, appending{}, e), e)
}

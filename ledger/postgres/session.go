package postgres

import (
	"sync"

	"github.com/caddypay/caddypay/ledger"
)

// stmt is a statement with its parameters, and what reads its rows.
type stmt struct {
	text string
	args []any
	read func(*row) // nil: there are none
}

// link carries statements to the server, all at once, and reads what comes back, in their order. After an error nothing of a transaction is left.
type link interface {
	send(stmts []stmt) error
}

// session is what reads and writes share: a connection, and the numbers of the scopes.
type session struct {
	link   link
	scopes *scopes
	fresh  map[ledger.Scope]int64 // scopes added or looked up in it
	ahead  []stmt                 // what goes out with the next statement that is waited for
	locks  []string               // what a transaction locks before that
}

// run runs a statement, behind those that were told before. What comes from outside is a parameter, always.
func (s *session) run(text string, read func(*row), args ...any) error {
	s.ask(text, read, args...)
	return s.flush()
}

// ask has a statement run, and its rows read, with the next one that is waited for.
func (s *session) ask(text string, read func(*row), args ...any) {
	s.tell(text, args...)
	s.ahead[len(s.ahead)-1].read = read
}

// tell has a statement run with the next one that is waited for, or with the end of the transaction: what goes wrong with it is told then.
func (s *session) tell(text string, args ...any) {
	if len(s.locks) > 0 {
		s.ahead = append(s.ahead, stmt{text: sqlLock, args: []any{s.locks}})
		s.locks = nil
	}
	for i, arg := range args {
		if t, ok := arg.(string); ok {
			args[i] = escape(t)
		}
	}
	s.ahead = append(s.ahead, stmt{text: text, args: args})
}

func (s *session) flush() error {
	if len(s.ahead) == 0 {
		return nil
	}
	stmts := s.ahead
	s.ahead = nil
	return s.link.send(stmts)
}

// number returns the number that a statement finds; 0 when it finds none.
func (s *session) number(text string, args ...any) (n int64, err error) {
	err = s.run(text, func(r *row) { n = r.number() }, args...)
	return n, err
}

// found says whether a statement finds a row.
func (s *session) found(text string, args ...any) (found bool, err error) {
	err = s.run(text, func(*row) { found = true }, args...)
	return found, err
}

// scope returns the number of a scope; 0, which no row has, when there is none yet.
func (s *session) scope(of ledger.Scope) (int64, error) {
	if id := s.scopes.get(of); id != 0 {
		return id, nil
	}
	if id := s.fresh[of]; id != 0 {
		return id, nil
	}
	id, err := s.number(sqlScope, of.App, string(of.Mode))
	if err == nil && id != 0 {
		s.remember(of, id)
	}
	return id, err
}

func (s *session) remember(of ledger.Scope, id int64) {
	if s.fresh == nil {
		s.fresh = make(map[ledger.Scope]int64)
	}
	s.fresh[of] = id
}

// list returns the rows of a statement whose first parameter is the scope.
func list[T any](from *session, read func(*row, ledger.Scope) T, text string, s ledger.Scope, args ...any) (ts []T, err error) {
	id, err := from.scope(s)
	if err != nil {
		return nil, err
	}
	err = from.run(text, func(r *row) { ts = append(ts, read(r, s)) }, append([]any{id}, args...)...)
	return ts, err
}

// one returns the first row of such a statement; nil when there is none.
func one[T any](from *session, read func(*row, ledger.Scope) T, text string, s ledger.Scope, args ...any) (*T, error) {
	ts, err := list(from, read, text, s, args...)
	if err != nil || len(ts) == 0 {
		return nil, err
	}
	return &ts[0], nil
}

// scopes remembers the numbers of scopes that are recorded; they never change.
type scopes struct {
	mu sync.RWMutex
	id map[ledger.Scope]int64
}

func (s *scopes) get(scope ledger.Scope) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.id[scope]
}

func (s *scopes) add(ids map[ledger.Scope]int64) {
	if len(ids) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == nil {
		s.id = make(map[ledger.Scope]int64)
	}
	for scope, id := range ids {
		s.id[scope] = id
	}
}

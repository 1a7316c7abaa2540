package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	reachPause = time.Second     // between two attempts to reach a server that does not answer
	reachWait  = time.Second     // whoever needs the ledger waits for so long: a webhook is to have its 503 soon
	reachMost  = 2 * time.Minute // for one attempt, in which tables may be made or brought up to date
)

var errUnreached = errors.New("the ledger's database does not answer yet")

// attempt is one to open a ledger on a server. All who need the ledger meanwhile wait for the same one: a server that comes back is not overrun.
type attempt struct {
	done  chan struct{}
	err   error     // once that is closed
	ended time.Time // likewise
}

// reach returns a ledger on a server, or why it cannot be had now. There is one attempt at a time, at most one each second, and it goes on when nobody
// waits for it any more.
func (s *store) reach(ctx context.Context) (ledger.Ledger, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ledger.ErrClosed
	}
	a := s.attempt
	if a == nil || over(a) {
		a = s.begin()
	}
	s.mu.Unlock()

	patience := time.NewTimer(reachWait)
	defer patience.Stop()
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-patience.C:
		return nil, errUnreached
	}
	if a.err != nil {
		return nil, a.err
	}
	if l, ok := s.opened(); ok {
		return l, nil
	}
	return nil, ledger.ErrClosed
}

// await returns the ledger as soon as it can be had, or the last error when the context ends or that is one which does not go away.
func (s *store) await(ctx context.Context) (ledger.Ledger, error) {
	for {
		l, err := s.open(context.WithoutCancel(ctx))
		if err == nil || errors.Is(err, ledger.ErrClosed) || !s.home.mends(err) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(reachPause):
		}
	}
}

// over says that another attempt may begin.
func over(a *attempt) bool {
	select {
	case <-a.done:
		return time.Since(a.ended) >= reachPause
	default:
		return false
	}
}

// begin makes an attempt. s.mu is held.
func (s *store) begin() *attempt {
	a := &attempt{done: make(chan struct{})}
	var ctx context.Context
	ctx, s.end = context.WithTimeout(context.Background(), reachMost)
	s.attempt = a
	go func() {
		defer close(a.done)
		defer s.end()
		l, err := s.home.open(ctx, s.storage)
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case err == nil && s.closed:
			a.err = errors.Join(ledger.ErrClosed, l.Close())
		case err == nil:
			s.opens(l)
			if s.failed {
				s.home.log().Info("the ledger's database answers: payments go on")
			}
		default:
			a.err = fmt.Errorf("the ledger's database: %w", err)
			if !s.failed && !s.closed { // once, however long it takes
				s.home.log().Error("the ledger's database cannot be used: webhooks and payments are answered 503; it is tried again each second",
					zap.Error(err), zap.Bool("mends_by_itself", s.home.mends(err)))
			}
		}
		s.failed, a.ended = err != nil, time.Now()
	}()
	return a
}

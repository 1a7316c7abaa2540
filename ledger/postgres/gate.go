package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
)

const (
	knockFirst   = 100 * time.Millisecond // after the first connection that did not come about, until another one is asked for
	knockMost    = time.Second            // the same when that has been so for long
	connectEvery = 500 * time.Millisecond // for each connection beyond as many as there may be at a time
	acquirePause = 10 * time.Millisecond  // about; between two looks for one that somebody gives back
	pingWait     = 300 * time.Millisecond // for an answer on a connection that nobody has used for a second
)

var (
	errAway  = errors.New("the database did not answer a moment ago, and is not asked again yet")
	errLater = errors.New("connections break faster than new ones are made")
)

// gate is where all new connections of a node go through. A server that is away is asked by one at a time, at growing gaps that no two nodes have in
// common; nobody waits for that, so that a webhook has its 503 soon. And a server that has more to do than it can is not kept busy with new connections in
// place of those that were given up because it took too long: there would be ever more of them.
type gate struct {
	limit *rate.Limiter

	mu     sync.Mutex
	failed int       // in a row
	until  time.Time // nobody asks before
	why    error     // the last time
	asks   bool      // somebody does just now
}

func newGate(conns int32) *gate {
	return &gate{limit: rate.NewLimiter(rate.Every(connectEvery), int(conns)+1)} // one listens
}

// guard has all connections of a pool go through the gate.
func (g *gate) guard(config *pgxpool.Config) {
	config.ConnConfig.Tracer = g
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		guarded(c)
		return g.enter()
	}
}

// enter is called before a connection is asked for. What becomes of it comes to TraceConnectEnd.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.failed > 0 && (g.asks || time.Now().Before(g.until)):
		return fmt.Errorf("%w: %w", errAway, g.why)
	case g.failed == 0 && !g.limit.Allow():
		return errLater
	}
	g.asks = true
	return nil
}

// TraceConnectStart implements [pgx.ConnectTracer].
func (g *gate) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

// TraceConnectEnd implements [pgx.ConnectTracer].
func (g *gate) TraceConnectEnd(_ context.Context, data pgx.TraceConnectEndData) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asks = false
	now := time.Now()
	switch {
	case data.Err == nil:
		g.failed, g.why = 0, nil
	case g.failed == 0 || !now.Before(g.until): // else it had been asked for before the server went away
		gap := min(knockFirst<<min(g.failed, 10), knockMost)
		g.failed++
		g.until, g.why = now.Add(gap/2+rand.N(gap/2)), data.Err
	}
}

// TraceQueryStart implements [pgx.QueryTracer], which a tracer has to be.
func (g *gate) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (g *gate) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// acquire takes a connection of the pool. While no more can be made it waits for one of those that there are.
func (l *Ledger) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	for began := time.Now(); ; {
		conn, err := l.pool.Acquire(ctx)
		switch p := l.pool.Stat(); {
		case err == nil:
			return conn, nil
		case l.closed.Load():
			return nil, ledger.ErrClosed
		case ctx.Err() != nil || time.Since(began) > connectWait:
			return nil, err
		case !errors.Is(err, errLater) && p.AcquiredConns()+p.IdleConns() == 0:
			return nil, err
		}
		select {
		case <-time.After(acquirePause/2 + rand.N(acquirePause)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Interface guards
var (
	_ pgx.ConnectTracer = (*gate)(nil)
	_ pgx.QueryTracer   = (*gate)(nil)
)

package sqlite

import (
	"context"
	"errors"
	"sync"
)

const readers = 4 // connections of the pool

// pool are the connections for reading. They are opened when they are needed, and stay open.
type pool struct {
	file   string
	slots  chan struct{} // capacity readers: one for each that is in use
	mu     sync.Mutex
	idle   []*conn
	closed bool
}

// openPool opens a pool with its first connection: what this schema does not have is noticed at once.
func openPool(ctx context.Context, file string) (*pool, error) {
	p := &pool{file: file, slots: make(chan struct{}, readers)}
	return p, p.with(ctx, func(*conn) error { return nil })
}

// with runs a function on a connection of the pool; when the context ends, so does what runs there.
func (p *pool) with(ctx context.Context, f func(c *conn) error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.put(c)
	defer c.until(ctx)()
	return f(c)
}

func (p *pool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := connectReads(ctx, p.file)
	if err == nil {
		err = c.prepare(ctx, reads)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// put takes a connection back, unless it cannot end the transaction that is open on it.
func (p *pool) put(c *conn) {
	if c.rollback() != nil {
		_ = c.close()
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
}

// close closes the connections, once nobody uses them.
func (p *pool) close() error {
	for range readers {
		p.slots <- struct{}{}
	}
	defer func() {
		for range readers {
			<-p.slots
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle, p.closed = nil, true
	return errors.Join(errs...)
}

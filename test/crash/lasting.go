package main

import (
	"context"
	"fmt"
	"time"
)

// begin opens a window.
func (c *conductor) begin(s step, end func(context.Context) error) {
	now := time.Now()
	c.rep.windows = append(c.rep.windows, window{fault: s.fault, from: now})
	c.open = append(c.open, openWindow{len(c.rep.windows) - 1, now.Add(s.lasts), end})
}

// fill lets no file grow until the window ends; then webhooks have to be taken again without a restart.
func (c *conductor) fill(s step) error {
	limit := func(on bool) error {
		for _, p := range []*process{c.main, c.second} {
			if p == nil {
				continue
			}
			if err := p.limit(on); err != nil {
				return err
			}
		}
		return nil
	}
	if err := limit(true); err != nil {
		return err
	}
	_, before := c.sender.lastAcked()
	c.begin(s, func(ctx context.Context) error {
		// The process may have been away all the time: it stays full until it was felt.
		if !c.within(ctx, 15*time.Second, func() bool { _, n := c.sender.lastAcked(); return n > before }) {
			c.rep.faults.add("a full disk was not noticed", "no webhook got 503 until %s", time.Now().Format(clock))
		}
		_, after := c.sender.lastAcked()
		if err := limit(false); err != nil {
			return err
		}
		c.rep.refusedFull += after - before
		room := time.Now()
		if !c.within(ctx, 15*time.Second, func() bool { at, _ := c.sender.lastAcked(); return at.After(room) }) {
			c.rep.faults.add("no webhook was taken although the disk had room again", "for 15s from %s", room.Format(clock))
		}
		return ctx.Err()
	})
	return nil
}

// within waits until something has happened.
func (c *conductor) within(ctx context.Context, limit time.Duration, happened func() bool) bool {
	for begun := time.Now(); time.Since(begun) < limit && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if happened() {
			return true
		}
	}
	return ctx.Err() != nil
}

// pair runs a second process beside the first; it ends by SIGTERM or by kill -9.
func (c *conductor) pair(ctx context.Context, s step, ports []int) error {
	if c.second != nil {
		return nil
	}
	c.started++
	p, err := c.site.start(fmt.Sprintf("b%d", c.started), ports[2], ports[3])
	if err != nil {
		return err
	}
	if _, err := p.ready(ctx); err != nil {
		p.kill()
		return err
	}
	if c.lasts(full) {
		if err := p.limit(true); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.second = p
	c.mu.Unlock()
	c.begin(s, func(context.Context) error {
		c.mu.Lock()
		c.second = nil
		c.mu.Unlock()
		if s.pick < 0.5 {
			c.rep.restarts = append(c.rep.restarts, c.ends(p))
			return nil
		}
		c.rep.terms++
		if err := p.term(); err != nil {
			c.rep.faults.add("SIGTERM did not end it cleanly", "%v", err)
		}
		return nil
	})
	return nil
}

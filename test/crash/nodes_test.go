//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

const (
	nodeCount   = 3
	noticed     = 500 * time.Millisecond // how long a node that stands still gets requests all the same: until a load balancer sees it
	hiccups     = 200 * time.Millisecond
	nodesShort  = 12 * time.Second
	nodesRate   = 100 // events a second, of the short run
	nodesLong   = 500
	nodesPlease = "run make crash-nodes SEED=%d SPAN=%s RATE=%g to see it again"
)

// TestNodes: several Caddys in front of one PostgreSQL, while nodes are killed, stopped and reloaded, the network between one of them and the database
// fails, and the database is restarted. Nothing that was acknowledged is lost, no lane is out of order, and no event is delivered by two nodes at a time.
// make crash-nodes is a long run.
func TestNodes(t *testing.T) {
	o := options{seed: 14, rate: nodesRate, disorder: 0.1, drain: 3 * time.Minute, say: t.Logf}
	span := nodesShort
	if text := os.Getenv("CRASH_NODES"); text != "" {
		var err error
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatal("CRASH_NODES says how long, as in 60s: ", err)
		}
		o.seed, o.rate = rand.Uint64(), nodesLong
	}
	if text := os.Getenv("CRASH_SEED"); text != "" {
		var err error
		if o.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("CRASH_RATE"); text != "" {
		var err error
		if o.rate, err = strconv.ParseFloat(text, 64); err != nil {
			t.Fatal(err)
		}
	}
	o.bin = binary(t)
	performNodes(t, o, span)
}

// performNodes runs a plan, and fails the test if a promise was broken.
func performNodes(t *testing.T, o options, span time.Duration) {
	t.Helper()
	dir, err := os.MkdirTemp("", "caddypay-nodes-")
	if err != nil {
		t.Fatal(err)
	}
	c := conductNodes(t, o, dir, span, nil)
	t.Log("\n" + c.table())
	if broken := c.rep.faults.list(); len(broken) > 0 {
		t.Fatalf("%s\n"+nodesPlease+"; the logs are in %s", strings.Join(broken, "\n"), o.seed, span, o.rate, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// nodes is a conductor of several processes with a database.
type nodes struct {
	*conductor
	span   time.Duration
	server *pgtest.Server
	all    []*node

	noting sync.Mutex // guards conductor.rep's windows, restarts and counts
}

// node is one of them, over all its processes. Only its own part of the plan changes it.
type node struct {
	name        string
	port, admin int
	proxy       *pgtest.Proxy
	started     int
	serial      int // of its configurations

	mu      sync.Mutex
	process *process
	still   time.Time // since when it stands still; zero: it does not
	woke    time.Time // when it last did no more
}

// conductNodes runs everything once and checks it.
func conductNodes(t *testing.T, o options, dir string, span time.Duration, database map[string]string) *nodes {
	t.Helper()
	c, err := newConductor(o, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	n := &nodes{conductor: c, span: span, server: pgtest.Start(t, pgtest.Options{Durable: span > nodesShort, Settings: database})}
	dsn := n.server.DSN(t)
	c.book = inDatabase(dsn)
	c.sender.targets = func() []string { return n.targets("/pay/webhooks") }
	c.shop.targets = func() []string { return n.targets("") }
	c.backend.gone = n.gone
	ports, err := freePorts(2 * nodeCount)
	if err != nil {
		t.Fatal(err)
	}
	for i := range nodeCount {
		n.all = append(n.all, &node{name: string(rune('a' + i)), port: ports[2*i], admin: ports[2*i+1], proxy: pgtest.NewProxy(t, dsn)})
	}
	defer n.killAll()
	for _, a := range n.all {
		if _, err := n.begin(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	plan := planNodes(rand.New(rand.NewPCG(o.seed, 6)), nodeCount, span)
	o.say("seed %d: %v", o.seed, plan)
	stop := c.traffic(t.Context())
	if err = n.play(t, plan); err == nil { // who pays goes on until that has worked: it has to once all faults are over
		n.within(t.Context(), startLimit, func() bool {
			n.shop.mu.Lock()
			defer n.shop.mu.Unlock()
			return n.shop.paid > 0
		})
	}
	stop()
	if err != nil {
		t.Fatal(err)
	}
	c.arrive(t.Context())
	n.verify(t.Context())
	for _, a := range n.all {
		if err := a.process.term(); err != nil {
			c.rep.faults.add("SIGTERM did not end it cleanly", "%v", err)
		}
	}
	if err := n.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// play has each part of the plan carried out beside the others. That of the database may end the test, and so runs where it may.
func (n *nodes) play(t *testing.T, plan nodePlan) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var all sync.WaitGroup
	part := func(of string, steps []step, do func(step) error) {
		for _, s := range steps {
			select {
			case <-ctx.Done():
				return
			case <-time.After(s.gap):
			}
			if err := do(s); err != nil {
				cancel(fmt.Errorf("%s: %s: %w", of, s.fault, err))
				return
			}
		}
	}
	for i, steps := range plan.nodes {
		a := n.all[i]
		all.Go(func() { part("node "+a.name, steps, func(s step) error { return n.befall(ctx, a, s) }) })
	}
	all.Go(func() {
		part("the backend", plan.backend, func(s step) error {
			if err := n.backend.set(s.fault, true); err != nil {
				return err
			}
			n.last(ctx, s, "", func() {})
			return n.backend.set(s.fault, false)
		})
	})
	began := time.Now()
	part("the database", plan.database, func(s step) error {
		end := n.server.Stop
		if s.fault == immediate {
			end = n.server.Abort
		}
		over := n.note(s.fault, "")
		end(t)
		wait(ctx, s.lasts)
		n.server.Start(t)
		over()
		return nil
	})
	wait(ctx, n.span-time.Since(began))
	all.Wait()
	return context.Cause(ctx)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// note notes that a fault began; the returned function, that it is over.
func (n *nodes) note(fault, process string) (over func()) {
	n.noting.Lock()
	defer n.noting.Unlock()
	i := len(n.rep.windows)
	n.rep.windows = append(n.rep.windows, window{fault: fault, from: time.Now(), process: process})
	return func() {
		n.noting.Lock()
		defer n.noting.Unlock()
		n.rep.windows[i].to = time.Now()
	}
}

// last has a fault that has begun last, and ends it.
func (n *nodes) last(ctx context.Context, s step, process string, end func()) {
	over := n.note(s.fault, process)
	wait(ctx, s.lasts)
	end()
	over()
}

func (n *nodes) befall(ctx context.Context, a *node, s step) error {
	p := a.process
	if p.over() {
		n.rep.faults.add("a process ended by itself", "%s: %v; see caddy.log", p.name, p.err)
	}
	switch s.fault {
	case kill:
		n.counts(&n.rep.kills)
		return n.again(ctx, a, restart{killed: p.name, ended: p.kill()})
	case term:
		n.counts(&n.rep.terms)
		r := restart{ended: time.Now()}
		if err := p.term(); err != nil {
			n.rep.faults.add("SIGTERM did not end it cleanly", "%v", err)
		}
		return n.again(ctx, a, r)
	case reload:
		n.counts(&n.rep.reloads)
		if err := p.load(n.generation(a)); err != nil {
			n.rep.faults.add("a good configuration was not taken", "%v", err)
		}
	case reject:
		n.counts(&n.rep.rejects)
		if p.load(strings.Replace(n.generation(a), n.site.token, "short", 1)) == nil {
			n.rep.faults.add("a bad configuration was taken", "by %s", p.name)
		}
	case freeze:
		return n.freeze(ctx, a, s)
	case sever:
		a.proxy.Cut()
		n.last(ctx, s, p.name, a.proxy.Heal)
	case swallow:
		a.proxy.Swallow()
		n.last(ctx, s, p.name, a.proxy.Heal)
	case lag:
		a.proxy.Delay(time.Duration(5+s.pick*20) * time.Millisecond)
		n.last(ctx, s, p.name, a.proxy.Heal)
	case hiccup:
		over := n.note(s.fault, p.name)
		for end := time.Now().Add(s.lasts); time.Now().Before(end) && ctx.Err() == nil; wait(ctx, hiccups) {
			a.proxy.Break()
		}
		over()
	}
	return nil
}

// freeze stops a node as a machine that is out of memory, or is moved, stops; on waking it goes on where it was.
func (n *nodes) freeze(ctx context.Context, a *node, s step) error {
	over := n.note(s.fault, a.process.name)
	if err := a.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	a.mu.Lock()
	a.still = time.Now()
	a.mu.Unlock()
	wait(ctx, s.lasts)
	a.mu.Lock()
	a.still, a.woke = time.Time{}, time.Now()
	a.mu.Unlock()
	over()
	return a.process.cmd.Process.Signal(syscall.SIGCONT)
}

func (n *nodes) counts(what *int) {
	n.noting.Lock()
	defer n.noting.Unlock()
	*what++
}

func (n *nodes) again(ctx context.Context, a *node, r restart) (err error) {
	if r.ready, err = n.begin(ctx, a); err != nil {
		return err
	}
	n.noting.Lock()
	defer n.noting.Unlock()
	n.rep.restarts = append(n.rep.restarts, r)
	return nil
}

// begin starts a node's next process and waits until it answers.
func (n *nodes) begin(ctx context.Context, a *node) (ready time.Time, err error) {
	a.started++
	p := &process{
		site: n.site, name: fmt.Sprint(a.name, a.started), port: a.port, admin: a.admin,
		ledger: "postgres \"" + a.proxy.DSN() + "\"", storage: "storage." + a.name,
	}
	if err := p.start(); err != nil {
		return ready, err
	}
	a.mu.Lock()
	a.process = p
	a.mu.Unlock()
	return p.ready(ctx)
}

func (n *nodes) generation(a *node) string {
	a.serial++
	return n.site.caddyfile(a.process, a.serial)
}

// targets are the nodes that a load balancer would send to.
func (n *nodes) targets(path string) (urls []string) {
	for _, a := range n.all {
		a.mu.Lock()
		if p := a.process; !p.over() && (a.still.IsZero() || time.Since(a.still) < noticed) {
			urls = append(urls, p.base()+path)
		}
		a.mu.Unlock()
	}
	return urls
}

// gone says whether a process may have an attempt under way that is nobody's any more: it was killed, or has woken just now in the midst of one.
func (n *nodes) gone(process string) bool {
	if n.site.isGone(process) {
		return true
	}
	for _, a := range n.all {
		a.mu.Lock()
		woke := a.process.name == process && time.Since(a.woke) < time.Second
		a.mu.Unlock()
		if woke {
			return true
		}
	}
	return false
}

func (n *nodes) killAll() {
	for _, a := range n.all {
		if a.process != nil {
			a.process.kill()
		}
	}
}

// verify has a node read the whole ledger.
func (n *nodes) verify(ctx context.Context) {
	cmd := exec.CommandContext(ctx, n.bin, "pay", "ledger", "verify", "--address", fmt.Sprintf("localhost:%d", n.all[0].admin))
	cmd.Dir = n.site.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		n.rep.faults.add("the ledger is damaged", "%v: %s", err, out)
	}
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// window is a time during which a fault lasted.
type window struct {
	fault    string
	from, to time.Time // to is zero while it lasts
	process  string    // whose fault it was; empty: of all
}

// restart is a process that came after one that ended.
type restart struct {
	ended, ready time.Time
	killed       string // the name of the process, if it was killed
}

// conductor carries the plan out.
type conductor struct {
	options
	ping    *pingpp
	site    *site
	book    book
	backend *backend
	sender  *sender
	shop    *shop
	rep     *report

	mu                  sync.Mutex
	main                *process
	second              *process // during a pair
	started             int
	serial              int // of configurations
	open                []openWindow
	canLimit, canInject bool
	traces              []traced
	ailing              *injection // the main process is to have such a disk; nil: one that works
}

type openWindow struct {
	index int // in rep.windows
	until time.Time
	end   func(ctx context.Context) error
}

// newConductor makes what is around the processes under test: Ping++, the backend, the site's configuration, and who sends.
func newConductor(o options, dir string) (*conductor, error) {
	source := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(o.seed, stream)) }
	c := &conductor{options: o, rep: &report{options: o, begun: time.Now()}}
	c.sender = newSender(o, source(1))
	c.sender.targets = func() []string { return c.targets("/pay/webhooks") }
	var err error
	c.ping, err = newPingpp(source(2), func(e *event) { c.sender.submit(e, c.shop.isSilent(e.object)) })
	if err != nil {
		return nil, err
	}
	c.sender.ping = c.ping
	c.shop = newShop(c.ping, source(3), o.silent)
	c.shop.targets = func() []string { return c.targets("") }
	if c.site, err = newSite(o.bin, dir, c.ping); err != nil {
		c.close()
		return nil, err
	}
	c.book = inFile(c.site.ledger())
	if c.backend, err = newBackend(source(4), c.site.secret, c.site.token, &c.rep.faults); err != nil {
		c.close()
		return nil, err
	}
	c.backend.sent, c.backend.gone = c.sender.event, c.site.isGone
	c.site.backend, c.site.reconcile = c.backend.addr, o.silent > 0
	return c, nil
}

// close ends what newConductor has made.
func (c *conductor) close() {
	if c.backend != nil {
		c.backend.close()
	}
	if c.site != nil {
		_ = c.site.log.Close()
	}
	c.ping.close()
}

// conduct runs everything once and checks it.
func conduct(ctx context.Context, o options, dir string) (*report, error) {
	c, err := newConductor(o, dir)
	if err != nil {
		return nil, err
	}
	defer c.close()
	_, err = exec.LookPath("prlimit")
	if c.canLimit = err == nil; !c.canLimit {
		o.say("prlimit (util-linux) is missing: the disk will not be filled")
	}
	steps := o.steps
	if steps == nil {
		steps = plan(rand.New(rand.NewPCG(o.seed, 5)), o.kills, o.only)
	}
	if slices.ContainsFunc(steps, func(s step) bool { return s.fault == disk }) {
		if c.canInject, err = canInject(o.say); err != nil {
			return nil, err
		}
	}

	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	defer c.killAll()
	if err := c.spawn(ports[0], ports[1]); err != nil {
		return nil, err
	}
	if _, err := c.main.ready(ctx); err != nil {
		return nil, err
	}
	stop := c.traffic(ctx)
	err = c.play(ctx, steps, ports)
	stop()
	if err != nil {
		return nil, err
	}
	c.arrive(ctx)
	if err := c.main.term(); err != nil {
		c.rep.faults.add("SIGTERM did not end it cleanly", "%v", err)
	}
	return c.rep, c.check(ctx)
}

// traffic starts sender and shop; the returned function stops them and waits.
func (c *conductor) traffic(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { c.sender.run(ctx) })
	all.Go(func() { c.shop.run(ctx, 200*time.Millisecond) })
	return func() {
		cancel()
		all.Wait()
	}
}

func (c *conductor) targets(path string) (urls []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range []*process{c.main, c.second} {
		if p != nil && !p.aside {
			urls = append(urls, p.base()+path)
		}
	}
	return urls
}

// spawn starts the main process.
func (c *conductor) spawn(port, admin int) error {
	c.started++
	name := fmt.Sprintf("a%d", c.started)
	wrap := c.watch(name)
	p, err := c.site.start(name, port, admin, wrap...)
	if err != nil {
		return err
	}
	p.aside = c.ailing != nil // what its disk fails it at is to come when it works
	c.mu.Lock()
	c.main = p
	c.mu.Unlock()
	if c.lasts(full) {
		return p.limit(true)
	}
	return nil
}

func (c *conductor) killAll() {
	for _, p := range []*process{c.main, c.second} {
		if p != nil {
			p.kill()
		}
	}
}

func (c *conductor) lasts(fault string) bool {
	for _, w := range c.open {
		if c.rep.windows[w.index].fault == fault {
			return true
		}
	}
	return false
}

// play carries the steps out one after the other; what lasts ends at its time.
func (c *conductor) play(ctx context.Context, steps []step, ports []int) error {
	for _, s := range steps {
		if err := c.wait(ctx, time.Now().Add(s.gap)); err != nil {
			return err
		}
		if err := c.do(ctx, s, ports); err != nil {
			return fmt.Errorf("%s: %w", s.fault, err)
		}
	}
	var last time.Time
	for _, w := range c.open {
		if w.until.After(last) {
			last = w.until
		}
	}
	return c.wait(ctx, last.Add(time.Millisecond))
}

// wait waits until a time and ends the windows that are over by then.
func (c *conductor) wait(ctx context.Context, until time.Time) error {
	for {
		next, which := until, -1
		for i, w := range c.open {
			if w.until.Before(next) {
				next, which = w.until, i
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(next)):
		}
		if which < 0 {
			return nil
		}
		w := c.open[which]
		c.open = append(c.open[:which], c.open[which+1:]...)
		err := w.end(ctx)
		c.rep.windows[w.index].to = time.Now()
		if err != nil {
			return fmt.Errorf("ending %s: %w", c.rep.windows[w.index].fault, err)
		}
	}
}

func (c *conductor) do(ctx context.Context, s step, ports []int) error {
	switch s.fault {
	case kill:
		return c.kill(ctx, s, ports)
	case term:
		return c.term(ctx, ports)
	case reload:
		c.rep.reloads++
		if err := c.main.load(c.generation()); err != nil {
			c.rep.faults.add("a good configuration was not taken", "%v", err)
		}
	case reject:
		c.rep.rejects++
		if c.main.load(c.bad(s)) == nil {
			c.rep.faults.add("a bad configuration was taken", "generation %d", c.serial)
		}
	case pair:
		return c.pair(ctx, s, ports)
	case full:
		if c.canLimit && !c.lasts(full) && !c.lasts(disk) { // strace would be limited as well
			return c.fill(s)
		}
	case disk:
		if c.canInject && !c.lasts(full) && !c.lasts(disk) {
			return c.hurt(ctx, s, ports)
		}
	default:
		if c.lasts(s.fault) {
			return nil
		}
		if err := c.backend.set(s.fault, true); err != nil {
			return err
		}
		c.begin(s, func(context.Context) error { return c.backend.set(s.fault, false) })
	}
	return nil
}

func (c *conductor) generation() string {
	c.serial++
	return c.site.caddyfile(c.main, c.serial)
}

// bad is a configuration that is refused, early or late.
func (c *conductor) bad(s step) string {
	good := c.generation()
	if s.pick < 0.5 {
		return strings.Replace(good, c.site.token, "short", 1)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(c.site.ping, "http://"), ":") // taken, and never given up
	return good + fmt.Sprintf("\nhttp://127.0.0.1:%s {\n\tbind 127.0.0.1\n\trespond taken\n}\n", port)
}

// kill kills the main process: in the midst of a reload sometimes, or once more while the next one starts.
func (c *conductor) kill(ctx context.Context, s step, ports []int) error {
	loaded := make(chan struct{})
	if s.pick < 0.2 {
		go func(p *process, config string) {
			defer close(loaded)
			_ = p.load(config)
		}(c.main, c.generation())
		time.Sleep(time.Duration(s.pick * float64(500*time.Millisecond)))
	} else {
		close(loaded)
	}
	r := c.ends(c.main)
	<-loaded
	if s.pick > 0.85 {
		if err := c.spawn(ports[0], ports[1]); err != nil {
			return err
		}
		time.Sleep(time.Duration((s.pick - 0.85) * float64(6*time.Second)))
		c.rep.restarts = append(c.rep.restarts, restart{killed: c.main.name, ended: c.main.kill()})
		c.rep.kills++
	}
	return c.again(ctx, r, ports)
}

func (c *conductor) term(ctx context.Context, ports []int) error {
	c.rep.terms++
	r := restart{ended: time.Now()}
	if err := c.main.term(); err != nil {
		c.rep.faults.add("SIGTERM did not end it cleanly", "%v", err)
	}
	return c.again(ctx, r, ports)
}

// ends kills a process that has been working.
func (c *conductor) ends(p *process) restart {
	if p.over() {
		c.rep.faults.add("a process ended by itself", "%s: %v; see caddy.log", p.name, p.err)
	}
	c.rep.kills++
	return restart{killed: p.name, ended: p.kill()}
}

// again starts the next process. With a disk that fails it may refuse to, and is started again, as by what looks after it anywhere.
func (c *conductor) again(ctx context.Context, r restart, ports []int) (err error) {
	for tries := 1; ; tries++ {
		if err := c.spawn(ports[0], ports[1]); err != nil {
			return err
		}
		if r.ready, err = c.main.ready(ctx); err == nil && c.ailing != nil {
			err = c.main.loaded(ctx)
		}
		if err == nil {
			c.mu.Lock()
			c.main.aside = false
			c.mu.Unlock()
			break
		}
		if c.ailing == nil || !c.main.over() {
			return err
		}
		c.rep.unstarted++
		c.main.kill()
		if tries == 5 { // it fails at the same call each time
			c.ailing = nil
		}
	}
	c.rep.restarts = append(c.rep.restarts, r)
	if n := len(c.rep.restarts); n%25 == 0 {
		c.say("%d kills, %d acknowledged, %d attempts", c.rep.kills, c.sender.count(), c.backend.count())
	}
	return nil
}

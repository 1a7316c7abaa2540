package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const connections = 32 // of a closed loop

// bench is one run.
type bench struct {
	*stage
	settings
	report   report
	progress io.Writer

	verify, floor           reference
	few, many, paused, bare *site // ten thousand events, BENCH_ROWS events, nothing delivered, no pay
	guess                   map[string]float64
	accepted                float64 // per second with delivery on
}

func (b *bench) all() error {
	b.guess = make(map[string]float64)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"start", b.startAll}, {"accept", b.accept}, {"profile", b.profileAccept},
		{"200/s", func() error { return b.paced(200) }}, {"1000/s", func() error { return b.paced(1000) }},
		{"charges", b.charges}, {"pass-through", b.passThrough}, {"operators", b.operators}, {"backup", b.backup}, {"backlog", b.backlog}, {"upgrade", b.upgrade}, {"postgres", b.postgres},
	} {
		if step.name != "start" && !b.wanted(step.name) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(b.progress, "%s … ", step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(b.progress, "%s\n", time.Since(start).Round(100*time.Millisecond))
	}
	return nil
}

// wanted says whether one of some steps is to be measured.
func (b *bench) wanted(names ...string) bool {
	return b.only == "" || slices.ContainsFunc(strings.Split(b.only, ","), func(name string) bool { return slices.Contains(names, name) })
}

func (b *bench) startAll() (err error) {
	rows := b.rows
	if !b.wanted("accept", "operators", "backup") {
		rows = 1 // nobody looks
	}
	if b.verify, err = b.startReference("verify"); err != nil {
		return err
	}
	if b.floor, err = b.startReference("floor"); err != nil {
		return err
	}
	for _, c := range []struct {
		to     **site
		name   string
		kind   string
		events int
	}{{&b.few, "few", paying, b.settings.few}, {&b.many, "many", watched, rows}, {&b.paused, "paused", waiting, 1}, {&b.bare, "bare", plain, 0}} {
		if *c.to, err = b.prepare(c.name, c.kind); err != nil {
			return err
		}
		if c.events > 1 {
			took, err := b.seed(*c.to, true, c.events)
			if err != nil {
				return err
			}
			fmt.Fprintf(b.progress, "%d events in %s … ", c.events, took.Round(100*time.Millisecond))
		}
		if err := b.start(*c.to); err != nil {
			return err
		}
	}
	return nil
}

// round is how long one round of a figure lasts.
func (b *bench) round() time.Duration { return b.settings.time / time.Duration(b.rounds) }

// flood is a round of the closed loop of webhooks.
func (b *bench) flood(name, addr string, d time.Duration) (*run, error) {
	guess := b.guess[name]
	if guess == 0 {
		guess = 8000
	}
	r, err := closed(addr, b.hooks.requests(addr, max(connections, int(1.3*guess*d.Seconds()))), connections, d, false)
	if err != nil {
		return nil, err
	}
	b.guess[name] = max(b.guess[name], r.rate())
	return r, b.check(name, r)
}

// check refuses figures of requests that failed: they would say nothing.
func (b *bench) check(name string, r *run) error {
	if r.failed > 0 {
		return fmt.Errorf("%s: %d of %d requests failed, one with: %s", name, r.failed, r.failed+r.ok, r.why)
	}
	return nil
}

// accept measures how many webhooks a second are taken when everybody comes at once.
func (b *bench) accept() error {
	idle := b.few.memory()
	pool := b.hooks.requests(b.verify.addr, 2000) // the references keep nothing that must be new: these are sent over and over
	again := func(addr string) func() (*run, error) {
		return func() (*run, error) { return closed(addr, pool, connections, b.round(), true) }
	}
	fresh := func(name string, c *site) func() (*run, error) {
		return func() (*run, error) { return b.flood(name, c.addr, b.round()) }
	}
	systems := []struct {
		name string
		*process
		backend *backend // to wait for
		flood   func() (*run, error)
	}{
		{"verify", b.verify.process, nil, again(b.verify.addr)}, {"floor", b.floor.process, nil, again(b.floor.addr)},
		{"few", b.few.process, b.few.backend, fresh("few", b.few)}, {"paused", b.paused.process, nil, fresh("paused", b.paused)},
		{"many", b.many.process, b.many.backend, fresh("many", b.many)},
	}
	rates, cpu := make(map[string][]float64), make(map[string][]float64)
	p95 := make(map[string][]float64)
	var meanwhile []float64
	end := b.few.watchMemory()
	for range b.rounds {
		for _, x := range systems {
			before, delivered := x.cpu(), b.few.backend.received.Load()
			r, err := x.flood()
			if err == nil {
				err = b.check(x.name, r)
			}
			if err != nil {
				return err
			}
			if x.name == "few" {
				meanwhile = append(meanwhile, float64(b.few.backend.received.Load()-delivered)/r.elapsed.Seconds())
			}
			if x.backend != nil {
				x.backend.drain(20 * time.Second)
			}
			rates[x.name] = append(rates[x.name], r.rate())
			cpu[x.name] = append(cpu[x.name], x.cpuEach(before, r))
			p95[x.name] = append(p95[x.name], quantile(r.took, 0.95))
		}
	}
	peak := end()

	b.accepted = median(rates["few"])
	rate := func(figure, name, reference, as string, t target) {
		b.report.compare(figure, rates[name], "/s", as, rates[reference], t, "")
	}
	rate("floor: append log", "floor", "verify", "verify only", target{})
	rate("accept, delivery on", "few", "floor", "floor", target{least: 0.45})
	rate("accept, delivery paused", "paused", "floor", "floor", target{least: 0.65})
	rate("accept, delivery on, of verify only", "few", "verify", "verify only", target{least: 0.35})
	b.report.compare("accept p95, closed loop", p95["few"], "ms", "floor", p95["floor"], target{}, "")
	b.report.compare("delivered meanwhile", meanwhile, "/s", "accepted", rates["few"], target{}, "")
	b.report.compare("CPU for an event, accept to delivered", cpu["few"], "µs", "verify only", cpu["verify"], target{most: 5}, "")
	b.report.compare("CPU for an event, delivery paused", cpu["paused"], "µs", "verify only", cpu["verify"], target{most: 3}, fmt.Sprintf("floor %.0f µs", median(cpu["floor"])))
	rate(fmt.Sprintf("accept with %d events", b.rows), "many", "few", fmt.Sprintf("with %d", b.settings.few), target{least: 0.9})
	b.report.plain("memory, idle", []float64{megabytes(idle)}, "MB", target{}, "")
	b.report.plain("memory, under load", []float64{megabytes(peak)}, "MB", target{}, "")
	return nil
}

// profileAccept asks Caddy for CPU profiles while webhooks come in: accept.pprof with delivery going on, paused.pprof without.
func (b *bench) profileAccept() error {
	if b.profile == "" {
		return nil
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	for name, c := range map[string]*site{"accept": b.few, "paused": b.paused} {
		failed := make(chan error, 1)
		go func() { failed <- b.fetchProfile(c, filepath.Join(b.profile, name+".pprof")) }()
		for done := false; !done; {
			if _, err := b.flood(name, c.addr, time.Second); err != nil {
				return err
			}
			select {
			case err := <-failed:
				if err != nil {
					return err
				}
				done = true
			default:
			}
		}
		c.backend.drain(20 * time.Second)
	}
	return nil
}

func (b *bench) fetchProfile(c *site, file string) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", c.admin, max(1, int(b.settings.time.Seconds()))))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		return err
	}
	return f.Close()
}

// paced measures latencies at a rate.
func (b *bench) paced(perSecond int) error {
	n := max(5, int(b.round().Seconds()*float64(perSecond)))
	quantiles := []float64{0.5, 0.95, 0.99}
	took := make(map[string]map[float64][]float64)
	var reached []float64
	late := 0
	for range b.rounds {
		for name, addr := range map[string]string{"floor": b.floor.addr, "few": b.few.addr} {
			b.few.backend.note(true)
			r, err := openLoop(addr, b.hooks.requests(addr, n), perSecond)
			if err == nil {
				err = b.check(name, r)
			}
			if err != nil {
				return err
			}
			if took[name] == nil {
				took[name] = make(map[float64][]float64)
			}
			for _, q := range quantiles {
				took[name][q] = append(took[name][q], quantile(r.took, q))
			}
			if name == "floor" {
				continue
			}
			b.few.backend.drain(10 * time.Second)
			var arrived []time.Duration
			for number, at := range b.few.backend.note(false) {
				if sent, ok := r.sent[number]; ok {
					arrived = append(arrived, at.Sub(sent))
				}
			}
			reached, late = append(reached, quantile(arrived, 0.95)), late+len(r.took)-len(arrived)
		}
	}
	at := fmt.Sprintf(" at %d/s", perSecond)
	bounds := map[float64]target{0.5: {most: 1.5}, 0.95: {most: 1.5}, 0.99: {}}
	for _, q := range quantiles {
		b.report.compare(fmt.Sprintf("accept%s, p%.0f", at, 100*q), took["few"][q], "ms", "floor", took["floor"][q], bounds[q], "")
	}
	note := ""
	if late > 0 {
		note = fmt.Sprintf("%d not delivered within 10 s", late)
	}
	b.report.compare("event → backend"+at+", p95", reached, "ms", "floor's accept p95", took["floor"][0.95], target{most: 2}, note)
	return nil
}

// passThrough compares a site that has pay with one that has not, on paths that are not pay's.
func (b *bench) passThrough() error {
	for _, c := range []struct{ name, path string }{{"reverse_proxy", "/"}, {"respond", "/bench/hello"}} {
		get := func(addr string) []request {
			return []request{{wire: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", c.path, addr)}}
		}
		rates, cpu := make(map[string][]float64), make(map[string][]float64)
		for round := range 2 * b.rounds {
			sites := []*site{b.few, b.bare}
			if round%2 == 1 {
				sites[0], sites[1] = sites[1], sites[0]
			}
			for _, x := range sites {
				before := x.cpu()
				r, err := closed(x.addr, get(x.addr), connections, b.round()/2, true)
				if err == nil {
					err = b.check(c.path, r)
				}
				if err != nil {
					return err
				}
				name := filepath.Base(x.dir)
				rates[name] = append(rates[name], r.rate())
				cpu[name] = append(cpu[name], x.cpuEach(before, r))
			}
		}
		added := make([]float64, len(cpu["few"]))
		for i := range added {
			added[i] = cpu["few"][i] - cpu["bare"][i]
		}
		b.report.compare("pass-through, "+c.name, rates["few"], "/s", "Caddy without pay", rates["bare"], target{}, "")
		b.report.plain("pass-through, "+c.name+", CPU added", added, "µs", target{most: 4}, fmt.Sprintf("of %.0f µs", median(cpu["few"])))
	}
	return nil
}

// backlog measures how fast a site that starts with many pending events delivers them, and what memory that takes.
func (b *bench) backlog() error {
	c, err := b.prepare("backlog", waiting)
	if err != nil {
		return err
	}
	took, err := b.seed(c, false, b.pending)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.progress, "%d events in %s … ", b.pending, took.Round(100*time.Millisecond))
	deliver, err := b.prepare("backlog-delivered", paying)
	if err != nil {
		return err
	}
	if err := moveLedger(c.dir, deliver.dir); err != nil {
		return err
	}
	if err := b.start(deliver); err != nil {
		return err
	}
	peak := deliver.watchMemory()
	for end := time.Now().Add(20 * time.Second); deliver.backend.received.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("nothing was delivered\n%s", deliver.log())
		}
	}
	start, before := time.Now(), deliver.backend.received.Load()
	for time.Since(start) < b.settings.time && deliver.backend.received.Load() < int64(b.pending) {
		time.Sleep(time.Millisecond)
	}
	rate := float64(deliver.backend.received.Load()-before) / time.Since(start).Seconds()
	// New events come in as well, while the rest still waits.
	if _, err := b.flood("few", deliver.addr, b.round()); err != nil {
		return err
	}
	b.report.compare("delivery of a backlog", []float64{rate}, "/s", "accept", []float64{b.accepted}, target{least: 1}, "")
	b.report.plain(fmt.Sprintf("memory, %d pending", b.pending), []float64{megabytes(peak())}, "MB", target{most: 200}, "")
	deliver.stop()
	return nil
}

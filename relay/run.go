package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	leaseTime  = 1800 * time.Millisecond // a dead relay's events are free within 2 s
	renewEvery = leaseTime / 4

	claimTimeout = 5 * time.Second // a disk that is slow is no reason to deliver nothing

	quick       = 100 * time.Millisecond // an attempt that is over in this time frees its slot for an event that was claimed ahead
	maxStranded = 1000                   // events whose outcomes the ledger has no sound page for, that hold up no others
	minPause    = 10 * time.Millisecond  // between two looks at the ledger when it has nothing to give
)

// Run delivers until ctx ends. Then it claims nothing more, lets the attempts under way come to their own end, which
// the timeout bounds, records their outcome, and returns. A relay runs once at a time.
func (r *Relay) Run(ctx context.Context) {
	changed, stop := r.cfg.Ledger.Watch(ledger.EventsTopic(r.cfg.Scope))
	defer stop()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		r.renew(context.WithoutCancel(ctx), end)
	}()
	r.lendFrom(ctx)
	r.dispatch(ctx, changed)
	r.drain(false) // who lends counts as work from before this, or does not any more
	r.work.Wait()
	close(end)
	<-ended
}

// dispatch claims what is due and starts its delivery, at once when something was recorded, else when the next event falls
// due.
func (r *Relay) dispatch(ctx context.Context, changed <-chan struct{}) {
	var (
		next     time.Time // when the ledger has something again; the past: ask it
		failures int
		claims   int
	)
	timer := time.NewTimer(r.cfg.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		limit, wait := r.room()
		if limit == 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
			case <-r.freed:
			case <-timer.C:
			}
			continue
		}
		// Each claim has an owner of its own. One that fails may have been committed all the same: nobody renews its
		// leases then, and they end by themselves.
		claims++
		claimed, err := r.claim(ctx, r.cfg.Owner+"#"+strconv.Itoa(claims), limit)
		r.drain(err == nil && claimed < limit)
		if err == nil && claimed < limit && !next.After(r.cfg.Now()) {
			next, err = r.nextDue(ctx)
		}
		if err != nil {
			failures++
			if ctx.Err() == nil {
				r.cfg.Logger.Warn("cannot read events due for delivery from the ledger, trying again",
					zap.String("scope", r.cfg.Scope.Key()), zap.Int("failures", failures), zap.Error(err))
			}
			sleep(ctx, r.schedule.backoff(failures))
			next = time.Time{}
			continue
		}
		failures = 0
		if claimed == limit {
			continue // there may be more
		}
		timer.Reset(min(r.cfg.Poll, max(next.Sub(r.cfg.Now()), minPause)))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-r.retimed:
			next = time.Time{}
		case <-timer.C:
			next = time.Time{}
		}
	}
}

// room returns how many events to claim now, and when that is none, how long to wait at most: nothing is lent then, before those have had their turn
// that may be waiting. Attempts are limited by the breaker.
func (r *Relay) room() (n int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, wait = r.breaker.room(r.cfg.Now(), r.sending+r.lent)
	if !r.breaker.open {
		n += r.ahead - len(r.ready)
	}
	if len(r.ready) > 0 && n < r.cfg.Concurrency/2 {
		n = 0 // there is no hurry: rather one claim for many
	}
	n = max(0, min(n, r.most()))
	r.drained = r.drained && n > 0
	if wait == 0 || wait > r.cfg.Poll {
		wait = r.cfg.Poll
	}
	return n, wait
}

// most is how many more events this relay may have at all: outcomes that wait for the disk hold no attempt up, but there is an end to how many may wait.
// r.mu is held.
func (r *Relay) most() int {
	return 4*r.cfg.Concurrency + min(r.stranded, maxStranded) - len(r.held) - r.lent
}

// claim leases up to limit events and starts their delivery. It is not cut off by the end of ctx: what was leased is
// delivered, instead of waiting for the end of its lease.
//
// A claim takes a commit, and slots that become free meanwhile would stand idle. So the next claim takes as many events ahead
// as quick attempts ended since the last. With a slow backend that is none: what is leased should not lie about.
func (r *Relay) claim(ctx context.Context, owner string, limit int) (claimed int, err error) {
	now := r.cfg.Now()
	until := now.Add(leaseTime)
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	events, err := r.cfg.Ledger.Claim(cctx, ledger.Claim{Scope: r.cfg.Scope, Owner: owner, Now: now, Until: until, Limit: limit})
	if err != nil {
		return 0, err
	}
	if took := r.cfg.Now().Sub(now); len(events) > 0 && took > leaseTime/2 {
		if events, now, until, err = r.prolong(cctx, owner, events, took); err != nil {
			return 0, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead, r.quick = min(r.quick, r.cfg.Concurrency), 0
	for i := range events {
		t := task{hold{events[i].ID, events[i].Attempts + 1}, &events[i]}
		if _, ok := r.held[t.hold]; ok { // our own lease ran out while the attempt goes on: it has this name now; or release is about to come
			r.held[t.hold] = lease{owner, now, until, t.event}
			continue
		}
		claimed++
		r.held[t.hold] = lease{owner: owner, claimed: now, until: until}
		r.ready = append(r.ready, t)
	}
	r.startReady(ctx, now)
	return claimed, nil
}

// prolong makes good that a claim came late, since the disk is slow: it returns those of the events that nobody else has taken over
// meanwhile, and from when until when they are leased now. Such a lease is longer, or the disk would take longer than it lasts again.
func (r *Relay) prolong(ctx context.Context, owner string, events []ledger.Event, took time.Duration) (_ []ledger.Event, now, until time.Time, err error) {
	now = r.cfg.Now()
	until = now.Add(min(leaseTime+2*took, ledger.LongestLease))
	held, err := r.cfg.Ledger.Renew(ctx, owner, ledger.Claim{Scope: r.cfg.Scope, Owner: owner, Now: now, Until: until})
	if err == nil && !r.cfg.Now().Before(until) {
		err = fmt.Errorf("the disk took more than %s; is it overloaded?", until.Sub(now))
	}
	events = slices.DeleteFunc(events, func(e ledger.Event) bool { return !slices.Contains(held, e.ID) })
	return events, now, until, err
}

// startReady starts what is ready and has a slot. Once the breaker has opened, what is left is given back: nobody prolongs its
// leases. r.mu is held.
func (r *Relay) startReady(ctx context.Context, now time.Time) {
	for len(r.ready) > 0 {
		n, _ := r.breaker.room(now, r.sending)
		if n == 0 && !r.breaker.open {
			return
		}
		t := r.ready[0]
		r.ready[0] = task{}
		r.ready = r.ready[1:]
		if n == 0 || !now.Before(r.held[t.hold].until) {
			delete(r.held, t.hold)
			continue
		}
		r.sending++
		p := r.breaker.start()
		r.work.Go(func() { r.deliver(ctx, t, p) })
	}
}

// sent gives the slot of an attempt to the next; the outcome of this one is still to be recorded. It returns how the event goes on if
// the backend was not reached; and whether what waits for the backend is due: it turned out to be there, or all that waits takes its turn
// among the probes.
func (r *Relay) sent(ctx context.Context, event string, a answer, p pass, start, now time.Time) (w wait, resume bool) {
	r.mu.Lock()
	r.sending--
	if r.brisk = now.Sub(start) < quick; r.brisk {
		r.quick++
	}
	since := r.breaker.since
	w, did := r.breaker.end(event, a.reach, p, now)
	r.startReady(ctx, now)
	r.mu.Unlock()
	signal(r.freed)
	switch did {
	case opened:
		r.cfg.Logger.Error("the backend is unreachable: events wait, and one at a time goes out to see whether it is back",
			zap.String("scope", r.cfg.Scope.Key()), zap.String("why", a.why))
	case closed:
		r.cfg.Logger.Info("the backend is back, events flow again",
			zap.String("scope", r.cfg.Scope.Key()), zap.Duration("unreachable_for", now.Sub(since)))
	case narrowed:
		r.cfg.Logger.Warn("only one event does not reach the backend: it is tried by its schedule, and others flow",
			zap.String("scope", r.cfg.Scope.Key()), zap.String("event", event), zap.String("why", a.why))
	}
	return w, did == closed || did == first || did == opened
}

// owner returns the name under which an event is leased. It is not always that of its claim: see claim.
func (r *Relay) owner(h hold) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[h].owner
}

// release ends an attempt whose outcome was recorded under the name of owner. An event that goes on may have been claimed since, and then it is this
// relay's to try: nobody else could before that lease ended.
func (r *Relay) release(ctx context.Context, h hold, owner string, d ledger.State) {
	r.mu.Lock()
	l := r.held[h]
	if l.anew != nil && l.owner != owner && d != ledger.Delivered {
		r.held[h] = lease{owner: l.owner, claimed: l.claimed, until: l.until}
		r.ready = append(r.ready, task{h, l.anew})
		r.startReady(ctx, r.cfg.Now())
	} else {
		delete(r.held, h)
	}
	r.mu.Unlock()
	signal(r.freed)
}

// nextDue asks the ledger when to come again. Where it knows nothing, the poll will tell.
func (r *Relay) nextDue(ctx context.Context) (time.Time, error) {
	due, err := r.cfg.Ledger.NextDue(ctx, r.cfg.Scope)
	if err != nil {
		return time.Time{}, err
	}
	if due.At.IsZero() {
		return r.cfg.Now().Add(r.cfg.Poll), nil
	}
	return due.At, nil
}

// renew prolongs the leases of what is being delivered until end is closed. With nothing under way it leaves the ledger
// alone.
func (r *Relay) renew(ctx context.Context, end <-chan struct{}) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return
		case <-tick.C:
		}
		var all sync.WaitGroup // at the same time, for one commit
		for _, owner := range r.owners() {
			all.Go(func() { r.renewOne(ctx, owner) })
		}
		all.Wait()
	}
}

func (r *Relay) renewOne(ctx context.Context, owner string) {
	now := r.cfg.Now()
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	until := now.Add(leaseTime)
	ids, err := r.cfg.Ledger.Renew(ctx, owner, ledger.Claim{Scope: r.cfg.Scope, Owner: owner, Now: now, Until: until})
	if err != nil {
		r.cfg.Logger.Warn("cannot prolong the lease on events under delivery; another process may deliver them a second time",
			zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for h, l := range r.held {
		if l.owner == owner && l.until.Before(until) && slices.Contains(ids, h.id) {
			l.until = until
			r.held[h] = l
		}
	}
}

// owners returns the owners of leases that are old enough to be renewed. Most deliveries are over before that.
func (r *Relay) owners() []string {
	old := r.cfg.Now().Add(-renewEvery / 2)
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make(map[string]bool)
	for _, l := range r.held {
		if !l.claimed.After(old) {
			seen[l.owner] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// signal leaves a signal; one that nobody has taken yet stands for all.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	leaseTime  = 1800 * time.Millisecond // a dead relay's events are free within 2 s
	renewEvery = leaseTime / 4
	minPause   = 10 * time.Millisecond // between two looks at the ledger when it has nothing to give
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
	r.dispatch(ctx, changed)
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
	for ctx.Err() == nil {
		limit := r.room()
		if limit == 0 {
			select {
			case <-ctx.Done():
			case <-r.freed:
			}
			continue
		}
		// Each claim has an owner of its own. One that fails may have been committed all the same: nobody renews its
		// leases then, and they end by themselves.
		claims++
		started, err := r.claim(ctx, fmt.Sprintf("%s#%d", r.cfg.Owner, claims), limit)
		if err == nil && started < limit && !next.After(r.cfg.Now()) {
			next, err = r.nextDue(ctx)
		}
		if err != nil {
			failures++
			if ctx.Err() == nil {
				r.cfg.Logger.Warn("cannot read events due for delivery from the ledger, trying again",
					zap.String("scope", r.cfg.Scope.Key()), zap.Int("failures", failures), zap.Error(err))
			}
			sleep(ctx, r.backoff(failures))
			next = time.Time{}
			continue
		}
		failures = 0
		if started == limit {
			continue // there may be more
		}
		timer := time.NewTimer(min(r.cfg.Poll, max(next.Sub(r.cfg.Now()), minPause)))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-r.retimed:
			next = time.Time{}
		case <-timer.C:
			next = time.Time{}
		}
		timer.Stop()
	}
}

// room returns how many deliveries may start now. Attempts are limited by the concurrency; outcomes that wait for the disk
// hold no attempt up, but there is an end to how many may wait.
func (r *Relay) room() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, min(r.cfg.Concurrency-r.sending, 4*r.cfg.Concurrency-len(r.held)))
}

// claim leases up to limit events and starts their delivery. It is not cut off by the end of ctx: what was leased is
// delivered, instead of waiting for the end of its lease.
func (r *Relay) claim(ctx context.Context, owner string, limit int) (started int, err error) {
	now := r.cfg.Now()
	until := now.Add(leaseTime)
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTime)
	defer cancel()
	events, err := r.cfg.Ledger.Claim(cctx, ledger.Claim{Scope: r.cfg.Scope, Owner: owner, Now: now, Until: until, Limit: limit})
	if err != nil {
		return 0, err
	}
	if len(events) > 0 && !r.cfg.Now().Before(until) {
		return 0, errors.New("the claim took longer than the lease lasts; is the disk overloaded?")
	}
	for i := range events {
		ev := &events[i]
		h := hold{ev.ID, ev.Attempts + 1}
		if !r.take(h, lease{owner, now}) {
			continue // our own lease ran out while the attempt goes on
		}
		started++
		r.work.Go(func() { r.deliver(ctx, owner, h, ev) })
	}
	return started, nil
}

func (r *Relay) take(h hold, l lease) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.held[h]; ok {
		return false
	}
	r.held[h] = l
	r.sending++
	return true
}

// sent gives the slot of an attempt back; its outcome is still to be recorded.
func (r *Relay) sent() {
	r.mu.Lock()
	r.sending--
	r.mu.Unlock()
	signal(r.freed)
}

func (r *Relay) release(h hold) {
	r.mu.Lock()
	delete(r.held, h)
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
	err := r.cfg.Ledger.Renew(ctx, owner, ledger.Claim{Scope: r.cfg.Scope, Owner: owner, Now: now, Until: now.Add(leaseTime)})
	if err != nil {
		r.cfg.Logger.Warn("cannot prolong the lease on events under delivery; another process may deliver them a second time",
			zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
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

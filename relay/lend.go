package relay

import (
	"context"
	"strconv"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What this relay will deliver at once is leased to it in the write that records it: that spares a claim, and the wait for one. It is done only while
// there is room and the last claim has left nothing behind, so that what is new overtakes nothing that waits; else an event waits to be claimed.

// maxAppend is how long such a write may take. After that too little is left of the lease: it ends by itself, and the event is claimed. As long as the
// disk is so slow nothing is lent.
const maxAppend = leaseTime / 2

// lendFrom begins to lend, until the context of Run ends.
func (r *Relay) lendFrom(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = ctx
}

// drain notes whether a claim has left nothing behind.
func (r *Relay) drain(drained bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drained = drained
}

// Append records an event in the ledger, as the ledger's own Append does. What the relay has room for it takes on at once. It works before Run and after, too:
// whoever runs then will claim the event.
func (r *Relay) Append(ctx context.Context, e *ledger.Event) (did ledger.Appended, err error) {
	began := r.cfg.Now()
	if e.State != ledger.Pending || !r.lend(began, &e.Lease) {
		return r.cfg.Ledger.Append(ctx, e)
	}
	defer func() { r.take(e, err == nil && did == ledger.Recorded && e.Lease.Owner != "", began) }()
	return r.cfg.Ledger.Append(ctx, e)
}

// lend gives a lease for an event that is about to be recorded, which take ends. Each has an owner of its own, as claims have: an append that fails may
// have been committed all the same, and nobody is to renew its lease.
func (r *Relay) lend(now time.Time, to *ledger.Lease) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil || r.running.Err() != nil || !r.drained {
		return false
	}
	if r.drained = r.places(now) > 0; !r.drained {
		return false
	}
	r.lent++
	r.loans++
	r.work.Add(1) // Run waits: what is lent is delivered, instead of waiting for the end of its lease
	*to = ledger.Lease{Owner: r.cfg.Owner + "+" + strconv.Itoa(r.loans), Until: now.Add(leaseTime)}
	return true
}

// places returns how many events may be lent now. r.mu is held.
func (r *Relay) places(now time.Time) int {
	if r.breaker.open {
		return 0
	}
	most := r.most()
	if r.brisk && r.breaker.allowed == r.breaker.limit { // a slot is free by the time that the event is on disk, or soon after
		return most
	}
	n, _ := r.breaker.room(now, r.sending+len(r.ready)+r.lent)
	return min(n, most)
}

// take starts the delivery of an event that was recorded under a lease that lend gave. One that was not given, or came late, is left to whoever
// claims it.
func (r *Relay) take(e *ledger.Event, given bool, began time.Time) {
	now := r.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.work.Done()
	r.lent--
	late := now.Sub(began) > maxAppend
	r.drained = r.drained && !late
	if !given || late {
		signal(r.freed)
		return
	}
	lent := *e // the caller goes on with its own
	t := task{hold{e.ID, e.Attempts + 1}, &lent}
	r.held[t.hold] = lease{owner: e.Lease.Owner, claimed: began, until: e.Lease.Until}
	r.ready = append(r.ready, t)
	r.startReady(r.running, now)
}

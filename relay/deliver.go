package relay

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	settleTimeout = 5 * time.Second // for one try to record an outcome
	lastSettle    = time.Second     // the same once the relay has been told to stop
	lastSettles   = 3               // tries then
)

// deliver makes one attempt and records its outcome. The end of ctx breaks neither off.
func (r *Relay) deliver(ctx context.Context, t task, p pass) {
	ev, start := t.event, r.cfg.Now()
	a := r.courier.attempt(context.WithoutCancel(ctx), ev, t.attempt, start)
	end := r.cfg.Now()
	w, resume := r.sent(ctx, ev.ID, a, p, start, end)

	d := ledger.Delivery{
		Scope: ev.Scope, EventID: ev.ID, Attempt: t.attempt, At: start, Took: end.Sub(start),
		Status: a.status, Error: a.why, Snippet: a.snippet, State: ledger.Delivered,
	}
	if a.detail != "" {
		d.Error += "; " + a.detail
	}
	switch {
	case a.ok():
		r.ship(ev, &d, a.body)
	case a.reach == answered:
		r.schedule.again(&d, ev.Tries+1, end, a.retryAfter)
	default:
		r.schedule.unreached(&d, ev, w, end, a.retryAfter)
	}
	r.report.log(ev, d, a.why)
	r.report.count(ev, d, a.reach, end)
	r.cfg.Tried(Attempt{At: end, Status: a.status, Why: a.why})
	owner := r.settle(ctx, t.hold, d)
	r.release(ctx, t.hold, owner, d.State)
	if d.State == ledger.Dead {
		r.cfg.Dead(ev, d.Error)
	}
	if resume {
		r.resume(ctx)
	}
	if d.State == ledger.Pending {
		signal(r.retimed)
	}
}

// ship has the receipt of a payment report what was shipped.
func (r *Relay) ship(ev *ledger.Event, d *ledger.Delivery, body []byte) {
	if r.cfg.Ships == nil || ev.Mode != ledger.Live || ev.Type != "charge.succeeded" && ev.Type != "order.succeeded" {
		return
	}
	d.Shipping, d.ShippingProblem = r.cfg.Ships(ev, body)
	if p := d.ShippingProblem; p.Code != "" {
		r.cfg.Logger.Error("what is to be reported to WeChat with a payment is no report; report it again: caddy pay shipping report",
			zap.String("order_no", ev.OrderNo), zap.String("event", ev.ID), zap.String("code", p.Code), zap.String("why", redacted(p.Text)))
	}
}

// settle records an outcome. As long as the relay runs it tries until the ledger takes it: the backend may have the event
// already, and would get it a second time. After that it tries a few times more. It returns under which name the event was leased in the last try.
func (r *Relay) settle(ctx context.Context, h hold, d ledger.Delivery) (owner string) {
	detached := context.WithoutCancel(ctx)
	stranded := false
	for failures, last := 0, 0; ; {
		timeout := settleTimeout
		if ctx.Err() != nil {
			timeout = lastSettle
			last++
		}
		sctx, cancel := context.WithTimeout(detached, timeout)
		owner = r.owner(h)
		err := r.cfg.Ledger.Settle(sctx, owner, d)
		cancel()
		if err == nil {
			return owner
		}
		failures++
		if !stranded && errors.Is(err, ledger.ErrDamaged) {
			stranded = true
			r.strand(1)
			defer r.strand(-1)
		}
		fields := []zap.Field{zap.String("event", d.EventID), zap.Int("attempt", d.Attempt), zap.String("outcome", string(d.State)),
			zap.Int("failures", failures), zap.Error(err)}
		if last >= lastSettles || errors.Is(err, ledger.ErrNotFound) {
			r.cfg.Logger.Error("the outcome of a delivery could not be recorded; the event may be delivered again", fields...)
			return owner
		}
		r.cfg.Logger.Warn("cannot record the outcome of a delivery, trying again", fields...)
		if ctx.Err() != nil {
			time.Sleep(lastSettle / 10) // bounded: there are only a few of these
			continue
		}
		sleep(ctx, r.schedule.backoff(failures))
	}
}

// strand counts events that wait for a sound page: they hold up no others.
func (r *Relay) strand(n int) {
	r.mu.Lock()
	r.stranded += n
	r.mu.Unlock()
	signal(r.freed)
}

// resume makes due what waits for the backend, this relay's events and those that others left. Where that fails they are due by
// themselves: within half an hour, or when Retry-After ends.
func (r *Relay) resume(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := r.cfg.Ledger.Resume(ctx, r.cfg.Scope); err != nil {
		r.cfg.Logger.Warn("events that wait for the backend could not be made due; each comes at its own time", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
}

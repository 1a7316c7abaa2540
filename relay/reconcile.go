package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

const (
	// DefaultAfter is how long after its creation a charge is looked up first: what [ledger.Charge.NextQuery] is set by.
	DefaultAfter = 30 * time.Second
	// DefaultUntil is how long after its expiry a charge is still looked up.
	DefaultUntil = 24 * time.Hour
)

const (
	queryLease  = time.Minute // longer than one look-up takes: three calls to Ping++, retries included
	queryPoll   = time.Second // how often the ledger is asked for charges that are due
	queryBatch  = 8           // look-ups at a time
	queriesASec = 5           // to Ping++, for each app
	queryBurst  = 10
	askEvery    = 5 * time.Second    // between two look-ups of one charge that somebody waits for
	errorsUntil = 7 * 24 * time.Hour // after its end a charge whose last look-ups brought no answer is given up
)

// queryGaps are the gaps between the look-ups of a charge whose webhook does not come. A charge's age decides which one holds, not
// how often it was looked up: a payer who waits may ask many times.
var queryGaps = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}

// ReconcilerConfig says whose charges are looked up, and how.
type ReconcilerConfig struct {
	Scope  ledger.Scope
	Ledger func(context.Context) (ledger.Ledger, error) // opens it on first use
	Pingpp *pingpp.Client
	Intake *Intake // where a payment that was found goes

	Until time.Duration // from a charge's expiry to its last look-up; default 24 h
	Owner string        // names this process in leases

	// Limit is how often Ping++ is asked; one that is given is shared with the app's other sites. Default: [NewLimit].
	Limit *rate.Limiter

	// Observe is told of every look-up: paid, unpaid, reversed, found, absent, refund_succeeded, refund_failed, refund_pending, error.
	// May be nil.
	Observe func(result string)

	// Unclear is told of every refund that begins to wait for a person, and why: ambiguous or unanswered. May be nil.
	Unclear func(why string)

	Now    func() time.Time // default time.Now
	Rand   func() float64   // in [0, 1), for jitter; default math/rand/v2
	Logger *zap.Logger
}

// NewLimit is how often Ping++ may be asked about one app: five times a second, ten at once.
func NewLimit() *rate.Limiter { return rate.NewLimiter(queriesASec, queryBurst) }

// Reconciler finds payments whose webhook does not come, by asking Ping++. It knows our own charges only.
type Reconciler struct {
	cfg    ReconcilerConfig
	limit  *rate.Limiter
	flight singleflight.Group // one look-up of a charge at a time

	sweepMost int // see the constant; less in tests

	mu    sync.Mutex
	asked map[string]time.Time // when somebody's question about a charge was last passed on
}

// NewReconciler makes a reconciler; Ask works at once, Run looks charges up by itself.
func NewReconciler(cfg ReconcilerConfig) *Reconciler {
	if cfg.Until == 0 {
		cfg.Until = DefaultUntil
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string) {}
	}
	if cfg.Unclear == nil {
		cfg.Unclear = func(string) {}
	}
	if cfg.Limit == nil {
		cfg.Limit = NewLimit()
	}
	return &Reconciler{cfg: cfg, limit: cfg.Limit, sweepMost: sweepMost, asked: make(map[string]time.Time)}
}

// Run looks charges and refunds up until ctx ends, and compares each day with Ping++'s list.
func (r *Reconciler) Run(ctx context.Context) {
	poll := time.NewTicker(queryPoll)
	defer poll.Stop()
	var beside sync.WaitGroup
	beside.Go(func() { (&nightly{Reconciler: r}).run(ctx) }) // a day with many charges takes minutes
	beside.Go(func() { r.followRefunds(ctx) })
	defer beside.Wait()
	for ctx.Err() == nil {
		looked, err := r.round(ctx)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("cannot look up charges whose webhook is late, trying again", zap.Error(err))
		}
		if looked == queryBatch && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

// round looks up the charges that are due, at most queryBatch, and says how many there were.
func (r *Reconciler) round(ctx context.Context) (int, error) {
	l, err := r.cfg.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	now := r.cfg.Now()
	due, err := l.ClaimQueries(ctx, ledger.QueryClaim{
		Scope: r.cfg.Scope, Owner: r.cfg.Owner, Now: now, Until: now.Add(queryLease), Limit: queryBatch,
	})
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	for i := range due {
		all.Go(func() {
			ask := r.lookUp
			if due[i].State == ledger.Taken {
				ask = r.seekPaid
			} else if due[i].ID == "" {
				ask = r.seek
			} else if later, err := r.postpone(ctx, l, &due[i]); later || err != nil {
				return // or the lease runs out
			} else if err := r.limit.Wait(ctx); err != nil {
				return // the lease runs out, and somebody else asks
			}
			if err := ask(ctx, l, &due[i]); err != nil && ctx.Err() == nil {
				r.cfg.Logger.Warn("a charge could not be looked up", zap.String("order_no", due[i].OrderNo), zap.String("number", due[i].Number),
					zap.String("charge", due[i].ID), zap.Int("queries", due[i].Queries), zap.Error(err))
			}
		})
	}
	all.Wait()
	return len(due), nil
}

// ErrAskedTooMuch says that Ping++ has been asked as often as it should be for the moment.
var ErrAskedTooMuch = errors.New("relay: too many questions to Ping++ for the moment")

// Event asks Ping++ for an event by its id, within the limit of questions.
func (r *Reconciler) Event(ctx context.Context, id string) (*pingpp.Event, error) {
	if !r.limit.Allow() {
		return nil, ErrAskedTooMuch
	}
	return r.cfg.Pingpp.GetEvent(ctx, id)
}

// Ask looks one of our charges up now, because somebody waits for it, until ctx ends; the look-up then goes on. Questions about a
// charge are passed on every five seconds at most; in between, and when Ping++ is asked too much already, nothing happens.
func (r *Reconciler) Ask(ctx context.Context, chargeID string) error {
	if !r.mayAsk(chargeID) || !r.limit.Allow() {
		return nil
	}
	l, err := r.cfg.Ledger(ctx)
	if err != nil {
		return err
	}
	c, err := l.Charge(ctx, r.cfg.Scope, chargeID)
	if err != nil || c.Paid || c.Reversed {
		return err
	}
	return r.lookUp(ctx, l, c)
}

// Recover looks a charge up, whether we know it or not, and accepts its payment if it is paid, and what went back since: a refund has come, and
// the backend should hear of the payment first.
func (r *Reconciler) Recover(ctx context.Context, chargeID string) error {
	if !r.limit.Allow() {
		return ErrAskedTooMuch
	}
	l, err := r.cfg.Ledger(ctx)
	if err != nil {
		return err
	}
	ours, err := l.Charge(ctx, r.cfg.Scope, chargeID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	found, err := r.cfg.Pingpp.GetCharge(ctx, chargeID)
	if err != nil {
		return err
	}
	if !found.Paid {
		return nil
	}
	return r.learn(ctx, l, ours, found, false)
}

func (r *Reconciler) mayAsk(chargeID string) bool {
	now := r.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.asked[chargeID]) < askEvery {
		return false
	}
	if len(r.asked) > 10_000 {
		for id, at := range r.asked {
			if now.Sub(at) >= askEvery {
				delete(r.asked, id)
			}
		}
	}
	r.asked[chargeID] = now
	return true
}

// lookUp asks Ping++ about a charge and records what it says.
func (r *Reconciler) lookUp(ctx context.Context, l ledger.Ledger, c *ledger.Charge) error {
	answered := r.flight.DoChan(c.ID, func() (any, error) {
		result, err := r.lookUpOnce(context.WithoutCancel(ctx), l, c) // the client's timeout bounds it
		r.cfg.Observe(result)
		return nil, err
	})
	select {
	case a := <-answered:
		return a.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Reconciler) lookUpOnce(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (result string, err error) {
	done := ledger.Queried{Scope: r.cfg.Scope, ChargeID: c.ID, Next: r.next(c), Superseded: c.Superseded}
	found, err := r.cfg.Pingpp.GetCharge(ctx, c.ID)
	tried := err == nil && !found.Paid && !found.Reversed && r.mayReverse(c)
	refusal := err
	if tried {
		found, refusal, err = r.reverse(ctx, c)
	}
	done.Next = r.nextReversal(c, done.Next, refusal)
	switch {
	case err != nil:
		done.Next = r.nextAfterError(c, done.Next)
		return "error", errors.Join(err, l.Queried(ctx, done))
	case found.Paid:
		if err := r.recordEnd(ctx, l, c, found, tried && found.Reversed); err != nil {
			done.Next = r.nextAfterError(c, done.Next)
			return "error", errors.Join(err, l.Queried(ctx, done))
		}
		r.cfg.Logger.Info("payment found by query", zap.String("order_no", c.OrderNo), zap.String("charge", c.ID))
		return "paid", nil // recording the payment ended the look-ups
	case found.Reversed:
		done.Next, done.Reversed, done.At = time.Time{}, true, r.cfg.Now()
		return "reversed", l.Queried(ctx, done)
	}
	return "unpaid", l.Queried(ctx, done)
}

// next says when to ask again: at growing gaps, but once as soon as the charge has expired, until the end.
func (r *Reconciler) next(c *ledger.Charge) time.Time {
	now := r.cfg.Now()
	next := now.Add(r.gap(now.Sub(c.Created)))
	if expired := c.Lapses().Add(5 * time.Second); next.After(expired) && now.Before(c.Lapses()) {
		next = expired
	}
	if end := c.Lapses().Add(r.cfg.Until); next.After(end) {
		if now.Before(end) {
			return end
		}
		return time.Time{}
	}
	return next
}

// nextAfterError says when to ask again where there was no answer: what would have been the last look-up is not, for a while.
func (r *Reconciler) nextAfterError(c *ledger.Charge, next time.Time) time.Time {
	now := r.cfg.Now()
	if next.IsZero() && now.Before(c.Lapses().Add(r.cfg.Until+errorsUntil)) {
		return now.Add(r.gap(now.Sub(c.Created)))
	}
	return next
}

// gap is the longest that the charge's age is not below, ±10 %.
func (r *Reconciler) gap(age time.Duration) time.Duration {
	gap := queryGaps[0]
	for _, longer := range queryGaps[1:] {
		if age >= longer {
			gap = longer
		}
	}
	return time.Duration(float64(gap) * (0.9 + 0.2*r.cfg.Rand()))
}

// paidEvent is the event that Ping++ would have sent, made of what it answered.
func paidEvent(c *pingpp.Charge, now time.Time) *pingpp.Event {
	created := c.TimePaid
	if created == 0 {
		created = now.Unix()
	}
	id := "evt_q_" + c.ID + "_charge_succeeded"
	raw := fmt.Appendf(nil, `{"id":%q,"object":"event","created":%d,"livemode":%t,"type":"charge.succeeded","data":{"object":%s},"pending_webhooks":0,"request":null}`,
		id, created, c.Livemode, c.Raw)
	return &pingpp.Event{
		ID: id, Type: "charge.succeeded", Created: created, Livemode: c.Livemode,
		ObjectType: "charge", ObjectID: c.ID, App: c.App, ChargeID: c.ID, OrderNo: c.OrderNo,
		Object: json.RawMessage(c.Raw), Charge: c, Raw: raw,
	}
}

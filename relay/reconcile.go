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

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

const (
	// DefaultAfter is how long after its creation a charge is looked up first: what [ledger.Charge.NextQuery] is set by.
	DefaultAfter = 30 * time.Second
	// DefaultUntil is how long after its expiry a charge is still looked up.
	DefaultUntil = 24 * time.Hour
)

// askEvery is the time between two look-ups of one charge that somebody waits for.
const askEvery = 5 * time.Second

// ReconcilerConfig says whose charges are looked up, and how.
type ReconcilerConfig struct {
	Scope  ledger.Scope
	Ledger func(context.Context) (ledger.Ledger, error) // opens it on first use
	Pingpp *pingpp.Client
	Intake *Intake // where a payment that was found goes

	Owner string // names this process in leases

	// Questions is how often Ping++ is asked; one that is given is shared with the app's other sites. Default: [NewQuestions].
	Questions *Questions

	// Observe is told of every look-up: paid, unpaid, reversed, found, absent, refund_succeeded, refund_failed, refund_pending, error.
	// May be nil.
	Observe func(result string)

	// Unclear is told of every refund that begins to wait for a person, and why: ambiguous or unanswered. May be nil.
	Unclear func(why string)

	Now    func() time.Time // default time.Now
	Rand   func() float64   // in [0, 1), for jitter; default math/rand/v2
	Logger *zap.Logger
}

// Reconciler finds payments whose webhook does not come, by asking Ping++. It knows our own charges only.
type Reconciler struct {
	cfg    ReconcilerConfig
	after  time.Duration      // from a charge's creation to its first look-up, as its NextQuery says
	until  time.Duration      // from a charge's expiry to its last look-up
	flight singleflight.Group // one look-up of a charge at a time

	sweepMost int // see the constant; less in tests

	mu    sync.Mutex
	asked map[string]time.Time // when somebody's question about a charge was last passed on
}

// NewReconciler makes a reconciler; Ask works at once, Run looks charges up by itself.
func NewReconciler(cfg ReconcilerConfig) *Reconciler {
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
	if cfg.Questions == nil {
		cfg.Questions = NewQuestions()
	}
	return &Reconciler{cfg: cfg, after: DefaultAfter, until: DefaultUntil, sweepMost: sweepMost, asked: make(map[string]time.Time)}
}

// Schedule says how long after its creation a charge is looked up first, and how long after its expiry last, instead of DefaultAfter and
// DefaultUntil. It is called before the reconciler is used.
func (r *Reconciler) Schedule(after, until time.Duration) { r.after, r.until = after, until }

// Run looks charges and refunds up until ctx ends, compares each day with Ping++'s list, and sees to it that nothing of its app and mode,
// deliveries among it, waits for hours because the clock was wrong.
func (r *Reconciler) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, kind := range []ledger.QueryKind{ledger.QueryTold, ledger.QueryFirst, ledger.QueryLater} {
		all.Go(func() { r.follow(ctx, kind) })
	}
	all.Go(func() { r.followRefunds(ctx) })
	all.Go(func() { r.followClock(ctx) })
	all.Go(func() { (&nightly{Reconciler: r}).run(ctx) })
	all.Wait()
}

// Event asks Ping++ for an event by its id. Anybody can send an id: this waits for no budget, so that whoever sends many takes nothing
// from those who wait.
func (r *Reconciler) Event(ctx context.Context, id string) (*pingpp.Event, error) {
	if !r.cfg.Questions.refunds.Allow() {
		return nil, ErrAskedTooMuch
	}
	return r.cfg.Pingpp.GetEvent(ctx, id)
}

// Ask looks one of our charges up now, because somebody waits for it, until ctx ends; the look-up then goes on. Questions about a
// charge are passed on every five seconds at most; in between, and when payers ask more than Ping++ may be asked until ctx ends,
// nothing happens.
func (r *Reconciler) Ask(ctx context.Context, chargeID string) error {
	if !r.mayAsk(chargeID) {
		return nil
	}
	if r.cfg.Questions.payers.Wait(ctx) != nil {
		r.notAsked(chargeID)
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
	if err := soon(ctx, r.cfg.Questions.refunds); err != nil {
		return err
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

// notAsked lets the next question about a charge pass: this one did not.
func (r *Reconciler) notAsked(chargeID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.asked, chargeID)
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
	found, err := r.cfg.Pingpp.GetCharge(ctx, c.ID)
	tried := err == nil && !found.Paid && !found.Reversed && r.mayReverse(c)
	refusal := err
	if tried {
		found, refusal, err = r.reverse(ctx, c)
	}
	if err != nil {
		return "error", errors.Join(err, l.Queried(ctx, ledger.Queried{
			Scope: r.cfg.Scope, ChargeID: c.ID, Next: r.nextReversal(c, r.nextAfterError(c), refusal), Superseded: c.Superseded,
		}))
	}
	return r.conclude(ctx, l, c, found, refusal, tried && found.Reversed)
}

// conclude records what Ping++ says about a charge, and when to ask for it again. refusal says why a reversal failed, made that one did not.
func (r *Reconciler) conclude(ctx context.Context, l ledger.Ledger, c *ledger.Charge, found *pingpp.Charge, refusal error, made bool) (result string, err error) {
	done := ledger.Queried{Scope: r.cfg.Scope, ChargeID: c.ID, Next: r.nextReversal(c, r.next(c), refusal), Superseded: c.Superseded}
	switch {
	case found.Paid:
		if err := r.recordEnd(ctx, l, c, found, made); err != nil {
			done.Next = r.nextAfterError(c)
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

// Package reconcile asks Ping++ about our own charges: those whose webhook does not come, those that are in a payer's way, and those of
// which nobody knows whether they were made. What it learns goes the way that webhooks go ([intake.Intake]).
package reconcile

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/relay/refunds"
)

const (
	// DefaultAfter is how long after its creation a charge is looked up first: what [ledger.Charge.NextQuery] is set by.
	DefaultAfter = 30 * time.Second
	// DefaultUntil is how long after its expiry a charge is still looked up.
	DefaultUntil = 24 * time.Hour
)

// Config says whose charges are looked up, and how.
type Config struct {
	Scope  ledger.Scope
	Ledger func(context.Context) (ledger.Ledger, error) // opens it on first use
	Pingpp *pingpp.Client
	Intake *intake.Intake // where a payment that was found goes

	Owner string // names this process in leases

	// Questions is how often Ping++ is asked; one that is given is shared with the app's other sites. Default: [asking.NewQuestions].
	Questions *asking.Questions

	// Observe is told of every look-up: paid, unpaid, reversed, found, absent, refund_succeeded, refund_failed, refund_pending, error.
	// May be nil.
	Observe func(result string)

	// Unclear is told of every refund that begins to wait for a person, and why: ambiguous or unanswered. May be nil.
	Unclear func(why string)

	Now    func() time.Time // default time.Now
	Rand   func() float64   // in [0, 1), for jitter; default math/rand/v2
	Logger *zap.Logger
}

// Reconciler is all that asks Ping++ about one app and mode. Each part stands by itself; Run does what has to be done without anybody asking.
type Reconciler struct {
	Charges   *Charges
	Attempts  *Attempts
	Reversals *Reversals
	Refunds   *refunds.Maker
	Learner   *intake.Learner
	Days      *nightly.Comparison
	Events    *Events

	// What Run runs.
	Due        *Due
	DueRefunds *refunds.Due
	Nights     *nightly.Nights
	overdue    *overdue
}

// New puts the parts together. They work at once, and by themselves while Run runs.
func New(cfg Config) *Reconciler {
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
		cfg.Questions = asking.NewQuestions()
	}
	learner := &intake.Learner{Scope: cfg.Scope, Pingpp: cfg.Pingpp, Intake: cfg.Intake, Now: cfg.Now, Logger: cfg.Logger}
	reversals := &Reversals{
		scope: cfg.Scope, pingpp: cfg.Pingpp, learner: learner, payers: cfg.Questions.Payers, now: cfg.Now, rand: cfg.Rand, logger: cfg.Logger,
	}
	charges := &Charges{
		scope: cfg.Scope, ledger: cfg.Ledger, pingpp: cfg.Pingpp, learner: learner, reversals: reversals, questions: cfg.Questions,
		schedule: schedule{DefaultAfter, DefaultUntil, cfg.Now, cfg.Rand}, observe: cfg.Observe, now: cfg.Now, logger: cfg.Logger,
		asked: make(map[string]time.Time),
	}
	attempts := &Attempts{
		scope: cfg.Scope, pingpp: cfg.Pingpp, learner: learner, questions: cfg.Questions, now: cfg.Now, rand: cfg.Rand, observe: cfg.Observe, logger: cfg.Logger,
	}
	maker := &refunds.Maker{
		Scope: cfg.Scope, Pingpp: cfg.Pingpp, Learner: learner, Unclear: cfg.Unclear, Now: cfg.Now, Rand: cfg.Rand, Logger: cfg.Logger,
	}
	days := &nightly.Comparison{Scope: cfg.Scope, Ledger: cfg.Ledger, Pingpp: cfg.Pingpp, Learner: learner, Budget: cfg.Questions.Later, Now: cfg.Now}
	return &Reconciler{
		Charges: charges, Attempts: attempts, Reversals: reversals, Refunds: maker, Learner: learner, Days: days,
		Events: &Events{cfg.Pingpp, cfg.Questions.Refunds},
		Due: &Due{
			scope: cfg.Scope, ledger: cfg.Ledger, pingpp: cfg.Pingpp, charges: charges, attempts: attempts, questions: cfg.Questions, owner: cfg.Owner,
			observe: cfg.Observe, now: cfg.Now, logger: cfg.Logger,
		},
		DueRefunds: &refunds.Due{Maker: maker, Ledger: cfg.Ledger, Budget: cfg.Questions.Refunds, Owner: cfg.Owner, Observe: cfg.Observe},
		Nights:     &nightly.Nights{Comparison: days, Owner: cfg.Owner, Logger: cfg.Logger},
		overdue:    &overdue{cfg.Scope, cfg.Ledger, cfg.Now, cfg.Logger},
	}
}

// Schedule says how long after its creation a charge is looked up first, and how long after its expiry last, instead of DefaultAfter and
// DefaultUntil. It is called before the reconciler is used.
func (r *Reconciler) Schedule(after, until time.Duration) {
	r.Charges.schedule.after, r.Charges.schedule.until = after, until
}

// Run looks charges and refunds up until ctx ends, compares each day with Ping++'s list, and sees to it that nothing of its app and mode,
// deliveries among it, waits for hours because the clock was wrong.
func (r *Reconciler) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, run := range []func(context.Context){r.Due.run, r.DueRefunds.Run, r.overdue.run, r.Nights.Run} {
		all.Go(func() { run(ctx) })
	}
	all.Wait()
}

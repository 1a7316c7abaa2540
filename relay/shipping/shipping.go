// Package shipping tells WeChat what was shipped for the payments whose money it keeps until then, and asks what has become of that money. What is to be
// told is in the ledger; this is who tells it, and nothing is posted a second time before WeChat was asked whether it has it.
package shipping

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

const (
	leaseTime = ledger.LongestLease // a dead process's shipments are free within it
	stepTime  = 40 * time.Second    // for WeChat's answer, access token included; a report must have reached WeChat, or not, before its lease ends
	startTime = 10 * time.Second    // after it was recorded that something is posted, it is

	atOnce      = 4 // shipments at one time
	asksASec    = 2 // of the daily round; WeChat does not say how many it takes
	reportsPoll = 5 * time.Second
	roundsPoll  = 30 * time.Second
)

// Config is what a Reporter works with. Scope, Ledger, Programs, Storage and Owner are required.
type Config struct {
	Scope    ledger.Scope // a live one: WeChat knows nothing of test payments
	Ledger   ledger.Ledger
	Programs map[string]*wechat.Orders // the order managements of the mini programs that are paid in, by AppID
	Storage  wechat.Storage            // what all processes remember together beside the ledger
	Owner    string                    // names this reporter in leases; unique among all processes

	// Auto is what is reported by itself of payments that the backend acknowledged before that was so; those that it acknowledges now are reported with that.
	// Nothing.
	Auto *Receipts
	// Observe is told how each question to WeChat ended, in the words of [ledger.ShippingResult]. None.
	Observe func(ledger.ShippingResult)
	// Due is told of each payment that runs out of the time in which WeChat waits for a report, twelve hours before and when it has. None.
	Due func(s *ledger.Shipment, over bool)
	// Failed is told, once, of each report that failed: a person has to look. None.
	Failed func(s *ledger.Shipment)
	// Span is told that WeChat is to be asked about a payment, and returns the context for that and what is called at its end, with why it brought
	// nothing. None.
	Span func(context.Context, *ledger.Shipment) (_ context.Context, end func(why string))

	Poll   time.Duration    // how often to look for what is due; by default 5 s for reports and 30 s for the daily round
	Now    func() time.Time // time.Now
	Logger *zap.Logger      // none
}

// Reporter tells WeChat about the payments of one scope.
type Reporter struct {
	cfg      Config
	programs map[string]*program
	asks     *rate.Limiter
	found    time.Time // when payments that nobody reported were last looked for
	looked   time.Time // when what runs out of its time was
	caught   time.Time // when what is to be reported by itself was
	failed   failures  // that were told of
}

// New checks the configuration and returns a reporter that does nothing until [Reporter.Run].
func New(cfg Config) (*Reporter, error) {
	if cfg.Scope.App == "" || cfg.Scope.Mode != ledger.Live {
		return nil, errors.New("shipping: the scope needs an app, in live mode")
	}
	if cfg.Ledger == nil || len(cfg.Programs) == 0 || cfg.Storage == nil || cfg.Owner == "" {
		return nil, errors.New("shipping: a ledger, a mini program, a storage and an owner are required")
	}
	if cfg.Observe == nil {
		cfg.Observe = func(ledger.ShippingResult) {}
	}
	if cfg.Due == nil {
		cfg.Due = func(*ledger.Shipment, bool) {}
	}
	if cfg.Failed == nil {
		cfg.Failed = func(*ledger.Shipment) {}
	}
	if cfg.Span == nil {
		cfg.Span = func(ctx context.Context, _ *ledger.Shipment) (context.Context, func(string)) {
			return ctx, func(string) {}
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	r := &Reporter{cfg: cfg, programs: make(map[string]*program), asks: rate.NewLimiter(asksASec, asksASec)}
	for id, orders := range cfg.Programs {
		r.programs[id] = &program{appID: id, orders: orders, logger: cfg.Logger, asking: semaphore.NewWeighted(1)}
	}
	return r, nil
}

// Run reports until ctx ends. Then it claims nothing more, lets what is under way come to its end, records that, and returns.
func (r *Reporter) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { r.reports(ctx) })
	all.Go(func() { r.rounds(ctx) })
	all.Wait()
}

// reports tells WeChat what is to be told: at once when something was recorded, else when it falls due.
func (r *Reporter) reports(ctx context.Context) {
	changed, stop := r.cfg.Ledger.Watch(ledger.ShipmentsTopic(r.cfg.Scope))
	defer stop()
	r.poll(ctx, reportsPoll, changed, func() bool {
		claimed := r.claim(ctx, false, atOnce)
		var all sync.WaitGroup
		for i := range claimed {
			all.Go(func() { r.step(ctx, &claimed[i]) })
		}
		all.Wait()
		return len(claimed) == atOnce
	})
}

// rounds asks, once a day and spread over it, what has become of money that is frozen, and looks for what nobody reported.
func (r *Reporter) rounds(ctx context.Context) {
	r.poll(ctx, roundsPoll, nil, func() bool {
		r.findUnshipped(ctx)
		r.catchUp(ctx)
		r.tellDue(ctx)
		r.tellFailed(ctx)
		if r.asks.Wait(ctx) != nil {
			return false
		}
		claimed := r.claim(ctx, true, 1)
		for i := range claimed {
			r.step(ctx, &claimed[i])
		}
		return len(claimed) > 0
	})
}

// poll calls look again and again until ctx ends: at once when it says that there may be more.
func (r *Reporter) poll(ctx context.Context, every time.Duration, changed <-chan struct{}, look func() (more bool)) {
	if r.cfg.Poll > 0 {
		every = r.cfg.Poll
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	for ctx.Err() == nil {
		if look() {
			continue
		}
		timer.Reset(every)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
	}
}

// claim leases shipments that are due, unless WeChat is not to be asked now. It is not cut off by the end of ctx: nobody else could work on what was
// leased.
func (r *Reporter) claim(ctx context.Context, daily bool, limit int) []ledger.Shipment {
	now := r.cfg.Now()
	if r.paused(now) {
		return nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	claimed, err := r.cfg.Ledger.ClaimShipments(within, ledger.ShipmentClaim{Scope: r.cfg.Scope, Daily: daily, Owner: r.cfg.Owner, Now: now, Until: now.Add(leaseTime), Limit: limit})
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("cannot read what WeChat has to know from the ledger, trying again", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
	return claimed
}

// paused says that no mini program is to be asked about now.
func (r *Reporter) paused(now time.Time) bool {
	for _, p := range r.programs {
		if !p.paused(now) {
			return false
		}
	}
	return true
}

// programOf is where a payment was made; nil: no site has it.
func (r *Reporter) programOf(s *ledger.Shipment) *program {
	if s.PayerAppID == "" && len(r.programs) == 1 {
		for _, p := range r.programs {
			return p
		}
	}
	return r.programs[s.PayerAppID]
}

// Package relay brings recorded events to the merchant's backend, at least once, until the backend acknowledges them or the
// retry schedule ends. How events are recorded is the matter of relay/intake; relay/reconcile, relay/refunds and relay/nightly find out
// what no webhook has told.
//
// The relay keeps nothing that the ledger does not have. It leases events, so that no two relays, in one process or in
// several, deliver one event at the same time; the leases of a process that dies are free within two seconds.
package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
)

// Defaults of [Config].
const (
	DefaultTimeout     = 15 * time.Second
	DefaultConcurrency = 16
	DefaultPoll        = time.Second
)

// Config is what a relay works with. Scope, Ledger, Backend, Path, Owner and one of Secrets and Token are required.
type Config struct {
	Scope  ledger.Scope  // whose events
	Ledger ledger.Ledger // where they are

	// Backend reaches the merchant's backend. A request has the events path as its URL, without a host, and the public host
	// in Host. It must not follow redirects, and its answer's body must end with an error if it was cut short. An error that is
	// ErrUnsent, or a dial's *net.OpError, says that nothing was sent.
	Backend http.RoundTripper
	Method  string        // POST
	Path    string        // of the backend's events route; it may have a query
	Secrets []Secret      // sign every attempt; two while rotating, the backend may know either
	Token   redact.Secret // sent as X-Pay-Token; empty: not sent

	Expect      Expect          // what a receipt says; zero: anything that is neither an HTML page nor PHP's error message
	Timeout     time.Duration   // for one attempt, answer included; 15s
	Retry       []time.Duration // gaps between attempts, ±20 %; nil: DefaultRetry; after the last one the event is dead
	Concurrency int             // deliveries at one time; 16
	Poll        time.Duration   // how often to look for what other processes recorded; 1s
	Owner       string          // names this relay in the ledger; unique among all relays of all processes

	// Observe is told how each attempt ended: delivered, failed, unreachable or dead; and with delivered how long that took
	// since the event came in. It is 0 for a replay. None.
	Observe func(result string, since time.Duration)

	// Tried is told how each attempt ended, as people see it. None.
	Tried func(Attempt)

	// Dead is told of each event that has no attempt left, once that is on record, and why the last one failed. None.
	Dead func(ev *ledger.Event, why string)

	// Ships says, of a live payment that the backend has acknowledged, and of the start of its answer, what is reported to WeChat in the write that
	// settles the delivery; a problem when what was to be reported is no report. None.
	Ships func(ev *ledger.Event, answer []byte) (*ledger.Shipping, ledger.ShippingProblem)

	// Span is told that an attempt begins, and returns its context, the traceparent that the backend gets, and what is called with the status,
	// 0 without an answer, and why it failed, if it did. By default the backend gets the traceparent that was kept with the event.
	Span func(ctx context.Context, ev *ledger.Event, attempt int) (_ context.Context, traceParent string, end func(status int, why string))

	Now    func() time.Time // time.Now
	Rand   func() float64   // in [0,1), for jitter; math/rand/v2
	Logger *zap.Logger      // none
}

// ErrUnsent is what an error of [Config.Backend] is, by errors.Is, when no connection to the backend came about.
var ErrUnsent = errors.New("the backend could not be connected to")

// ErrReset is what an error of [Config.Backend] is, by errors.Is, when a backend that HTTP was spoken to reset the connection, as
// php-fpm does.
var ErrReset = errors.New("the backend reset the connection; if php-fpm listens there, write transport fastcgi in the upstream block")

// Relay delivers the events of one scope.
type Relay struct {
	cfg      Config
	schedule *schedule
	courier  *courier
	report   *report

	freed   chan struct{} // capacity 1: there is room for more deliveries
	retimed chan struct{} // capacity 1: an event has got another due time
	work    sync.WaitGroup

	mu       sync.Mutex
	running  context.Context // of Run; nothing is lent without it, nor once it has ended
	breaker  *breaker
	sending  int            // attempts under way
	quick    int            // attempts that have ended since the last claim, and did not take long
	ahead    int            // how many events to claim for slots that are not free yet
	brisk    bool           // the last attempt that has ended did not take long
	drained  bool           // the last claim left nothing behind, and there was room for all that came since
	lent     int            // events that are being recorded under a lease of this relay
	loans    int            // leases that were lent, ever
	ready    []task         // claimed ahead, or lent; empty as long as a slot is free
	held     map[hold]lease // events that this relay works on: sending, ready, or being recorded
	stranded int            // of those, whose outcome cannot be recorded since the ledger is damaged there
}

// hold is one attempt to deliver one event.
type hold struct {
	id      string
	attempt int
}

// lease is the name under which an event was claimed, and for how long.
type lease struct {
	owner   string
	claimed time.Time
	until   time.Time
	anew    *ledger.Event // as it was claimed while its attempt went on, or was only just recorded; nil: it was not
}

// task is an event to deliver.
type task struct {
	hold
	event *ledger.Event
}

// New checks the configuration and returns a relay that does nothing until [Relay.Run].
func New(cfg Config) (*Relay, error) {
	if cfg.Scope.App == "" || cfg.Scope.Mode == "" {
		return nil, errors.New("relay: the scope needs an app and a mode")
	}
	if cfg.Ledger == nil || cfg.Backend == nil || cfg.Owner == "" {
		return nil, errors.New("relay: a ledger, a backend and an owner are required")
	}
	if len(cfg.Secrets) == 0 && cfg.Token.Empty() {
		return nil, errors.New("relay: events need a secret, or the site a backend_token: without either anyone who reaches the backend could announce a payment")
	}
	if slices.ContainsFunc(cfg.Secrets, func(s Secret) bool { return !s.valid() }) {
		return nil, errors.New("relay: an events secret is empty; make it with ParseSecret")
	}
	if cfg.Method == "" {
		cfg.Method = http.MethodPost
	}
	target, err := parseTarget(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("relay: the events path must be a path like /internal/pay/events: %w", err)
	}
	if _, err := http.NewRequest(cfg.Method, target.String(), nil); err != nil {
		return nil, fmt.Errorf("relay: events: %w", err)
	}
	if cfg.Timeout < 0 || cfg.Concurrency < 0 || cfg.Poll < 0 {
		return nil, errors.New("relay: timeout, concurrency and poll must be positive; leave them out for the default")
	}
	if cfg.Retry == nil {
		cfg.Retry = DefaultRetry
	}
	for _, gap := range cfg.Retry {
		if gap <= 0 {
			return nil, fmt.Errorf("relay: the retry gap %s must be positive, as in: retry 5s 30s 2m", gap)
		}
	}
	cfg.defaults()
	return &Relay{
		cfg: cfg, schedule: &schedule{cfg.Retry, cfg.Rand},
		courier: cfg.courier(target),
		report:  &report{cfg.Method + " " + cfg.Path, cfg.Observe, cfg.Logger},
		freed:   make(chan struct{}, 1), retimed: make(chan struct{}, 1),
		breaker: newBreaker(cfg.Concurrency, cfg.Rand), held: make(map[hold]lease),
	}, nil
}

func (c *Config) defaults() {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	if c.Poll == 0 {
		c.Poll = DefaultPoll
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	if c.Tried == nil {
		c.Tried = func(Attempt) {}
	}
	if c.Dead == nil {
		c.Dead = func(*ledger.Event, string) {}
	}
	if c.Span == nil {
		c.Span = func(ctx context.Context, ev *ledger.Event, _ int) (context.Context, string, func(int, string)) {
			return ctx, ev.TraceParent, func(int, string) {}
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}

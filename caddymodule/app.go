// Package caddymodule is everything of caddypay that knows Caddy: the modules, the Caddyfile directives, provisioning, and
// the `caddy pay` commands. What can be said without Caddy is elsewhere: what the commands do and the demo in packages below this one, what is
// checked in check, the routes in handlers.
//
// It has many files since the modules are few and know each other: caddyfile_*.go reads the options of one [Handler], provision*.go makes of the same
// fields what handlers needs, checks*.go and admin.go tell of what came of them, and [App] keeps what outlives a reload. A package of each would
// export those fields for its neighbours alone. Each file is one block of options, or one thing that Caddy is asked.
package caddymodule

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/notify"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

const defaultRetention = 400 * 24 * time.Hour

func init() {
	caddy.RegisterModule(new(App))
	caddy.RegisterModule(new(Handler))
	caddy.RegisterModule(new(Sandbox))
}

// App is the `pay` app: it keeps the ledger and delivers events to the backends of all sites.
type App struct {
	// Where payments and events are recorded.
	Ledger *LedgerConfig `json:"ledger,omitempty"`

	// How long the bodies of settled events, and charges that are closed, are kept. Ids are kept for ever, so nothing is taken twice.
	// Default: `400d`.
	Retention caddy.Duration `json:"retention,omitempty"`

	// Who is told of incidents: one message when something begins to be wrong, and one when it is over. Default: nobody.
	Notify []NotifyConfig `json:"notify,omitempty"`

	// Where the options stand in the Caddyfile that this was made of, for errors to say so. Leave it out of JSON that is written by hand.
	Lines lines `json:"lines,omitempty"`

	logger *zap.Logger
	home   home
	store  *store
	held   bool // a reference on the store is ours
	sites  []*registration
	spent  []budgetsKey   // the budgets that are ours to give back
	asks   []ledger.Scope // whose questions are ours to give back
	owner  string         // names this configuration's workers in leases
	work   sync.WaitGroup
	stop   context.CancelFunc

	knocks    knocks           // of checks that are under way
	grown     grown            // when this configuration began
	operators *adminapi.Server // what they see and decide
	relays    atomic.Pointer[map[ledger.Scope]*relay.Relay]
	reporters atomic.Pointer[[]*shipping.Reporter]
	announce  *announcer      // to Caddy's events app; nil: there is none
	targets   []notify.Target // of Notify
	shared    wechat.Storage  // what all nodes know together

	closing chan struct{} // closed when requests that wait should answer
	closed  sync.Once
}

// registration is one `pay` block as the app knows it.
type registration struct {
	site        string // for messages
	enclosing   any    // what the block stands in: equal for blocks that see the same requests
	prefix      string
	scope       ledger.Scope
	wxPub       bool         // its users can log in on a page
	webhooks    string       // the URL to enter at Ping++
	listen      string       // where this Caddy listens for it, as this machine reaches it; empty: nobody can say
	channels    []string     // that are offered
	destination *destination // nil: the block names none
	reconcile   *ReconcileConfig
	shipping    *shippingRules // nil: the block says nothing of it
	handler     *Handler
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pay", New: func() caddy.Module { return new(App) }}
}

// Provision takes a reference on the ledger without opening it.
func (a *App) Provision(ctx caddy.Context) (err error) {
	defer apart(&err)
	a.logger = plainLog(ctx.Logger())
	r := a.resolver()
	if a.home, err = a.Ledger.home(r); err != nil {
		return err
	}
	if a.Retention < 0 {
		return r.errorf("retention", "%s is not above 0; write retention 400d", time.Duration(a.Retention))
	}
	if a.targets, err = a.provisionNotify(r); err != nil {
		return err
	}
	host, _ := os.Hostname()
	a.owner = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("pay: metrics: %w", err)
	}
	if err := registerGauges(ctx.GetMetricsRegistry(), a); err != nil {
		return fmt.Errorf("pay: metrics: %w", err)
	}
	if a.announce, err = newAnnouncer(ctx, a.logger); err != nil {
		return err
	}
	a.closing = make(chan struct{})
	a.store, a.held = acquire(a.home, ctx.Storage()), true
	a.shared = a.store.shared()
	a.operators = a.newOperators()
	return nil
}

// resolver is that of the global option.
func (a *App) resolver() *resolver {
	return &resolver{repl: caddy.NewReplacer(), site: "all sites", lines: a.Lines}
}

// register adds a block. Blocks whose events would go two ways, or whose routes would hide one another, are a config error.
func (a *App) register(res *resolver, r *registration) error {
	for _, other := range a.sites {
		if other.enclosing == r.enclosing && (covers(other.prefix, r.prefix) || covers(r.prefix, other.prefix)) {
			return res.errorf("prefix", "there are two pay blocks with %s on this site; give one another prefix, like pay /pay2 { … }",
				prefixes(other.prefix, r.prefix))
		}
		if err := r.agrees(res, other); err != nil {
			return err
		}
	}
	a.sites = append(a.sites, r)
	a.govern(r.scope)
	return nil
}

// covers reports whether everything under the prefix b lies under a too.
func covers(a, b string) bool { return a == b || strings.HasPrefix(b, a+"/") }

func prefixes(a, b string) string {
	if a == b {
		return "the prefix " + a
	}
	return fmt.Sprintf("the prefixes %s and %s, one below the other,", a, b)
}

// scopes returns the apps and modes of the sites, in a fixed order.
func (a *App) scopes() []ledger.Scope {
	return slices.SortedFunc(maps.Keys(a.reconcilers()), func(x, y ledger.Scope) int { return strings.Compare(x.Key(), y.Key()) })
}

// reconcilers returns one for each app and mode.
func (a *App) reconcilers() map[ledger.Scope]*reconcile.Reconciler {
	all := make(map[ledger.Scope]*reconcile.Reconciler)
	for _, s := range a.sites {
		all[s.scope] = s.handler.resolved.Reconciler
	}
	return all
}

// close ends the waiting requests of this configuration.
func (a *App) close() { a.closed.Do(func() { close(a.closing) }) }

// exitGrace is how long the end of the process waits for deliveries under way. One that is cut off is repeated by the next
// process, with the same webhook-id.
const exitGrace = 10 * time.Second

// Stop ends delivery. Webhooks are still accepted until the server itself has stopped.
func (a *App) Stop() error {
	a.close()
	if a.stop == nil {
		return nil
	}
	a.stop()
	if !caddy.Exiting() {
		return nil // the new configuration is running already; what is under way is finished in the background
	}
	done := make(chan struct{})
	go func() { a.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(exitGrace):
		a.logger.Warn("a delivery is still under way at exit; it will be repeated")
	}
	return nil
}

// Cleanup gives the ledger back. It also runs when Provision failed.
func (a *App) Cleanup() error {
	if a.stop != nil {
		a.stop()
	}
	a.releaseBudgets()
	if !a.held {
		return nil
	}
	a.held = false
	return releaseStore(a.home.key)
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)

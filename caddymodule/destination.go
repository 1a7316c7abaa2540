package caddymodule

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/relay/reconcile"
)

// destination is where the events of an app and mode go, and by which rules. It is that of all pay blocks of the app and mode, of those
// without events too: whichever of them takes an event in, by a webhook or by asking Ping++, it goes the same way.
type destination struct {
	Method, Path string
	Secrets      []relay.Secret
	Token        redact.Secret
	Expect       relay.Expect
	Timeout      time.Duration
	Retry        []time.Duration
	Types        []string // sorted; empty: all
	Deliver      bool     // what fails a money check
	Upstream     string   // its configuration

	backend *upstream
}

// agrees makes sure that two blocks of one app and mode do not say different things about events, look-ups or shipping.
func (r *registration) agrees(res *resolver, other *registration) error {
	if other.scope != r.scope {
		return nil
	}
	if r.destination != nil && other.destination != nil {
		if differ := other.destination.differences(r.destination); len(differ) > 0 {
			return res.errorf(differ[0], "%s in %s mode already delivers in another way on %s: %s; give both sites the same there, or only one of them events",
				r.scope.App, r.scope.Mode, other.named(differ[0]), differing(differ))
		}
	}
	if r.reconcile != nil && other.reconcile != nil && r.reconcile.times() != other.reconcile.times() {
		return res.errorf("reconcile", "the charges of %s in %s mode are already looked up at other times on %s; give both sites the same there, or only one of them reconcile",
			r.scope.App, r.scope.Mode, other.named("reconcile"))
	}
	if r.shipping != nil && other.shipping != nil {
		if option := other.shipping.differs(r.shipping); option != "" {
			return res.errorf(option, "the shipping of payments of %s in %s mode is already reported in another way on %s; give both sites the same there, or only one of them shipping",
				r.scope.App, r.scope.Mode, other.named(option))
		}
	}
	return nil
}

// named is the site, and where one of its options stands.
func (r *registration) named(option string) string {
	if at := r.handler.Lines.of(option, ""); at != "" {
		return r.site + " (" + at + ")"
	}
	return r.site
}

// differences names the options in which two destinations are not the same.
func (d *destination) differences(o *destination) (options []string) {
	for _, member := range []struct {
		option string
		same   bool
	}{
		{"events", d.Method == o.Method && d.Path == o.Path},
		{"events secret", slices.EqualFunc(d.Secrets, o.Secrets, relay.Secret.Equal)},
		{"events types", slices.Equal(d.Types, o.Types)},
		{"events expect", reflect.DeepEqual(d.Expect, o.Expect)},
		{"events mismatch", d.Deliver == o.Deliver},
		{"events timeout", d.Timeout == o.Timeout},
		{"events retry", slices.Equal(d.Retry, o.Retry)},
		{"backend_token", d.Token.Equal(o.Token)},
		{"upstream", d.Upstream == o.Upstream},
	} {
		if !member.same {
			options = append(options, member.option)
		}
	}
	return options
}

// differing says of options, of which there is one at least, that they are not the same.
func differing(options []string) string {
	said := make([]string, len(options))
	for i, option := range options {
		said[i] = option
		if option == "events" {
			said[i] = "the method or path of events"
		} else if own, ok := strings.CutPrefix(option, "events "); ok {
			said[i] = own + " of events"
		}
	}
	if len(said) == 1 {
		return said[0] + " differs"
	}
	return strings.Join(said[:len(said)-1], ", ") + " and " + said[len(said)-1] + " differ"
}

// times are After and Until, or their defaults.
func (c *ReconcileConfig) times() (t struct{ after, until time.Duration }) {
	t.after, t.until = reconcile.DefaultAfter, reconcile.DefaultUntil
	if c != nil {
		t.after, t.until = cmp.Or(time.Duration(c.After), t.after), cmp.Or(time.Duration(c.Until), t.until)
	}
	return t
}

// govern gives all blocks of an app and mode the rules of the one that has events, the times of the one that has reconcile, and the shipping of the one
// that has that.
func (a *App) govern(scope ledger.Scope) {
	d := a.destinationOf(scope)
	var c *ReconcileConfig
	for _, s := range a.sites {
		if s.scope == scope && s.reconcile != nil {
			c = s.reconcile
		}
	}
	ships := a.ships(scope)
	for _, s := range a.sites {
		if s.scope != scope {
			continue
		}
		h := s.handler
		if d != nil {
			h.resolved.Intake.Types, h.resolved.Intake.Deliver = d.Types, d.Deliver
		}
		h.resolved.Intake.Ships = ships
		times := c.times()
		h.site.Payments.QueryAfter = times.after
		h.resolved.Reconciler.Schedule(times.after, times.until)
	}
}

// destinationOf returns where the events of an app and mode go; nil: nowhere.
func (a *App) destinationOf(scope ledger.Scope) *destination {
	for _, s := range a.sites {
		if s.scope == scope && s.destination != nil {
			return s.destination
		}
	}
	return nil
}

// shippingOf returns how the shipping of an app and mode is reported; nil: it is not.
func (a *App) shippingOf(scope ledger.Scope) *shippingRules {
	for _, s := range a.sites {
		if s.scope == scope && s.shipping != nil {
			return s.shipping
		}
	}
	return nil
}

// ships says whether WeChat is told of the shipping of an app and mode: it knows nothing of test payments.
func (a *App) ships(scope ledger.Scope) bool {
	return scope.Mode == ledger.Live && a.shippingOf(scope) != nil
}

// newRelays makes a relay for each app and mode whose events go somewhere, and tells the blocks that take those in.
func (a *App) newRelays(l ledger.Ledger) ([]*relay.Relay, error) {
	var relays []*relay.Relay
	of := make(map[ledger.Scope]*relay.Relay)
	for _, scope := range a.scopes() {
		d := a.destinationOf(scope)
		if d == nil {
			continue
		}
		var ships func(*ledger.Event, []byte) (*ledger.Shipping, ledger.ShippingProblem)
		if receipts := a.receiptsOf(scope); receipts != nil {
			ships = receipts.Of
		}
		r, err := relay.New(relay.Config{
			Scope: scope, Ledger: l, Backend: d.backend, Method: d.Method, Path: d.Path,
			Secrets: d.Secrets, Token: d.Token, Expect: d.Expect, Timeout: d.Timeout, Retry: d.Retry, Owner: a.owner,
			Observe: a.observeDelivery(scope), Tried: a.sawAttempt(scope), Dead: a.announce.dead, Ships: ships, Span: spanDelivering,
			Logger: a.logger.With(zap.String("app", scope.App), zap.String("mode", string(scope.Mode))),
		})
		if err != nil {
			return nil, fmt.Errorf("pay: events of %s: %w", scope.Key(), err)
		}
		relays = append(relays, r)
		of[scope] = r
		for _, s := range a.sites {
			if s.scope == scope {
				s.handler.resolved.Intake.DeliverBy(r)
			}
		}
	}
	a.relays.Store(&of)
	return relays, nil
}

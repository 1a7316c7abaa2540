package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
)

// provisionEvents sets up the intake, and returns where the block delivers events; nil when it names no place.
func (h *Handler) provisionEvents(r *resolver, upstreamJSON string) (*destination, error) {
	h.resolved.Intake = &intake.Intake{
		Scope: h.resolved.Scope, Ledger: h.app.store.open, Now: time.Now, Logger: h.resolved.Logger,
		Recorded: h.app.announce.recorded, Span: spanAccepting,
		Observe: func(source ledger.Source, result string) {
			if source == ledger.Webhook {
				h.countWebhook(result)
			}
		},
	}
	c := h.Events
	if c == nil {
		return nil, nil
	}
	if len(c.Secrets) == 0 && h.resolved.Token.Empty() {
		return nil, r.errorf("events", "needs a secret, or the site a backend_token: without either, anyone who reaches the backend could announce a payment; write backend_token {env.PAY_BACKEND_TOKEN}, or secret {env.PAY_EVENTS_SECRET} in events")
	}
	path, err := r.path("events", c.Path)
	if err != nil {
		return nil, err
	}
	if strings.Contains(path, "{") {
		return nil, r.errorf("events", "the path %q may hold no placeholder of a request; write one like /internal/pay/events", path)
	}
	if err := r.method("events", c.Method, http.MethodPost, http.MethodPut); err != nil {
		return nil, err
	}
	types, err := r.values("events types", c.Types)
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if err := checkEventType(t); err != nil {
			return nil, r.errorf("events types", "%w", err)
		}
	}
	slices.Sort(types)
	d := &destination{Method: c.Method, Path: path, Token: h.resolved.Token, Timeout: time.Duration(c.Timeout), Types: slices.Compact(types),
		Upstream: upstreamJSON, backend: h.upstream}
	if c.Timeout < 0 {
		return nil, r.errorf("events timeout", "%s must be above 0; write timeout 15s", time.Duration(c.Timeout))
	}
	if c.Expect != nil {
		if d.Expect, err = expectOf(r, c.Expect); err != nil {
			return nil, err
		}
	}
	for _, gap := range c.Retry {
		if gap <= 0 {
			return nil, r.errorf("events retry", "a gap must be above 0; write retry 5s 30s 2m 10m 1h")
		}
		d.Retry = append(d.Retry, time.Duration(gap))
	}
	for _, configured := range c.Secrets {
		text, err := r.value("events secret", configured)
		if err != nil {
			return nil, err
		}
		secret, err := relay.ParseSecret(text)
		if err != nil {
			return nil, r.errorf("events secret", "%w", err)
		}
		d.Secrets = append(d.Secrets, secret)
	}
	switch c.Mismatch {
	case "", "hold":
	case "deliver":
		d.Deliver = true
	default:
		return nil, r.errorf("events mismatch", "%q is neither hold nor deliver; write mismatch hold", c.Mismatch)
	}
	return d, h.closeOff(r, "events", path)
}

// provisionReconciler sets up the look-ups of charges whose webhook does not come. When they are made, its app and mode says.
func (h *Handler) provisionReconciler(r *resolver) error {
	if c := h.Reconcile; c != nil && (c.After < 0 || c.Until < 0) {
		return r.errorf("reconcile", "after and until must be above 0; write after 30s and until 24h")
	}
	h.resolved.Reconciler = reconcile.New(reconcile.Config{
		Scope: h.resolved.Scope, Ledger: h.app.store.open, Pingpp: h.resolved.Pingpp, Intake: h.resolved.Intake,
		Owner: h.app.owner, Questions: h.app.questions(h.resolved.Scope), Logger: h.resolved.Logger,
		Observe: func(result string) { metrics.reconciled.WithLabelValues(result).Inc() },
		Unclear: func(why string) { metrics.unclear.WithLabelValues(why).Inc() },
	})
	h.resolved.Intake.Ask = h.resolved.Reconciler.Charges.Recover
	return nil
}

// expectOf reads what the answer to an event must be.
func expectOf(r *resolver, c *ExpectConfig) (e relay.Expect, err error) {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch {
	case c.JSON == nil && blank(c.Body):
		return e, r.errorf("events expect", "names no body; write expect body success")
	case c.JSON != nil && c.Body != "":
		return e, r.errorf("events expect", "names a body and json, and an answer cannot be both; keep one")
	case c.JSON == nil:
		return relay.Expect{Body: c.Body}, nil
	case blank(c.JSON.Path), len(c.JSON.Values) == 0, slices.ContainsFunc(c.JSON.Values, blank):
		return e, r.errorf("events expect", "json takes a path and the values that acknowledge an event; write expect json code 0 200")
	}
	if err := checkJSONPath(c.JSON.Path); err != nil {
		return e, r.errorf("events expect", "json: %w", err)
	}
	return relay.Expect{Path: c.JSON.Path, Values: c.JSON.Values}, nil
}

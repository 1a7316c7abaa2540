// Package webhook is POST /pay/webhooks: what Ping++ says is verified, and recorded before anything else.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
)

const maxWebhook = 256 << 10 // bytes

// Webhooks receives those of one Ping++ app in one mode.
type Webhooks struct {
	Scope      ledger.Scope
	Verifier   *pingpp.Verifier
	Pingpp     *pingpp.Client        // is asked whose charge an event is about
	Reconciler *reconcile.Reconciler // is asked about events that came unsigned
	Intake     *intake.Intake
	Ledger     func(context.Context) (ledger.Ledger, error) // opens the ledger on first use
	Budgets    *limits.Budgets
	Count      func(result string)        // is told why one was refused, rate_limited, or unavailable
	Took       func(time.Duration)        // is told how long an event took from its arrival until it was on the disk
	ClientIP   func(*http.Request) string // the client's address as the server trusts it
	Host       func(*http.Request) string // the host that it came to, as far as the site goes by that name: kept with events
	Logger     *zap.Logger
	Now        func() time.Time

	lines problem.Lines
}

// Receive serves POST /pay/webhooks. Nothing is done before the signature verifies, and 200 means that the event is on disk.
func (h *Webhooks) Receive(w http.ResponseWriter, r *http.Request) error {
	came := h.Now()
	err := h.accept(w, r)
	if err == nil {
		h.Took(h.Now().Sub(came))
		return nil
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		return h.refused(r, refused)
	}
	switch p := problem.As(err); {
	case p.Budget != "":
		h.Count(p.Code)
	case p.Status() >= http.StatusInternalServerError:
		h.Count("unavailable")
	}
	return err
}

// refused counts a refused webhook, logs it, a few lines a minute for each reason so that a flood cannot fill the disk, and returns what to
// answer: once an address has sent too many of them, that it should stop. Nothing but memory is limited before the signature was looked at: Ping++'s own
// webhooks may come from the same address as a flood, through one proxy.
func (h *Webhooks) refused(r *http.Request, refused *refusal) *problem.Problem {
	p := refused.problem
	p.Logged = true
	if err := h.Budgets.Refusal(h.ClientIP(r), h.Now()); err != nil {
		h.Count("rate_limited")
		return problem.As(err)
	}
	h.Count(refused.reason)
	if suppressed, ok := h.lines.Allow(refused.reason, h.Now()); ok {
		h.Logger.Warn("webhook refused", zap.String("reason", refused.reason), zap.String("code", p.Code), zap.NamedError("why", p.Cause),
			zap.String("advice", refused.advice), zap.Int64("not_logged_before", suppressed))
	}
	return p
}

// refusal is why a webhook was refused.
type refusal struct {
	reason  string // as it is counted
	advice  string // to the operator
	problem *problem.Problem
}

func (r *refusal) Error() string { return r.problem.Error() }

// Unwrap returns the problem.
func (r *refusal) Unwrap() error { return r.problem }

func (h *Webhooks) accept(w http.ResponseWriter, r *http.Request) error {
	began := h.Now()
	signatures := r.Header.Values(pingpp.SignatureHeader)
	if err := h.Verifier.Screen(signatures); err != nil && !h.mayBeUnsigned(err) {
		return refuseSignature(err)
	}
	raw, err := body.Read(r, maxWebhook, &h.Budgets.Webhooks)
	if err != nil {
		return err
	}
	ev, err := h.verified(r, raw, signatures)
	if err != nil {
		return err
	}
	if !ev.ModeUnknown && ev.Livemode != (h.Scope.Mode == ledger.Live) {
		return refuse("mode", problem.New("mode_mismatch", fmt.Errorf("event %s has livemode %t, and the site's key is for %s mode", ev.ID, ev.Livemode, h.Scope.Mode)),
			"enter this URL in Ping++'s dashboard for the mode of the key only")
	}
	l, err := h.Ledger(r.Context())
	if err != nil {
		return err
	}
	charge, whose, err := h.bind(r.Context(), l, ev)
	if err != nil {
		return err
	}
	did, err := h.Intake.Accept(r.Context(), intake.Arrival{
		Event: ev, Charge: charge, NoApp: whose == nobodys, Source: ledger.Webhook, Host: h.Host(r),
		Signature: pingpp.Signature(signatures), TraceParent: r.Header.Get("traceparent"),
	})
	if err != nil {
		code := "ledger_unavailable"
		if _, ok := errors.AsType[*pingpp.Error](err); ok || errors.Is(err, asking.ErrTooMuch) {
			code = "provider_unavailable" // the payment of a refund had to be asked for
		}
		return problem.Retry(code, 2*time.Second, fmt.Errorf("event %s could not be recorded: %w", ev.ID, err))
	}
	if whose == nobodys && did == ledger.Recorded {
		h.unclaimed(ev)
	}
	orderNo := ev.OrderNo
	switch {
	case charge != nil:
		orderNo = charge.OrderNo
	case ev.Charge != nil && ev.Charge.Metadata[intake.MetaOrderNo] != "":
		orderNo = ev.Charge.Metadata[intake.MetaOrderNo]
	}
	h.Logger.Info("event accepted", zap.String("order_no", orderNo), zap.String("charge", ev.ChargeID), zap.String("event", ev.ID), zap.String("type", ev.Type),
		zap.String("object", ev.ObjectID), zap.String("result", string(did)), zap.Duration("took", h.Now().Sub(began)))
	reply.JSON(w, http.StatusOK, map[string]string{"result": string(did)})
	return nil
}

// verified returns the event that a webhook brings, once it is known to be Ping++'s.
func (h *Webhooks) verified(r *http.Request, body []byte, signatures []string) (*pingpp.Event, error) {
	verr := h.Verifier.Verify(body, signatures)
	blank := h.mayBeUnsigned(verr)
	if verr != nil && !blank {
		return nil, refuseSignature(verr)
	}
	ev, err := pingpp.ParseEvent(body)
	if err != nil {
		return nil, refuse("malformed", problem.New("event_malformed", err),
			"the body is not an event, which is one JSON object with a type and data; does something else than Ping++'s webhooks send here what Ping++ has signed?")
	}
	if !blank {
		return ev, nil
	}
	return h.confirmed(r, ev, verr)
}

// mayBeUnsigned reports whether a signature is one that older accounts send with test events: blank.
func (h *Webhooks) mayBeUnsigned(err error) bool {
	serr, ok := errors.AsType[*pingpp.SignatureError](err)
	return ok && serr.Reason == pingpp.SignatureEmpty && h.Scope.Mode == ledger.Test
}

// confirmed asks Ping++ for a test-mode event that came with a blank signature, as older accounts send them, and returns what
// Ping++ answers: nothing of the webhook's own body is used but the id. In live mode there is no such way.
func (h *Webhooks) confirmed(r *http.Request, claimed *pingpp.Event, verr error) (*pingpp.Event, error) {
	if claimed.Livemode {
		return nil, refuseSignature(verr)
	}
	if err := h.Budgets.Unverified(h.ClientIP(r), h.Now()); err != nil {
		return nil, err
	}
	ev, err := h.Reconciler.Events.Get(r.Context(), claimed.ID)
	if perr, ok := errors.AsType[*pingpp.Error](err); ok && (perr.Kind == pingpp.NotFound || perr.Kind == pingpp.Foreign) {
		return nil, refuseSignature(verr)
	}
	if err != nil {
		return nil, problem.Retry("provider_unavailable", 5*time.Second, fmt.Errorf("event %s came unsigned, and Ping++ cannot confirm it: %w", claimed.ID, err))
	}
	return ev, nil
}

// owner says whose an event is.
type owner int

const (
	ours    owner = iota
	nobodys       // it names neither an app nor a charge
)

// bind makes sure that an event is about this site's app. An object that names no app, like a refund, is bound through its
// charge, which is returned then. Where money is at stake and nothing tells otherwise, an event is ours: a person decides about it.
func (h *Webhooks) bind(ctx context.Context, l ledger.Ledger, ev *pingpp.Event) (*ledger.Charge, owner, error) {
	switch {
	case ev.App != "" && !ev.Concerns(h.Scope.App):
		return nil, ours, refuse("app", problem.New("app_mismatch", fmt.Errorf("event %s belongs to %.60q, this site to %s", ev.ID, ev.App, h.Scope.App)),
			"enter this URL in Ping++'s dashboard for this app only, or give the other app a site of its own")
	case ev.App != "":
		return nil, ours, nil // the ledger finds its charge as it records it
	case ev.ChargeID == "" && ev.Unreadable != nil:
		return nil, ours, nil
	case ev.ChargeID == "":
		return nil, nobodys, nil
	}
	charge, err := l.Charge(ctx, h.Scope, ev.ChargeID)
	if err == nil {
		return charge, ours, nil
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return nil, ours, err
	}
	found, err := h.Pingpp.GetCharge(ctx, ev.ChargeID)
	perr, failed := errors.AsType[*pingpp.Error](err)
	switch {
	case failed && (perr.Kind == pingpp.NotFound || perr.Kind == pingpp.Foreign):
		p := problem.New("app_mismatch", fmt.Errorf("event %s is about charge %s, which is not this app's: %w", ev.ID, ev.ChargeID, err))
		p.EN, p.ZH = "The event is about a charge that is not one of this site's Ping++ app.", "事件所属的 charge 不属于该站点的 Ping++ 应用。"
		return nil, ours, refuse("app", p, "enter this URL in Ping++'s dashboard for this app only")
	case failed && perr.Kind == pingpp.Malformed && ev.Unreadable != nil:
		return nil, ours, nil // asking again would not tell more
	case err != nil:
		return nil, ours, problem.Retry("provider_unavailable", 5*time.Second, fmt.Errorf("event %s: asking whose charge %s is: %w", ev.ID, ev.ChargeID, err))
	}
	orderNo := found.OrderNo
	if merchant := found.Metadata[intake.MetaOrderNo]; merchant != "" {
		orderNo = merchant
	}
	return &ledger.Charge{Scope: h.Scope, ID: found.ID, Number: found.OrderNo, OrderNo: orderNo}, ours, nil
}

// unclaimed says, a few times a minute, that an event was recorded that no site can claim: Ping++ need not come again with it.
func (h *Webhooks) unclaimed(ev *pingpp.Event) {
	if suppressed, ok := h.lines.Allow(ledger.ReasonNoApp, h.Now()); ok {
		h.Logger.Warn("webhook names no app, so it is recorded and not delivered", zap.String("event", ev.ID), zap.String("type", ev.Type),
			zap.String("advice", "switch this event type off for this URL in Ping++'s dashboard; or replay the event, if the backend is to have it"),
			zap.Int64("not_logged_before", suppressed))
	}
}

// refuseSignature says which of the ways a signature can be wrong this is: that is the question at 2 a.m.
func refuseSignature(err error) error {
	reason, code, advice := "wrong_key", "signature_invalid", "compare webhook_key with the Ping++ public key in the dashboard, and check that nothing between Ping++ and here changes the body"
	if serr, ok := errors.AsType[*pingpp.SignatureError](err); ok {
		reason = string(serr.Reason)
		switch serr.Reason {
		case pingpp.SignatureMissing:
			code, advice = "signature_missing", "the request has no X-Pingplusplus-Signature: it is not from Ping++, or a proxy in front drops the header"
		case pingpp.SignatureEmpty:
			code, advice = "signature_missing", "the signature is blank: older Ping++ accounts send test events unsigned, and Ping++ does not confirm this one"
		case pingpp.SignatureSeveral:
			advice = "there are several signatures, and they differ: a proxy in front puts in one of its own, or joins two requests"
		case pingpp.SignatureNotBase64:
			advice = "the signature is not one base64 value: it is not from Ping++, or a proxy in front changes headers"
		}
	}
	return refuse(reason, problem.New(code, err), advice)
}

func refuse(reason string, p *problem.Problem, advice string) error {
	return &refusal{reason, advice, p}
}

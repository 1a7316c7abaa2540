package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
)

const maxWebhook = 256 << 10 // bytes

// webhook serves POST /pay/webhooks. Nothing is done before the signature verifies, and 200 means that the event is on disk.
func (s *Site) webhook(w http.ResponseWriter, r *http.Request) error {
	err := s.accept(w, r)
	if err == nil {
		return nil
	}
	p := asProblem(err)
	switch {
	case p.refusal != nil:
		return s.refused(r, p)
	case p.budget != "":
		s.Count.webhook(p.Code)
	case p.Status() >= http.StatusInternalServerError:
		s.Count.webhook("unavailable")
	}
	return err
}

// refused counts a refused webhook, logs it, a few lines a minute for each reason so that a flood cannot fill the disk, and returns what to
// answer: once an address has sent too many of them, that it should stop. Nothing but memory is limited before the signature was looked at: Ping++'s own
// webhooks may come from the same address as a flood, through one proxy.
func (s *Site) refused(r *http.Request, p *Problem) *Problem {
	p.logged = true
	if err := s.Budgets.refusal(s.ClientIP(r), s.Now()); err != nil {
		s.Count.webhook("rate_limited")
		return asProblem(err)
	}
	s.Count.webhook(p.refusal.reason)
	if suppressed, ok := s.refusals.allow(p.refusal.reason, s.Now()); ok {
		s.Logger.Warn("webhook refused", zap.String("reason", p.refusal.reason), zap.String("code", p.Code), zap.NamedError("why", p.Cause),
			zap.String("advice", p.refusal.advice), zap.Int64("not_logged_before", suppressed))
	}
	return p
}

// refusal is why a webhook was refused.
type refusal struct {
	reason string // as it is counted
	advice string // to the operator
}

func (s *Site) accept(w http.ResponseWriter, r *http.Request) error {
	signatures := r.Header.Values(pingpp.SignatureHeader)
	if err := s.Verifier.Screen(signatures); err != nil && !s.mayBeUnsigned(err) {
		return s.refuseSignature(err)
	}
	body, err := readBody(r, maxWebhook, &s.Budgets.webhooks)
	if err != nil {
		return err
	}
	ev, err := s.verified(r, body, signatures)
	if err != nil {
		return err
	}
	if !ev.ModeUnknown && ev.Livemode != (s.Scope.Mode == ledger.Live) {
		return s.refuse("mode", problem("mode_mismatch", fmt.Errorf("event %s has livemode %t, and the site's key is for %s mode", ev.ID, ev.Livemode, s.Scope.Mode)),
			"enter this URL in Ping++'s dashboard for the mode of the key only")
	}
	l, err := s.open(r.Context())
	if err != nil {
		return err
	}
	charge, whose, err := s.bind(r.Context(), l, ev)
	if err != nil {
		return err
	}
	did, err := s.Intake.Accept(r.Context(), intake.Arrival{
		Event: ev, Charge: charge, NoApp: whose == nobodys, Source: ledger.Webhook, Host: s.Host(r),
		Signature: pingpp.Signature(signatures), TraceParent: r.Header.Get("traceparent"),
	})
	if err != nil {
		code := "ledger_unavailable"
		if _, ok := errors.AsType[*pingpp.Error](err); ok || errors.Is(err, asking.ErrTooMuch) {
			code = "provider_unavailable" // the payment of a refund had to be asked for
		}
		return retryProblem(code, 2*time.Second, fmt.Errorf("event %s could not be recorded: %w", ev.ID, err))
	}
	if whose == nobodys && did == ledger.Recorded {
		s.unclaimed(ev)
	}
	orderNo := ev.OrderNo
	switch {
	case charge != nil:
		orderNo = charge.OrderNo
	case ev.Charge != nil && ev.Charge.Metadata[metaOrderNo] != "":
		orderNo = ev.Charge.Metadata[metaOrderNo]
	}
	s.Logger.Info("event accepted", zap.String("order_no", orderNo), zap.String("event", ev.ID), zap.String("type", ev.Type),
		zap.String("object", ev.ObjectID), zap.String("result", string(did)))
	writeJSON(w, http.StatusOK, map[string]string{"result": string(did)})
	return nil
}

// verified returns the event that a webhook brings, once it is known to be Ping++'s.
func (s *Site) verified(r *http.Request, body []byte, signatures []string) (*pingpp.Event, error) {
	verr := s.Verifier.Verify(body, signatures)
	blank := s.mayBeUnsigned(verr)
	if verr != nil && !blank {
		return nil, s.refuseSignature(verr)
	}
	ev, err := pingpp.ParseEvent(body)
	if err != nil {
		return nil, s.refuse("malformed", problem("event_malformed", err),
			"the body is not an event, which is one JSON object with a type and data; does something else than Ping++'s webhooks send here what Ping++ has signed?")
	}
	if !blank {
		return ev, nil
	}
	return s.confirmed(r, ev, verr)
}

// mayBeUnsigned reports whether a signature is one that older accounts send with test events: blank.
func (s *Site) mayBeUnsigned(err error) bool {
	serr, ok := errors.AsType[*pingpp.SignatureError](err)
	return ok && serr.Reason == pingpp.SignatureEmpty && s.Scope.Mode == ledger.Test
}

// confirmed asks Ping++ for a test-mode event that came with a blank signature, as older accounts send them, and returns what
// Ping++ answers: nothing of the webhook's own body is used but the id. In live mode there is no such way.
func (s *Site) confirmed(r *http.Request, claimed *pingpp.Event, verr error) (*pingpp.Event, error) {
	if claimed.Livemode {
		return nil, s.refuseSignature(verr)
	}
	if err := s.Budgets.unverified(s.ClientIP(r), s.Now()); err != nil {
		return nil, err
	}
	ev, err := s.Reconciler.Events.Get(r.Context(), claimed.ID)
	if perr, ok := errors.AsType[*pingpp.Error](err); ok && (perr.Kind == pingpp.NotFound || perr.Kind == pingpp.Foreign) {
		return nil, s.refuseSignature(verr)
	}
	if err != nil {
		return nil, retryProblem("provider_unavailable", 5*time.Second, fmt.Errorf("event %s came unsigned, and Ping++ cannot confirm it: %w", claimed.ID, err))
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
func (s *Site) bind(ctx context.Context, l ledger.Ledger, ev *pingpp.Event) (*ledger.Charge, owner, error) {
	switch {
	case ev.App != "" && !ev.Concerns(s.Scope.App):
		return nil, ours, s.refuse("app", problem("app_mismatch", fmt.Errorf("event %s belongs to %.60q, this site to %s", ev.ID, ev.App, s.Scope.App)),
			"enter this URL in Ping++'s dashboard for this app only, or give the other app a site of its own")
	case ev.App != "":
		return nil, ours, nil // the ledger finds its charge as it records it
	case ev.ChargeID == "" && ev.Unreadable != nil:
		return nil, ours, nil
	case ev.ChargeID == "":
		return nil, nobodys, nil
	}
	charge, err := l.Charge(ctx, s.Scope, ev.ChargeID)
	if err == nil {
		return charge, ours, nil
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return nil, ours, err
	}
	found, err := s.Pingpp.GetCharge(ctx, ev.ChargeID)
	perr, failed := errors.AsType[*pingpp.Error](err)
	switch {
	case failed && (perr.Kind == pingpp.NotFound || perr.Kind == pingpp.Foreign):
		p := problem("app_mismatch", fmt.Errorf("event %s is about charge %s, which is not this app's: %w", ev.ID, ev.ChargeID, err))
		p.EN, p.ZH = "The event is about a charge that is not one of this site's Ping++ app.", "事件所属的 charge 不属于该站点的 Ping++ 应用。"
		return nil, ours, s.refuse("app", p, "enter this URL in Ping++'s dashboard for this app only")
	case failed && perr.Kind == pingpp.Malformed && ev.Unreadable != nil:
		return nil, ours, nil // asking again would not tell more
	case err != nil:
		return nil, ours, retryProblem("provider_unavailable", 5*time.Second, fmt.Errorf("event %s: asking whose charge %s is: %w", ev.ID, ev.ChargeID, err))
	}
	orderNo := found.OrderNo
	if merchant := found.Metadata[metaOrderNo]; merchant != "" {
		orderNo = merchant
	}
	return &ledger.Charge{Scope: s.Scope, ID: found.ID, Number: found.OrderNo, OrderNo: orderNo}, ours, nil
}

// unclaimed says, a few times a minute, that an event was recorded that no site can claim: Ping++ need not come again with it.
func (s *Site) unclaimed(ev *pingpp.Event) {
	if suppressed, ok := s.refusals.allow(ledger.ReasonNoApp, s.Now()); ok {
		s.Logger.Warn("webhook names no app, so it is recorded and not delivered", zap.String("event", ev.ID), zap.String("type", ev.Type),
			zap.String("advice", "switch this event type off for this URL in Ping++'s dashboard; or replay the event, if the backend is to have it"),
			zap.Int64("not_logged_before", suppressed))
	}
}

// refuseSignature says which of the ways a signature can be wrong this is: that is the question at 2 a.m.
func (s *Site) refuseSignature(err error) *Problem {
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
	return s.refuse(reason, problem(code, err), advice)
}

// refuse makes a problem the refusal of a webhook.
func (s *Site) refuse(reason string, p *Problem, advice string) *Problem {
	p.refusal = &refusal{reason, advice}
	return p
}

// refusalLog limits the log lines of what is refused, each reason by itself.
type refusalLog struct {
	mu      sync.Mutex
	reasons map[string]*refusalCount
}

type refusalCount struct {
	limit      *rate.Limiter
	suppressed int64
}

func (l *refusalLog) allow(reason string, now time.Time) (suppressed int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reasons == nil {
		l.reasons = make(map[string]*refusalCount)
	}
	c := l.reasons[reason]
	if c == nil {
		c = &refusalCount{limit: rate.NewLimiter(rate.Every(10*time.Second), 5)}
		l.reasons[reason] = c
	}
	if !c.limit.AllowN(now, 1) {
		c.suppressed++
		return 0, false
	}
	suppressed, c.suppressed = c.suppressed, 0
	return suppressed, true
}

package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

const (
	// A reservation outlives its holder by at most this; it is prolonged while the holder works.
	reservationLease = 5 * time.Second
	// How long a request waits for others that are busy with the same order.
	reservationWait = 10 * time.Second
	// How often a waiting request looks again by itself, for a holder in another process.
	reservationPoll = 200 * time.Millisecond
)

// attempt is one request to pay one order.
type attempt struct {
	site    *Site
	channel channel
	req     *chargeRequest
	id      Identity
	log     *zap.Logger
	host    string // that the client called
	extra   map[string]any
	until   atomic.Int64 // when the reservation ends, in Unix nanoseconds
}

// run decides about the order inside its reservation, and says whether the charge is new.
func (a *attempt) run(ctx context.Context, r *http.Request) (charge *ledger.Charge, created bool, err error) {
	s := a.site
	l, err := s.open(ctx)
	if err != nil {
		return nil, false, err
	}
	held, err := a.reserve(ctx, l)
	if err != nil {
		return nil, false, err
	}
	stop := a.keep(ctx, l, held.Number)
	defer stop()

	charge, q, err := a.decide(ctx, l, r, held)
	if err == nil && charge == nil {
		err = a.holds(ctx, l, held.Number)
	}
	if err != nil || charge != nil {
		// Nothing was sent: the number is free again. Without this the reservation would only run out.
		rerr := l.Release(ctx, ledger.Release{Scope: s.Scope, Number: held.Number, As: ledger.Unsent, Quote: lastQuote(q, err, s.Now())})
		if rerr != nil {
			a.log.Warn("the order's reservation could not be given back", zap.Error(rerr))
		}
		return charge, false, err
	}
	charge, err = a.create(ctx, l, r, held.Number, q)
	return charge, true, err
}

// reserve takes the order's reservation, waiting for others that hold it.
func (a *attempt) reserve(ctx context.Context, l ledger.Ledger) (*ledger.Reserved, error) {
	s := a.site
	released, stop := l.Watch(ledger.OrderTopic(s.Scope, a.req.OrderNo))
	defer stop()
	deadline := time.NewTimer(reservationWait)
	defer deadline.Stop()
	for {
		res := a.reservation()
		res.Number = a.channel.number(a.req.OrderNo, s.Rand)
		held, err := l.Reserve(ctx, res)
		if err == nil {
			a.until.Store(res.Until.UnixNano())
		}
		if !errors.Is(err, ledger.ErrReserved) {
			return held, err
		}
		select {
		case <-released:
		case <-time.After(reservationPoll):
		case <-deadline.C:
			return nil, retryProblem("charge_in_progress", time.Second, nil)
		}
	}
}

// keep prolongs the reservation until stop is called.
func (a *attempt) keep(ctx context.Context, l ledger.Ledger, number string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(reservationLease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := a.extend(ctx, l, number); err != nil && ctx.Err() == nil {
				a.log.Warn("the order's reservation could not be prolonged", zap.Error(err))
			}
		}
	}()
	return func() { cancel(); <-done }
}

// reservation is the order's, from now on.
func (a *attempt) reservation() ledger.Reservation {
	now := a.site.Now()
	return ledger.Reservation{
		Scope: a.site.Scope, OrderNo: a.req.OrderNo, Now: now, Until: now.Add(reservationLease),
		Channel: a.req.Channel, Payer: a.id.Owner(), PayerAppID: a.id.AppID, Host: a.host,
	}
}

func (a *attempt) extend(ctx context.Context, l ledger.Ledger, number string) error {
	res := a.reservation()
	err := l.Extend(ctx, res, number)
	if err == nil {
		a.until.Store(res.Until.UnixNano())
	}
	return err
}

// holds makes sure that the order is still ours before a charge is made: a process that stood still for longer than its
// lease may have lost it to another.
func (a *attempt) holds(ctx context.Context, l ledger.Ledger, number string) error {
	if a.site.Now().UnixNano() < a.until.Load() {
		return nil
	}
	err := a.extend(ctx, l, number)
	if errors.Is(err, ledger.ErrNotFound) {
		return retryProblem("charge_in_progress", time.Second, errors.New("the order's reservation was lost to another request"))
	}
	return err
}

// decide asks the backend and looks at every earlier attempt. It returns the attempt to hand out again, or the quote for a
// new one.
func (a *attempt) decide(ctx context.Context, l ledger.Ledger, r *http.Request, held *ledger.Reserved) (*ledger.Charge, *quote, error) {
	attempts := held.Attempts
	for i := range attempts {
		if attempts[i].Paid && attempts[i].Payer == a.id.Owner() {
			return nil, nil, a.alreadyPaid(attempts)
		}
	}
	q, err := a.quote(ctx, r)
	if codeOf(err) == "order_already_paid" {
		return nil, nil, a.alreadyPaid(attempts)
	}
	if err != nil {
		return nil, nil, err
	}
	if c, err := a.choose(attempts, q); c != nil || err != nil {
		return c, q, err
	}
	if attempts, err = a.find(ctx, l, held); err != nil {
		return nil, nil, err
	}
	if attempts, err = a.settle(ctx, l, held, attempts); err != nil {
		return nil, nil, err
	}
	c, err := a.choose(attempts, q)
	return c, q, err
}

// choose returns the attempt that fits the quote, the latest first, or nil; a problem when the order is paid.
func (a *attempt) choose(attempts []ledger.Charge, q *quote) (*ledger.Charge, error) {
	for i := range attempts {
		if attempts[i].Paid {
			return nil, a.alreadyPaid(attempts)
		}
	}
	var err error
	if a.extra, err = a.makeExtra(q); err != nil {
		return nil, err
	}
	now := a.site.Now()
	for i := range slices.Backward(attempts) {
		if reusable(&attempts[i], a.id, a.req.Channel, q, now) && a.channel.sameChoice(attempts[i].Raw, a.extra) {
			return &attempts[i], nil
		}
	}
	return nil, nil
}

// quote is the backend's, or what the client may name itself.
func (a *attempt) quote(ctx context.Context, r *http.Request) (*quote, error) {
	if a.site.ClientAmount != nil {
		return a.site.ClientAmount.quote(a.req, a.channel)
	}
	return a.site.quote(ctx, r, a.id, a.req.OrderNo, a.channel)
}

// alreadyPaid names the paying charge to the one who paid it, and to nobody else.
func (a *attempt) alreadyPaid(attempts []ledger.Charge) *Problem {
	p := problem("order_already_paid", nil)
	for i := range attempts {
		if attempts[i].Paid && a.id.owns(&attempts[i]) {
			p.Members = map[string]any{"charge_id": attempts[i].ID}
		}
	}
	return p
}

// create makes the charge at Ping++ and records it.
func (a *attempt) create(ctx context.Context, l ledger.Ledger, r *http.Request, number string, q *quote) (*ledger.Charge, error) {
	s := a.site
	params := &pingpp.ChargeParams{
		OrderNo: number, Channel: a.req.Channel, Amount: q.Amount, Currency: q.Currency,
		ClientIP: clientIP(s.ClientIP(r)), Subject: q.Subject, Body: q.Body,
		Extra: a.extra, Metadata: map[string]any{metaOrderNo: a.req.OrderNo},
	}
	for k, v := range q.Metadata {
		params.Metadata[k] = v
	}
	if !q.TimeExpire.IsZero() {
		params.TimeExpire = q.TimeExpire.Unix()
	}
	quoted := s.Now()
	made, err := s.Pingpp.CreateCharge(ctx, params)
	if err != nil {
		p, as := createProblem(err)
		rerr := l.Release(ctx, ledger.Release{Scope: s.Scope, Number: number, As: as, Quote: lastQuote(q, nil, s.Now())})
		if rerr != nil {
			a.log.Warn("the refused attempt could not be recorded", zap.Error(rerr))
		}
		return nil, p
	}
	c := &ledger.Charge{
		Scope: s.Scope, OrderNo: a.req.OrderNo, Number: number, State: ledger.Open, ID: made.ID,
		Channel: a.req.Channel, Payer: a.id.Owner(), PayerAppID: a.id.AppID,
		Amount: q.Amount, Currency: q.Currency, Host: a.host,
		Created: time.Unix(made.Created, 0), TimeExpire: made.Expires(), Raw: made.Raw,
		Quoted: quoted, NextQuery: s.Now().Add(s.QueryAfter),
	}
	if c.TimeExpire.IsZero() {
		c.TimeExpire = q.TimeExpire // as it was sent
	}
	if err := l.Created(ctx, c); err != nil {
		// Nobody gets the credential. The attempt becomes unknown, and is found again.
		return nil, fmt.Errorf("charge %s was created but could not be recorded: %w", made.ID, err)
	}
	if c.Superseded {
		// We stood still for longer than the lease, and another request has made the order's charge meanwhile.
		return nil, retryProblem("charge_in_progress", time.Second, fmt.Errorf("charge %s came after a later one of the order", made.ID))
	}
	a.log.Info("charge created", zap.String("charge", made.ID), zap.String("number", number), zap.Int64("amount", q.Amount),
		zap.String("user", shortID(a.id.Owner())))
	return c, nil
}

// lastQuote is what the ledger keeps of the backend's answer: a payment is compared with it later.
func lastQuote(q *quote, err error, now time.Time) *ledger.Quote {
	if codeOf(err) == "order_closed" {
		return &ledger.Quote{Closed: true, At: now}
	}
	if q == nil || err != nil {
		return nil
	}
	return &ledger.Quote{Amount: q.Amount, Currency: q.Currency, At: now}
}

// createProblem gives Ping++'s refusal its code, and says what became of the attempt: only what surely reached no channel frees
// the number, and what may exist at Ping++ is kept as unknown. Nobody holds an unknown attempt's credential, so nobody can pay it; for
// those that take the money without one, see find.
func createProblem(err error) (*Problem, ledger.AttemptState) {
	perr, ok := errors.AsType[*pingpp.Error](err)
	if !ok {
		return retryProblem("provider_unavailable", 2*time.Second, err), ledger.Unknown
	}
	switch perr.Kind {
	case pingpp.Channel:
		return problem("charge_rejected", err), ledger.Refused
	case pingpp.InvalidRequest, pingpp.Authentication, pingpp.NotFound:
		return problem("provider_rejected", err), ledger.Unsent
	case pingpp.RateLimit:
		return retryProblem("provider_unavailable", 5*time.Second, err), ledger.Unsent
	case pingpp.Timeout:
		return problem("provider_timeout", err), ledger.Unknown
	}
	if perr.Unknown() {
		return retryProblem("provider_unavailable", 2*time.Second, err), ledger.Unknown
	}
	return retryProblem("provider_unavailable", 2*time.Second, err), ledger.Unsent
}

package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
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
	pay     *Payments
	channel channel.Channel
	req     *chargeRequest
	id      session.Identity
	log     *zap.Logger
	host    string       // that the client called
	until   atomic.Int64 // when the reservation ends, in Unix nanoseconds

	purchased *pingpp.ChargeParams // what would be bought now
}

// numberTries is how many order numbers one request tries, where the channel or Ping++ has seen those before.
const numberTries = 4

// run decides about the order, and says whether the charge is new. Where a number was used before, outside of this ledger, it takes the next.
func (a *attempt) run(ctx context.Context, r *http.Request) (charge *ledger.Charge, created bool, err error) {
	l, err := a.pay.Ledger(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := a.mayHold(ctx, l, r); err != nil {
		return nil, false, err
	}
	for range numberTries {
		if charge, created, err = a.once(ctx, l, r); !errors.Is(err, errNumberUsed) {
			break
		}
	}
	return charge, created, err
}

// mayHold asks the backend before the order is reserved: who may not pay an order must not be able to hold it, not even for as long as
// the backend takes to say so. What counts is the answer inside the reservation. A closed order goes on to there, where that is recorded.
func (a *attempt) mayHold(ctx context.Context, l ledger.Ledger, r *http.Request) error {
	attempts, err := l.Attempts(ctx, a.pay.Scope, a.req.OrderNo)
	if err != nil {
		return err
	}
	if err := a.alreadyPaidIt(attempts); err != nil {
		return err
	}
	if _, err = a.quote(ctx, r); problem.CodeOf(err) == "order_closed" {
		return nil
	}
	return err
}

// alreadyPaidIt is the problem that this payer has paid the order; the backend need not be asked then.
func (a *attempt) alreadyPaidIt(attempts []ledger.Charge) error {
	for i := range attempts {
		if attempts[i].Pays() && attempts[i].Payer == a.id.Owner() {
			return alreadyPaid(attempts, a.id)
		}
	}
	return nil
}

// once decides about the order inside its reservation.
func (a *attempt) once(ctx context.Context, l ledger.Ledger, r *http.Request) (charge *ledger.Charge, created bool, err error) {
	s := a.pay
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
	if err == nil && charge == nil {
		err = s.Budgets.Charge(a.id, s.Now()) // only now: what does not reach Ping++ must cost no other payer's charge
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
	s := a.pay
	released, stop := l.Watch(ledger.OrderTopic(s.Scope, a.req.OrderNo))
	defer stop()
	deadline := time.NewTimer(reservationWait)
	defer deadline.Stop()
	for {
		res := a.reservation()
		res.Number = nextNumber(a.channel, a.req.OrderNo, s.Rand)
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
			return nil, problem.Retry("charge_in_progress", time.Second, nil)
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
	now := a.pay.Now()
	var loggedIn time.Time
	if a.id.Kind != session.Anonymous {
		loggedIn = a.id.Since
	}
	return ledger.Reservation{
		Scope: a.pay.Scope, OrderNo: a.req.OrderNo, Now: now, Until: now.Add(reservationLease),
		Channel: a.req.Channel, Payer: a.id.Owner(), PayerAppID: a.id.AppID, LoggedIn: loggedIn, Host: a.host,
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
	if a.pay.Now().UnixNano() < a.until.Load() {
		return nil
	}
	err := a.extend(ctx, l, number)
	if errors.Is(err, ledger.ErrNotFound) {
		return problem.Retry("charge_in_progress", time.Second, errors.New("the order's reservation was lost to another request"))
	}
	return err
}

// decide asks the backend and looks at every earlier attempt. It returns the attempt to hand out again, or the quote for a
// new one.
func (a *attempt) decide(ctx context.Context, l ledger.Ledger, r *http.Request, held *ledger.Reserved) (*ledger.Charge, *quote, error) {
	attempts := held.Attempts
	if err := a.alreadyPaidIt(attempts); err != nil {
		return nil, nil, err
	}
	asked := a.pay.Now()
	q, err := a.quote(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	a.log.Info("quote", zap.Int64("amount", q.Amount), zap.String("currency", q.Currency), zap.Duration("took", a.pay.Now().Sub(asked)))
	if c, err := a.choose(attempts, q); c != nil || err != nil {
		return c, q, err
	}
	if attempts, err = a.find(ctx, l, held); err != nil {
		return nil, nil, err
	}
	if attempts, err = a.settle(ctx, l, held, attempts); err != nil {
		return nil, nil, err
	}
	if c, err := a.choose(attempts, q); c != nil || err != nil {
		return c, q, err
	}
	if attempts, err = a.room(ctx, l, held, attempts); err != nil {
		return nil, nil, err
	}
	if a.channel.AtOnce { // what was paid while the backend thought must not be paid again; of other channels nobody has a credential before that is seen
		if attempts, err = a.earlier(ctx, l, held); err != nil {
			return nil, nil, err
		}
	}
	c, err := a.choose(attempts, q)
	return c, q, err
}

// choose returns the attempt that fits the quote, the latest first, or nil; a problem when the order is paid.
func (a *attempt) choose(attempts []ledger.Charge, q *quote) (*ledger.Charge, error) {
	if charge.Paying(attempts) != nil || slices.ContainsFunc(attempts, func(c ledger.Charge) bool { return c.State == ledger.Taken && c.ID == "" }) {
		return nil, alreadyPaid(attempts, a.id)
	}
	var err error
	if a.purchased, err = a.purchase(q); err != nil {
		return nil, err
	}
	for i := range slices.Backward(attempts) {
		if a.reusable(&attempts[i], q) {
			return &attempts[i], nil
		}
	}
	return nil, nil
}

// quote is the backend's, or what the client may name itself.
func (a *attempt) quote(ctx context.Context, r *http.Request) (*quote, error) {
	if a.pay.ClientAmount != nil {
		return a.pay.ClientAmount.quote(a.req, a.channel)
	}
	return a.pay.Prices.quote(ctx, r, a.id, a.req.OrderNo, a.channel)
}

// alreadyPaid names the paying charge to the one who paid it, and to nobody else.
func alreadyPaid(attempts []ledger.Charge, id session.Identity) *problem.Problem {
	p := problem.New("order_already_paid", nil)
	for i := range attempts {
		if attempts[i].Pays() && id.Owns(&attempts[i]) {
			p.Members = map[string]any{"charge_id": attempts[i].ID}
		}
	}
	return p
}

// create makes the charge at Ping++ and records it. The error is errNumberUsed where another number may do.
func (a *attempt) create(ctx context.Context, l ledger.Ledger, r *http.Request, number string, q *quote) (*ledger.Charge, error) {
	s := a.pay
	params := *a.purchased
	params.OrderNo, params.ClientIP = number, clientIP(s.ClientIP(r))
	quoted := s.Now()
	made, err := s.Pingpp.CreateCharge(ctx, &params)
	if err == nil {
		err = a.earlierCharge(made, &params)
	}
	if err != nil {
		return nil, a.refused(ctx, l, number, q, err)
	}
	c := &ledger.Charge{
		Scope: s.Scope, OrderNo: a.req.OrderNo, Number: number, State: ledger.Open, ID: made.ID,
		Channel: a.req.Channel, Payer: a.id.Owner(), PayerAppID: a.id.AppID,
		Amount: q.Amount, Currency: q.Currency, Host: a.host, Fingerprint: params.Fingerprint(),
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
		if attempts, err := l.Attempts(ctx, s.Scope, a.req.OrderNo); err == nil && charge.Paying(attempts) != nil {
			return nil, alreadyPaid(attempts, a.id) // while Ping++ made the charge; it is reversed
		}
		// We stood still for longer than the lease, and another request has made the order's charge meanwhile.
		return nil, problem.Retry("charge_in_progress", time.Second, fmt.Errorf("charge %s came after a later one of the order", made.ID))
	}
	a.log.Info("charge created", zap.String("charge", made.ID), zap.String("number", number), zap.Int64("amount", q.Amount),
		zap.Duration("took", s.Now().Sub(quoted)))
	return c, nil
}

// lastQuote is what the ledger keeps of the backend's answer: a payment is compared with it later.
func lastQuote(q *quote, err error, now time.Time) *ledger.Quote {
	if problem.CodeOf(err) == "order_closed" {
		return &ledger.Quote{Closed: true, At: now}
	}
	if q == nil || err != nil {
		return nil
	}
	return &ledger.Quote{Amount: q.Amount, Currency: q.Currency, At: now}
}

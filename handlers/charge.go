package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	maxWait = 60 * time.Second
	// How often a waiting request looks by itself, for payments that another process recorded.
	waitPoll = 2 * time.Second
	// How old an unpaid charge must be before its payer's question is passed on to Ping++.
	askAfter = 5 * time.Second
	// How long a request that does not wait for the payment waits for Ping++'s answer.
	askPatience = 3 * time.Second
)

// chargeView is what a payer sees of a charge.
type chargeView struct {
	ID             string `json:"id"`
	OrderNo        string `json:"order_no"` // the merchant's
	Channel        string `json:"channel"`
	Amount         int64  `json:"amount"` // fen
	Currency       string `json:"currency"`
	Status         string `json:"status"`     // created, paid, held, refunded, reversed or expired
	OrderPaid      bool   `json:"order_paid"` // by whatever attempt, also if its payment is held
	Paid           bool   `json:"paid"`
	AmountRefunded int64  `json:"amount_refunded"` // fen
	TimePaid       *int64 `json:"time_paid"`       // Unix seconds
	TimeExpire     *int64 `json:"time_expire"`     // Unix seconds; null where Ping++ names none
}

// charge serves GET /pay/charges/{id}: the payer's own charge, from the ledger. ?wait= holds the answer until the charge is
// paid; ?client= records what the client saw, which proves nothing.
func (s *Site) charge(w http.ResponseWriter, r *http.Request, chargeID string) error {
	id, err := s.Identify(r)
	if err != nil {
		return err
	}
	wait, err := parseWait(r.URL.Query().Get("wait"))
	if err != nil {
		return err
	}
	note := r.URL.Query().Get("client")
	switch note {
	case "", "success", "cancel", "fail":
	default:
		return forbidden("client")
	}
	if wait > 0 || note != "" {
		if err := s.Budgets.user(id, s.ClientIP(r), s.Now()); err != nil {
			return err
		}
	}
	l, err := s.open(r.Context())
	if err != nil {
		return err
	}
	c, orderPaid, err := s.ownCharge(r.Context(), l, chargeID, id)
	if err != nil {
		return err
	}
	if note != "" && note != c.Client.Result {
		if err := l.NoteClient(r.Context(), s.Scope, chargeID, ledger.ClientNote{Result: note, At: s.Now()}); err != nil {
			return err
		}
		s.Logger.Info("client reported", zap.String("order_no", c.OrderNo), zap.String("charge", chargeID), zap.String("client", note))
	}
	if !c.Paid && !c.Reversed && s.Now().Sub(c.Created) >= askAfter {
		s.ask(r.Context(), c)
		if c, orderPaid, err = s.ownCharge(r.Context(), l, chargeID, id); err != nil {
			return err
		}
	}
	if wait > 0 && !over(c, orderPaid, s.Now()) {
		if c, orderPaid, err = s.await(r.Context(), l, chargeID, id, wait); err != nil {
			return err
		}
	}
	v := view(c, s.Now())
	if v.Status == "created" { // whoever asks may still pay it
		s.prolong(w, r, id)
	}
	w.Header().Set("X-Pay-Order-No", c.OrderNo)
	v.OrderPaid = orderPaid
	writeJSON(w, http.StatusOK, v)
	return nil
}

// ask looks the charge up at Ping++, in the way of the reconciler; what comes of it is in the ledger then. When Ping++ cannot say,
// or takes long, the charge stays as it is.
func (s *Site) ask(ctx context.Context, c *ledger.Charge) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if err := s.Reconciler.Charges.Ask(ctx, c.ID); err != nil && !errors.Is(err, context.Canceled) {
		s.Logger.Warn("a charge that its payer asks for could not be looked up", zap.String("order_no", c.OrderNo),
			zap.String("charge", c.ID), zap.Error(err))
	}
}

// ownCharge returns a charge of this payer, and whether its order is paid by whatever attempt; anybody else's charge does not exist for them.
func (s *Site) ownCharge(ctx context.Context, l ledger.Ledger, chargeID string, id Identity) (*ledger.Charge, bool, error) {
	c, err := l.Charge(ctx, s.Scope, chargeID)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, false, problem("charge_not_found", nil)
	}
	if err != nil {
		return nil, false, err
	}
	if !id.owns(c) {
		return nil, false, problem("charge_not_found", fmt.Errorf("charge %s belongs to another user", chargeID))
	}
	if c.State != ledger.Open {
		return nil, false, problem("charge_not_found", fmt.Errorf("of charge %s no more is known than its event said", chargeID))
	}
	orderPaid, err := s.orderPaid(ctx, l, c)
	return c, orderPaid, err
}

// orderPaid says whether the order of a charge is paid, by it or by another attempt.
func (s *Site) orderPaid(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (bool, error) {
	if c.Pays() {
		return true, nil
	}
	attempts, err := l.Attempts(ctx, s.Scope, c.OrderNo)
	return paying(attempts) != nil, err
}

// paying is the attempt that has paid its order; nil when none has.
func paying(attempts []ledger.Charge) *ledger.Charge {
	for i := range attempts {
		if attempts[i].Pays() {
			return &attempts[i]
		}
	}
	return nil
}

// over says that there is nothing to wait for any more.
func over(c *ledger.Charge, orderPaid bool, now time.Time) bool {
	return orderPaid || c.Paid || c.Reversed || !now.Before(c.Lapses())
}

// await returns the charge once it or its order is paid, or as it stands when the time is up, it expires or is reversed, the client has gone,
// or this configuration is replaced.
func (s *Site) await(ctx context.Context, l ledger.Ledger, chargeID string, id Identity, wait time.Duration) (*ledger.Charge, bool, error) {
	leave, err := s.Budgets.wait()
	if err != nil {
		return nil, false, err
	}
	defer leave()
	c, _, err := s.ownCharge(ctx, l, chargeID, id)
	if err != nil {
		return nil, false, err
	}
	changed, stop := l.Watch(ledger.ChargeTopic(s.Scope, chargeID))
	defer stop()
	orderChanged, stopOrder := l.Watch(ledger.OrderTopic(s.Scope, c.OrderNo))
	defer stopOrder()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	// Ping++ is asked beside, so that a webhook that comes first is not kept waiting.
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for ended := false; ; {
		c, orderPaid, err := s.ownCharge(ctx, l, chargeID, id)
		if err != nil || ended || over(c, orderPaid, s.Now()) {
			return c, orderPaid, err
		}
		select {
		case <-changed:
		case <-orderChanged:
		case <-poll.C:
			if s.Now().Sub(c.Created) >= askAfter {
				asking.Go(func() { s.ask(ctx, c) })
			}
		case <-timeout.C:
			ended = true
		case <-s.Closing:
			ended = true
		case <-ctx.Done():
			return c, orderPaid, nil
		}
	}
}

// view is a charge as its payer sees it now; of its order's other attempts it knows nothing.
func view(c *ledger.Charge, now time.Time) chargeView {
	v := chargeView{
		ID: c.ID, OrderNo: c.OrderNo, Channel: c.Channel, Amount: c.Amount, Currency: c.Currency,
		Status: "created", OrderPaid: c.Pays(), Paid: c.Paid, AmountRefunded: c.AmountRefunded, TimeExpire: unix(c.TimeExpire),
	}
	if c.Paid {
		paid := c.TimePaid.Unix()
		v.TimePaid = &paid
	}
	switch {
	case c.Reversed && !(c.Held && c.Pays()): // else a person is still to decide where its money is
		v.Status = "reversed"
	case c.Paid && c.Amount > 0 && c.AmountRefunded >= c.Amount:
		v.Status = "refunded"
	case c.Held:
		v.Status = "held"
	case c.Paid:
		v.Status = "paid"
	case !now.Before(c.Lapses()):
		v.Status = "expired"
	}
	return v
}

// parseWait reads ?wait: a duration like 25s, or plain seconds, up to a minute.
func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if seconds, serr := strconv.Atoi(text); serr == nil && seconds >= 0 && seconds <= int(maxWait/time.Second) {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < 0 || d > maxWait {
		return 0, forbidden("wait")
	}
	return d, nil
}

package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

const (
	maxWait = 60 * time.Second
	// How often a waiting request looks by itself, for payments that another process recorded.
	waitPoll = 2 * time.Second
	// How old an unpaid charge must be before its payer's question is passed on to Ping++.
	askAfter = 5 * time.Second
)

// Charge serves GET /pay/charges/{id}: the payer's own charge, from the ledger. ?wait= holds the answer until the charge is
// paid; ?client= records what the client saw, which proves nothing.
func (s *Payments) Charge(w http.ResponseWriter, r *http.Request, chargeID string) error {
	id, err := s.Visitors.Identify(r)
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
		if err := s.Budgets.User(id, s.ClientIP(r), s.Now()); err != nil {
			return err
		}
	}
	l, err := s.Ledger(r.Context())
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
		s.Logger.Info("client reported", zap.String("order_no", c.OrderNo), zap.String("charge", chargeID), zap.String("channel", c.Channel),
			zap.Int64("amount", c.Amount), zap.String("openid", redact.ShortID(c.Payer)), zap.String("client", note))
	}
	if !c.Paid && !c.Reversed && s.Now().Sub(c.Created) >= askAfter {
		charge.Ask(r.Context(), s.Reconciler, s.Logger, c)
		if c, orderPaid, err = s.ownCharge(r.Context(), l, chargeID, id); err != nil {
			return err
		}
	}
	if wait > 0 && !over(c, orderPaid, s.Now()) {
		if c, orderPaid, err = s.await(r.Context(), l, chargeID, id, wait); err != nil {
			return err
		}
	}
	v := charge.Of(c, s.Now())
	if v.Status == string(ledger.StatusCreated) { // whoever asks may still pay it
		if err := s.Visitors.Prolong(w, r, id); err != nil {
			s.Logger.Warn("a visitor's session could not be prolonged", zap.Error(err))
		}
	}
	w.Header().Set("X-Pay-Order-No", c.OrderNo)
	v.OrderPaid = orderPaid
	reply.JSON(w, http.StatusOK, v)
	return nil
}

// ownCharge returns a charge of this payer, and whether its order is paid by whatever attempt; anybody else's charge does not exist for them.
func (s *Payments) ownCharge(ctx context.Context, l ledger.Ledger, chargeID string, id session.Identity) (*ledger.Charge, bool, error) {
	c, err := l.Charge(ctx, s.Scope, chargeID)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, false, problem.New("charge_not_found", nil)
	}
	if err != nil {
		return nil, false, err
	}
	if !id.Owns(c) {
		return nil, false, problem.New("charge_not_found", fmt.Errorf("charge %s belongs to another user", chargeID))
	}
	if c.State != ledger.Open {
		return nil, false, problem.New("charge_not_found", fmt.Errorf("of charge %s no more is known than its event said", chargeID))
	}
	orderPaid, err := charge.OrderPaid(ctx, l, c)
	return c, orderPaid, err
}

// over says that there is nothing to wait for any more.
func over(c *ledger.Charge, orderPaid bool, now time.Time) bool {
	return orderPaid || c.Paid || c.Reversed || !now.Before(c.Lapses())
}

// await returns the charge once it or its order is paid, or as it stands when the time is up, it expires or is reversed, the client has gone,
// or this configuration is replaced.
func (s *Payments) await(ctx context.Context, l ledger.Ledger, chargeID string, id session.Identity, wait time.Duration) (*ledger.Charge, bool, error) {
	leave, err := s.Budgets.Wait()
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
				asking.Go(func() { charge.Ask(ctx, s.Reconciler, s.Logger, c) })
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

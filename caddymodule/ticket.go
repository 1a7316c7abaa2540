package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/wechat"
)

const (
	ticketEarly = 10 * time.Minute // before its end a new ticket is asked for, while the old one still serves
	ticketPause = 10 * time.Second // before WeChat is asked again, if a ticket is not fresh even so
)

// storedTicket is an official account's jsapi ticket, kept in Caddy's storage, so that all nodes that share the storage use the same one and
// only one of them asks WeChat, under the storage's lock.
type storedTicket struct {
	storage certmagic.Storage
	account *wechat.OfficialAccount
	now     func() time.Time
	logger  *zap.Logger

	serves atomic.Pointer[lentTicket] // for those who need not wait while a new one is asked for; nil: none yet

	mu     sync.Mutex // held while WeChat is asked
	lent   lentTicket
	failed error // of the last time that WeChat was asked
	pause  time.Time
}

// lentTicket is what WeChat has lent. The access token is kept only to ask for the next ticket.
type lentTicket struct {
	Ticket        redact.Secret
	TicketExpires time.Time
	Token         redact.Secret
	TokenExpires  time.Time
}

// storedForm is how the storage holds it.
type storedForm struct {
	Ticket        string    `json:"ticket"`
	TicketExpires time.Time `json:"ticket_expires"`
	Token         string    `json:"access_token"`
	TokenExpires  time.Time `json:"access_token_expires"`
}

// ticket returns the ticket of now.
func (s *storedTicket) ticket(ctx context.Context) (string, error) {
	if !s.mu.TryLock() {
		if old := s.serves.Load(); old != nil && old.TicketExpires.After(s.now()) {
			return old.Ticket.Reveal(), nil
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	now := s.now()
	if s.lent.TicketExpires.Sub(now) > ticketEarly {
		return s.lent.Ticket.Reveal(), nil
	}
	err := s.failed
	serves := s.lent.TicketExpires.After(now)
	if !now.Before(s.pause) || err == nil && !serves {
		// Others wait for this one: it must not end because its own client goes away.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = s.refresh(ctx)
		s.failed, s.pause = err, now.Add(ticketPause)
		lent := s.lent
		s.serves.Store(&lent)
	}
	if err != nil && serves {
		s.logger.Warn("WeChat's jsapi ticket could not be renewed; the old one still serves", zap.String("appid", s.account.AppID()), zap.Error(err))
		err = nil
	}
	return s.lent.Ticket.Reveal(), err
}

// refresh takes the ticket from the storage, or from WeChat where that one is old.
func (s *storedTicket) refresh(ctx context.Context) error {
	if err := s.load(ctx); err != nil || s.fresh() {
		return err
	}
	lock := "pay_wechat_" + s.account.AppID()
	if err := s.storage.Lock(ctx, lock); err != nil {
		return fmt.Errorf("locking WeChat's ticket in Caddy's storage: %w", err)
	}
	defer func() { _ = s.storage.Unlock(context.WithoutCancel(ctx), lock) }()
	if err := s.load(ctx); err != nil || s.fresh() {
		return err
	}
	lent, err := s.ask(ctx)
	if err != nil {
		return err
	}
	s.lent = lent
	raw, err := json.Marshal(storedForm{lent.Ticket.Reveal(), lent.TicketExpires, lent.Token.Reveal(), lent.TokenExpires})
	if err != nil {
		return err // of two texts and two times, which always encode
	}
	if err := s.storage.Store(ctx, s.name(), raw); err != nil {
		s.logger.Warn("WeChat's jsapi ticket could not be kept in Caddy's storage; every node asks for its own", zap.Error(err))
	}
	return nil
}

// ask gets a new ticket from WeChat, by the access token that is known, unless WeChat does not take that any more.
func (s *storedTicket) ask(ctx context.Context) (lentTicket, error) {
	lent := s.lent
	for {
		known := lent.TokenExpires.After(s.now())
		if !known {
			token, err := s.account.AccessToken(ctx)
			if err != nil {
				return lentTicket{}, err
			}
			lent.Token, lent.TokenExpires = token.Value, s.now().Add(token.Expires)
		}
		ticket, err := s.account.Ticket(ctx, lent.Token.Reveal())
		if werr, ok := errors.AsType[*wechat.Error](err); ok && werr.TokenInvalid() && known {
			lent.TokenExpires = time.Time{}
			continue
		}
		if err != nil {
			return lentTicket{}, err
		}
		lent.Ticket, lent.TicketExpires = ticket.Value, s.now().Add(ticket.Expires)
		return lent, nil
	}
}

func (s *storedTicket) fresh() bool { return s.lent.TicketExpires.Sub(s.now()) > ticketEarly }

func (s *storedTicket) name() string { return "pay/wechat/" + s.account.AppID() + ".json" }

// load takes over what the storage holds, if that is better than what is known.
func (s *storedTicket) load(ctx context.Context) error {
	raw, err := s.storage.Load(ctx, s.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("WeChat's ticket in Caddy's storage: %w", err)
	}
	var stored storedForm
	if json.Unmarshal(raw, &stored) != nil { // as good as none; it is written anew
		return nil
	}
	if stored.TicketExpires.After(s.lent.TicketExpires) {
		s.lent = lentTicket{redact.New(stored.Ticket), stored.TicketExpires, redact.New(stored.Token), stored.TokenExpires}
	}
	return nil
}

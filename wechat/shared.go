package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/caddypay/caddypay/redact"
)

// Storage is where servers keep what they share. Caddy's storage is one.
type Storage interface {
	// Load returns what is stored under a key, or an error that is fs.ErrNotExist.
	Load(ctx context.Context, key string) ([]byte, error)
	Store(ctx context.Context, key string, value []byte) error
	// Lock waits until nobody else holds the lock of that name.
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
}

const (
	ticketEarly = 10 * time.Minute // before its end a new ticket is asked for, while the old one still serves
	tokenEarly  = 3 * time.Minute  // the same for a stable token: WeChat gives the old one until 5 minutes before its end
	sharePause  = 10 * time.Second // before WeChat is asked again, if what it gave is not fresh even so
	shareWithin = 30 * time.Second // WeChat and the storage have answered, or it failed
)

// Shared is what WeChat lends an account for a while, an access token or a ticket, kept in a storage: all servers that share the storage use
// the same one, and only one of them asks WeChat, under the storage's lock. The old one serves while a new one is asked for, until its end.
// It is safe for concurrent use; whoever waits while WeChat is asked may go away before.
type Shared struct {
	storage Storage
	key     string // in the storage; the lock's name is another
	lock    string
	what    string        // it is, for errors
	early   time.Duration // before the end of the old one a new one is asked for
	ask     func(context.Context) (Token, error)
	now     func() time.Time
	warn    func(what string, err error)

	serves atomic.Pointer[lent] // for those who need not wait while a new one is asked for; nil: none yet

	takenBack atomic.Int64 // how many WeChat did not take before their end, each counted once

	turn    *semaphore.Weighted // of one, held while WeChat is asked
	held    lent
	refused redact.Secret // the last one that WeChat did not take before its end
	failed  error         // of the last time that WeChat was asked
	pause   time.Time
}

// lent is what WeChat has lent, and until when.
type lent struct {
	Value   redact.Secret
	Expires time.Time
}

// storedForm is how the storage holds it.
type storedForm struct {
	Value   string    `json:"value"`
	Expires time.Time `json:"expires"`
}

// ShareToken shares an account's access token. now is the clock, and warn hears of what went wrong without harm, in a sentence.
func ShareToken(a interface {
	AppID() string
	AccessToken(context.Context) (Token, error)
}, storage Storage, now func() time.Time, warn func(what string, err error)) *Shared {
	return &Shared{storage: storage, key: "pay/wechat/" + a.AppID() + "-token.json", lock: "pay_wechat_" + a.AppID() + "_token", what: "access token",
		early: tokenEarly, ask: a.AccessToken, now: now, warn: warn, turn: semaphore.NewWeighted(1)}
}

// ShareTicket shares the jsapi ticket of an official account, by the account's shared access token. now and warn as in [ShareToken].
func ShareTicket(o *OfficialAccount, token *Shared, storage Storage, now func() time.Time, warn func(what string, err error)) *Shared {
	ask := func(ctx context.Context) (ticket Token, err error) {
		err = token.Use(ctx, func(value string) error {
			ticket, err = o.Ticket(ctx, value)
			return err
		})
		return ticket, err
	}
	return &Shared{storage: storage, key: "pay/wechat/" + o.AppID() + ".json", lock: "pay_wechat_" + o.AppID(), what: "jsapi ticket",
		early: ticketEarly, ask: ask, now: now, warn: warn, turn: semaphore.NewWeighted(1)}
}

// Value returns the one of now.
func (s *Shared) Value(ctx context.Context) (string, error) {
	if !s.turn.TryAcquire(1) {
		if old := s.serves.Load(); old != nil && old.Expires.After(s.now()) {
			return old.Value.Reveal(), nil
		}
		if err := s.turn.Acquire(ctx, 1); err != nil {
			return "", fmt.Errorf("waiting for WeChat's %s: %w", s.what, err)
		}
	}
	defer s.turn.Release(1)
	now := s.now()
	if s.held.Expires.Sub(now) > s.early {
		return s.held.Value.Reveal(), nil
	}
	err := s.failed
	serves := s.held.Expires.After(now)
	if !now.Before(s.pause) || err == nil && !serves {
		err = s.refresh(ctx, now)
	}
	if err != nil && serves {
		s.warn("WeChat's "+s.what+" could not be renewed; the old one still serves", err)
		err = nil
	}
	return s.held.Value.Reveal(), err
}

// Use calls WeChat with the value. Where WeChat does not take that (see [Error.TokenInvalid]), another one is asked for, in the normal mode,
// and WeChat is called once more.
func (s *Shared) Use(ctx context.Context, call func(value string) error) error {
	value, err := s.Value(ctx)
	if err != nil {
		return err
	}
	refusal := call(value)
	if werr, ok := errors.AsType[*Error](refusal); !ok || !werr.TokenInvalid() {
		return refusal
	}
	other, err := s.instead(ctx, value)
	switch {
	case err != nil:
		return err
	case other == "":
		return refusal
	}
	return call(other)
}

// instead returns what to use after WeChat has refused a value: what another server has by now, or what WeChat gives, which may be the same
// value once more. It is empty where that was tried a moment ago.
func (s *Shared) instead(ctx context.Context, refused string) (string, error) {
	if err := s.turn.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("waiting for WeChat's %s: %w", s.what, err)
	}
	defer s.turn.Release(1)
	now := s.now()
	if s.held.Value.Reveal() != refused && s.held.Expires.After(now) {
		return s.held.Value.Reveal(), nil
	}
	if s.refused.Reveal() == refused && now.Before(s.pause) {
		return "", s.failed
	}
	if s.refused.Reveal() != refused {
		s.takenBack.Add(1)
	}
	s.refused, s.held = redact.New(refused), lent{}
	if err := s.refresh(ctx, now); err != nil {
		return "", err
	}
	return s.held.Value.Reveal(), nil
}

// TakenBack says how many WeChat took no more before their end, since this process was started.
func (s *Shared) TakenBack() int { return int(s.takenBack.Load()) }

// refresh takes the value from the storage, or from WeChat where that one is old. Others wait for this one: it does not end because its own
// caller goes away.
func (s *Shared) refresh(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shareWithin)
	defer cancel()
	err := s.take(ctx)
	s.failed, s.pause = err, now.Add(sharePause)
	held := s.held
	s.serves.Store(&held)
	return err
}

func (s *Shared) take(ctx context.Context) error {
	if err := s.load(ctx); err != nil || s.fresh() {
		return err
	}
	if err := s.storage.Lock(ctx, s.lock); err != nil {
		return fmt.Errorf("locking WeChat's %s in the storage: %w", s.what, err)
	}
	defer func() { _ = s.storage.Unlock(context.WithoutCancel(ctx), s.lock) }()
	if err := s.load(ctx); err != nil || s.fresh() {
		return err
	}
	token, err := s.ask(ctx)
	if err != nil {
		return err
	}
	s.held = lent{token.Value, s.now().Add(token.Expires)}
	raw, err := json.Marshal(storedForm{s.held.Value.Reveal(), s.held.Expires})
	if err != nil {
		return err // of a text and a time, which always encode
	}
	if err := s.storage.Store(ctx, s.key, raw); err != nil {
		s.warn("WeChat's "+s.what+" could not be kept in the storage; every server asks for its own", err)
	}
	return nil
}

func (s *Shared) fresh() bool { return s.held.Expires.Sub(s.now()) > s.early }

// load takes over what the storage holds, if that is better than what is known.
func (s *Shared) load(ctx context.Context) error {
	raw, err := s.storage.Load(ctx, s.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("WeChat's %s in the storage: %w", s.what, err)
	}
	var stored storedForm
	if json.Unmarshal(raw, &stored) != nil || stored.Value == "" || stored.Value == s.refused.Reveal() { // as good as none; it is written anew
		return nil
	}
	if stored.Expires.After(s.held.Expires) {
		s.held = lent{redact.New(stored.Value), stored.Expires}
	}
	return nil
}

package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

const (
	maxOpenidBody = 4 << 10 // bytes
	// How long an exchange may take, whoever waits for it: a code is good once, so a client that goes away must not waste it.
	exchangeTimeout = 12 * time.Second
	// How long to look for another process's record of a code that WeChat calls used.
	otherProcessWait = time.Second
)

type openidAnswer struct {
	OpenID    string          `json:"openid"`
	Session   string          `json:"session"`
	ExpiresIn int64           `json:"expires_in"`      // seconds
	Login     json.RawMessage `json:"login,omitempty"` // what the backend answered to the login
}

// Openid serves /pay/openid: a mini program's login code in, its user's openid and a session out.
func (s *Logins) Openid(w http.ResponseWriter, r *http.Request) error {
	if s.Tell != nil && s.crossSite(r) && session.Guest(r) == "" { // whoever could make a browser log in would choose as whom
		return session.ForeignOrigin(r)
	}
	code, err := s.loginCode(r)
	if err != nil {
		return err
	}
	id, err := s.WithCode(r, code)
	if err != nil {
		return err
	}
	login, err := s.tell(w, r, id)
	if err != nil {
		return err
	}
	token, err := s.Visitors.Seal(r.Context(), session.ForSession, id)
	if err != nil {
		return err
	}
	reply.JSON(w, http.StatusOK, openidAnswer{
		OpenID:    id.OpenID,
		Session:   token,
		ExpiresIn: int64(id.Expires.Sub(s.Visitors.Now()) / time.Second),
		Login:     login,
	})
	return nil
}

// WithCode logs in a user of the mini program, by the code of wx.login.
func (s *Logins) WithCode(r *http.Request, code string) (session.Identity, error) {
	if err := s.Budgets.Login(s.ClientIP(r), s.Visitors.Now()); err != nil {
		return session.Identity{}, err
	}
	return s.exchange(r.Context(), session.WxLite, code, "")
}

// loginCode takes the code from the query, or from a JSON body {"code": …}.
func (s *Logins) loginCode(r *http.Request) (string, error) {
	code := r.URL.Query().Get("code")
	if code == "" && r.Method == http.MethodPost && r.ContentLength != 0 {
		fields, err := body.ReadJSON(r, maxOpenidBody, &s.Budgets.Bodies)
		if err != nil {
			return "", err
		}
		if raw, ok := fields["code"]; ok && json.Unmarshal(raw, &code) != nil {
			return "", problem.New("json_invalid", errors.New("code is not a string"))
		}
	}
	if code == "" {
		return "", problem.New("code_missing", nil)
	}
	return code, nil
}

// exchange turns a login code into an identity. WeChat takes a code once, but clients save codes and try again: within the
// session's time the same code gives the same identity again, also to another process on the same ledger, and calls at the same
// moment exchange it once. The code of a page stands in an address, which others may see: it is good again only in its own round.
func (s *Logins) exchange(ctx context.Context, kind session.Kind, code, round string) (session.Identity, error) {
	name := code
	if round != "" {
		name = "round " + round + " " + code
	}
	names, err := s.Visitors.CodeKeys(ctx, s.Visitors.AppIDs[kind], name)
	if err != nil {
		return session.Identity{}, err
	}
	v, err, _ := s.exchanges.Do(string(names[0]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
		defer cancel()
		return s.exchangeOnce(ctx, kind, code, names)
	})
	if err != nil {
		return session.Identity{}, err
	}
	return v.(session.Identity), nil
}

func (s *Logins) exchangeOnce(ctx context.Context, kind session.Kind, code string, names [][]byte) (session.Identity, error) {
	l, err := s.Ledger(ctx)
	if err != nil {
		return session.Identity{}, err
	}
	if id, err := s.savedLogin(ctx, l, names); !errors.Is(err, ledger.ErrNotFound) {
		return id, err
	}
	if err := s.Budgets.Exchange(s.Visitors.Now()); err != nil {
		return session.Identity{}, err
	}
	ask := s.exchangeWeb
	if kind == session.WxLite {
		ask = s.WxLite.Exchange
	}
	asked := s.Visitors.Now()
	user, err := ask(ctx, code)
	if werr, ok := errors.AsType[*wechat.Error](err); ok && werr.Used() {
		if id, err := s.awaitLogin(ctx, l, names); !errors.Is(err, ledger.ErrNotFound) {
			return id, err
		}
	}
	if err != nil {
		return session.Identity{}, wechatProblem(kind, err)
	}
	id := session.Identity{Kind: kind, OpenID: user.OpenID, UnionID: user.UnionID, AppID: s.Visitors.AppIDs[kind], Scope: s.Visitors.Scope, Since: s.Visitors.Now(), Expires: s.Visitors.Expiry()}
	s.Logger.Info("login", zap.String("appid", id.AppID), zap.String("openid", redact.ShortID(id.OpenID)),
		zap.Duration("took", s.Visitors.Now().Sub(asked)))
	sealed, err := s.Visitors.Seal(ctx, session.ForLogin, id)
	if err != nil {
		return session.Identity{}, err
	}
	err = l.SaveLogin(ctx, ledger.Login{
		Key: names[0], Identity: []byte(sealed), Now: s.Visitors.Now().UnixMilli(), Expires: id.Expires.UnixMilli(),
	})
	if err != nil {
		// The user is logged in all the same; only a second use of the code will not be recognised.
		s.Logger.Warn("the exchanged code could not be remembered", zap.Error(err))
	}
	return id, nil
}

// savedLogin returns the identity that a code was exchanged for before, or ledger.ErrNotFound.
func (s *Logins) savedLogin(ctx context.Context, l ledger.Ledger, names [][]byte) (session.Identity, error) {
	for _, name := range names {
		sealed, err := l.Login(ctx, name, s.Visitors.Now().UnixMilli())
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return session.Identity{}, err
		}
		id, err := s.Visitors.Open(ctx, session.ForLogin, string(sealed))
		if err == nil {
			id.Scope = s.Visitors.Scope // two sites of one mini program may share the ledger
			return id, nil
		}
		// Sealed by a key that is gone: as good as unknown.
		if !errors.Is(err, session.ErrInvalid) && !errors.Is(err, session.ErrExpired) {
			return session.Identity{}, err
		}
	}
	return session.Identity{}, ledger.ErrNotFound
}

// awaitLogin looks a little longer for a code that WeChat calls used: another process may be recording it at this moment.
func (s *Logins) awaitLogin(ctx context.Context, l ledger.Ledger, names [][]byte) (session.Identity, error) {
	deadline := time.NewTimer(otherProcessWait) // not the context's: a read that it cut short would look like a fault of the ledger
	defer deadline.Stop()
	tick := time.NewTicker(otherProcessWait / 8)
	defer tick.Stop()
	for {
		id, err := s.savedLogin(ctx, l, names)
		if !errors.Is(err, ledger.ErrNotFound) {
			return id, err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return session.Identity{}, ledger.ErrNotFound
		}
	}
}

// wechatProblem gives WeChat's refusal its code.
func wechatProblem(account session.Kind, err error) error {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	werr, ok := errors.AsType[*wechat.Error](err)
	if !ok {
		return problem.New("wechat_unavailable", err)
	}
	switch werr.Kind {
	case wechat.CodeInvalid:
		return problem.New("code_invalid", err)
	case wechat.Busy:
		return problem.Retry("wechat_busy", werr.RetryAfter(), err)
	case wechat.Blocked:
		return problem.New("wechat_blocked", err)
	case wechat.Misconfigured:
		return problem.New("wechat_misconfigured", fmt.Errorf("check app_id and secret of `wechat %s`, and the addresses that WeChat lets call: %w", account, err))
	case wechat.Rejected:
		return problem.New("wechat_rejected", err)
	}
	return problem.New("wechat_unavailable", err)
}

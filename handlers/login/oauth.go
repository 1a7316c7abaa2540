package login

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/percent"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

const (
	oauthLife = 10 * time.Minute // of a round: WeChat's code lives 5
	maxReturn = 1024             // bytes; it travels in a cookie
)

// OAuthStart serves GET /pay/oauth/start: it sends a page's visitor to WeChat, which sends them on to the callback. ?return= is
// where they go in the end: a path of this site.
func (s *Logins) OAuthStart(w http.ResponseWriter, r *http.Request) error {
	back, err := s.ReturnPath(r.URL.Query().Get("return"))
	if err != nil {
		return &problem.Problem{Code: "field_forbidden", Members: map[string]any{"field": "return"}, Cause: err}
	}
	round := session.Round{State: session.RandomText(s.Visitors.Rand, 32), Return: back, Expires: s.Visitors.Now().Add(oauthLife)}
	sealed, err := s.Visitors.SealRound(r.Context(), round)
	if err != nil {
		return err
	}
	s.Visitors.Set(w, r, session.RoundCookie, sealed, oauthLife)
	reply.Redirect(w, s.WxPub.AuthorizeURL(s.Visitors.Scheme(r)+"://"+r.Host+s.Visitors.Prefix+"/oauth/callback", round.State))
	return nil
}

// OAuthCallback serves GET /pay/oauth/callback: the visitor comes back from WeChat with a code, gets a session, and goes on to where
// the round was begun for.
func (s *Logins) OAuthCallback(w http.ResponseWriter, r *http.Request) error {
	round, err := s.round(r)
	if err != nil {
		return err
	}
	code := r.URL.Query().Get("code")
	if code == "" {
		return problem.New("code_missing", errors.New("WeChat sent the visitor back without a code"))
	}
	used, err := s.roundUsed(r.Context(), round, code)
	if err != nil {
		return err
	}
	if err := s.Budgets.Login(s.ClientIP(r), s.Visitors.Now()); err != nil {
		return err
	}
	id, err := s.exchange(r.Context(), session.WxPub, code, round.State)
	if err != nil {
		return oauthProblem(err)
	}
	if err := used(); err != nil {
		return err
	}
	if _, err := s.tell(w, r, id); err != nil {
		return err
	}
	if err := s.Visitors.Keep(w, r, id); err != nil {
		return err
	}
	s.Visitors.Set(w, r, session.RoundCookie, "", 0)
	reply.Redirect(w, round.Return)
	return nil
}

// round is the round that this very browser began, and that WeChat's answer belongs to.
func (s *Logins) round(r *http.Request) (session.Round, error) {
	round, err := s.Visitors.OpenRound(r.Context(), s.Visitors.Get(r, session.RoundCookie))
	switch {
	case errors.Is(err, session.ErrInvalid), errors.Is(err, session.ErrExpired):
		return session.Round{}, problem.New("oauth_state_invalid", errors.New("this browser began no login that is still under way"))
	case err != nil:
		return session.Round{}, err
	}
	if subtle.ConstantTimeCompare([]byte(round.State), []byte(r.URL.Query().Get("state"))) != 1 {
		return session.Round{}, problem.New("oauth_state_invalid", errors.New("the state is not the one that this browser began with"))
	}
	return round, nil
}

// roundUsed makes sure that a round is used for one code only, and returns what records its use. The same code again is the same
// request again: browsers inside WeChat do load a page twice.
func (s *Logins) roundUsed(ctx context.Context, round session.Round, code string) (record func() error, err error) {
	l, err := s.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	rounds, err := s.Visitors.CodeKeys(ctx, s.WxPub.AppID(), "state "+round.State)
	if err != nil {
		return nil, err
	}
	codes, err := s.Visitors.CodeKeys(ctx, s.WxPub.AppID(), code)
	if err != nil {
		return nil, err
	}
	for i := range rounds {
		used, err := l.Login(ctx, rounds[i], s.Visitors.Now().UnixMilli())
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(used, codes[i]) {
			return nil, problem.New("oauth_state_invalid", errors.New("the state was used before, with another code"))
		}
		return func() error { return nil }, nil
	}
	return func() error {
		return l.SaveLogin(ctx, ledger.Login{Key: rounds[0], Identity: codes[0], Now: s.Visitors.Now().UnixMilli(), Expires: round.Expires.UnixMilli()})
	}, nil
}

// ReturnPath checks where a visitor may be sent in the end: to a path of this site, written so that no browser reads another host
// from it, and not into the next round.
func (s *Logins) ReturnPath(text string) (string, error) {
	if text == "" {
		return "/", nil
	}
	if len(plain(text)) > maxReturn {
		return "", fmt.Errorf("the return path has more than %d bytes when it is encoded", maxReturn)
	}
	if text[0] != '/' || strings.HasPrefix(text, "//") || strings.Contains(text, `\`) {
		return "", errors.New("the return path does not begin with one slash, or holds a backslash")
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", errors.New("the return path holds a control character")
	}
	text = plain(text)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", errors.New("the return path is no path")
	}
	clean := path.Clean(strings.ReplaceAll(percent.Decode(u.Path), `\`, "/"))
	if own := s.Visitors.Prefix + "/oauth"; strings.HasPrefix(strings.ToLower(clean)+"/", strings.ToLower(own)+"/") {
		return "", fmt.Errorf("the return path leads to %s again", own)
	}
	return text, nil // and not what url makes of it: that can decode /%2f to //
}

// plain encodes what an address cannot hold as it is.
func plain(address string) string {
	var b strings.Builder
	for _, c := range []byte(address) {
		if c > ' ' && c <= '~' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// oauthProblem calls it the OAuth round's fault when the code is not taken.
func oauthProblem(err error) error {
	werr, ok := errors.AsType[*wechat.Error](err)
	if ok && (werr.Kind == wechat.CodeInvalid || werr.Kind == wechat.Rejected) {
		return problem.New("oauth_rejected", err)
	}
	return err
}

// exchangeWeb is the exchange of a page's code. Who only looks at a snapshot of the page is nobody that could pay.
func (s *Logins) exchangeWeb(ctx context.Context, code string) (wechat.Identity, error) {
	user, err := s.WxPub.Exchange(ctx, code)
	if err == nil && user.Snapshot {
		s.Logger.Info("login of a snapshot user refused", zap.String("appid", s.WxPub.AppID()))
		return wechat.Identity{}, problem.New("snapshot_user", nil)
	}
	return user.Identity, err
}

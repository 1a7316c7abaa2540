package wechat

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddypay/caddypay/redact"
)

const defaultAuthorize = "https://open.weixin.qq.com"

// OfficialAccount is one official account (公众号) as its server sees it: its pages run inside WeChat. It is safe for concurrent use.
type OfficialAccount struct {
	account
	authorize *url.URL
}

// WebIdentity is a user on a web page inside WeChat.
type WebIdentity struct {
	Identity
	// Snapshot says that the user only looks at a snapshot of the page: the openid is a made-up one.
	Snapshot bool
}

// Token is something that WeChat lends for a while.
type Token struct {
	Value   redact.Secret
	Expires time.Duration // from now
}

// NewOfficialAccount checks the configuration. It opens no connection.
func NewOfficialAccount(cfg Config) (*OfficialAccount, error) {
	a, err := newAccount("OfficialAccount", cfg)
	if err != nil {
		return nil, err
	}
	authorize, err := parseEndpoint("authorize", cmp.Or(cfg.Authorize, cfg.Endpoint, defaultAuthorize))
	if err != nil {
		return nil, err
	}
	return &OfficialAccount{a, authorize.JoinPath("connect", "oauth2", "authorize")}, nil
}

// AuthorizeURL is where a page inside WeChat sends its visitor to log in without being asked (scope snsapi_base). WeChat sends the
// visitor on to redirect, an address on a domain that is registered with the account, with a code and the state: random letters and
// digits that the caller compares.
func (o *OfficialAccount) AuthorizeURL(redirect, state string) string {
	u := *o.authorize
	// WeChat's page wants its parameters in this order.
	u.RawQuery = "appid=" + url.QueryEscape(o.appID) + "&redirect_uri=" + url.QueryEscape(redirect) +
		"&response_type=code&scope=snsapi_base&state=" + url.QueryEscape(state)
	u.Fragment = "wechat_redirect"
	return u.String()
}

// Exchange turns the code of an OAuth round into the user's identity. Everything that [MiniProgram.Exchange] says of codes and errors
// holds here too.
func (o *OfficialAccount) Exchange(ctx context.Context, code string) (WebIdentity, error) {
	const api = "sns/oauth2/access_token"
	if err := checkCode(apiName(api), code); err != nil {
		return WebIdentity{}, err
	}
	answer, err := o.call(ctx, api, http.MethodGet, url.Values{
		"appid":      {o.appID},
		"secret":     {o.secret.Reveal()},
		"code":       {code},
		"grant_type": {"authorization_code"},
	}, nil, redactor{o.secret.Reveal(), code})
	if err != nil {
		return WebIdentity{}, err
	}
	id, err := answer.identity()
	if err != nil {
		return WebIdentity{}, err
	}
	snapshot, ok := number(answer.members["is_snapshotuser"])
	if !ok {
		return WebIdentity{}, answer.unusable("has an is_snapshotuser that is not a number")
	}
	return WebIdentity{Identity: id, Snapshot: snapshot != 0}, nil
}

// Ticket returns the jsapi ticket that pages are signed with. WeChat allows few calls, so it is kept for as long as it lives.
func (o *OfficialAccount) Ticket(ctx context.Context, accessToken string) (Token, error) {
	answer, err := o.call(ctx, "cgi-bin/ticket/getticket", http.MethodGet, url.Values{"access_token": {accessToken}, "type": {"jsapi"}}, nil,
		redactor{o.secret.Reveal(), accessToken})
	if err != nil {
		return Token{}, err
	}
	return answer.token("ticket")
}

// SignPage is the signature by which WeChat's JS-SDK (wx.config) lets a page call it. page is the page's address; what follows # does
// not count. timestamp is in Unix seconds.
func SignPage(ticket, nonce, timestamp, page string) string {
	page, _, _ = strings.Cut(page, "#")
	sum := sha1.Sum([]byte("jsapi_ticket=" + ticket + "&noncestr=" + nonce + "&timestamp=" + timestamp + "&url=" + page))
	return hex.EncodeToString(sum[:])
}

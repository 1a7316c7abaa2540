package wechat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddypay/caddypay/redact"
)

// toolsCode is what wx.login gives in WeChat's developer tools when they run without an AppID.
const toolsCode = "the code is a mock one"

// MiniProgram is one mini program as its server sees it. It is safe for concurrent use.
type MiniProgram struct{ account }

// Identity is a user of a WeChat account.
type Identity struct {
	OpenID  string // the user within this account
	UnionID string // the user within the merchant's Open Platform account; empty when the account is not bound to one
}

// String, Format and MarshalJSON show no more of an identity than [redact.ShortID] does, also where a struct that has one is printed or logged.
func (id Identity) String() string { return fmt.Sprintf("%+v", id) }

// Format does so for every verb.
func (id Identity) Format(f fmt.State, verb rune) {
	type shown Identity
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown(id.short()))
}

// MarshalJSON does so in JSON.
func (id Identity) MarshalJSON() ([]byte, error) {
	type shown Identity
	return json.Marshal(shown(id.short()))
}

func (id Identity) short() Identity {
	for _, who := range []*string{&id.OpenID, &id.UnionID} {
		if *who != "" {
			*who = redact.ShortID(*who)
		}
	}
	return id
}

// NewMiniProgram checks the configuration. It opens no connection.
func NewMiniProgram(cfg Config) (*MiniProgram, error) {
	a, err := newAccount("MiniProgram", cfg)
	if err != nil {
		return nil, err
	}
	return &MiniProgram{a}, nil
}

// Exchange turns a login code of wx.login into the user's identity (WeChat's jscode2session). A code is good once, for five
// minutes, so a request that may have reached WeChat is never sent again; only a connection that could not be made is tried a
// second time. Every error is an *Error; one that ended because ctx did also matches context.Canceled or
// context.DeadlineExceeded.
func (m *MiniProgram) Exchange(ctx context.Context, code string) (Identity, error) {
	const api = "sns/jscode2session"
	if code != toolsCode { // what that is worth, whoever is asked says: WeChat refuses it, a sandbox may not
		if err := checkCode(apiName(api), code); err != nil {
			return Identity{}, err
		}
	}
	answer, err := m.call(ctx, api, http.MethodGet, url.Values{
		"appid":      {m.appID},
		"secret":     {m.secret.Reveal()},
		"js_code":    {code},
		"grant_type": {"authorization_code"},
	}, nil, redactor{m.secret.Reveal(), code})
	if err != nil {
		return Identity{}, err
	}
	return answer.identity()
}

func checkCode(api, code string) error {
	if len(code) > maxCode || !printable(code) {
		return &Error{Kind: CodeInvalid, API: api, Message: fmt.Sprintf("a login code is 1 to %d printable ASCII characters", maxCode)}
	}
	return nil
}

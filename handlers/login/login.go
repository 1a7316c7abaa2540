// Package login is how those who pay become known: by the code of a mini program, by a visit to WeChat, and to pages in WeChat by a signature.
package login

import (
	"context"
	"net/http"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

// Logins is those of one `pay` block.
type Logins struct {
	Visitors *session.Visitors
	WxLite   *wechat.MiniProgram     // nil: no mini program
	WxPub    *wechat.OfficialAccount // nil: no official account

	// Ticket returns the official account's jsapi ticket, as WeChat lends it to all nodes together.
	Ticket func(context.Context) (string, error)

	Tell     *Tell // nil: the backend is not told of logins
	Backend  *backend.Backend
	Ledger   func(context.Context) (ledger.Ledger, error) // opens the ledger on first use
	Budgets  *limits.Budgets
	ClientIP func(*http.Request) string // the client's address as the server trusts it
	Logger   *zap.Logger

	exchanges singleflight.Group // one call to WeChat per code
}

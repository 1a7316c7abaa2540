package handlers

import (
	"context"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// Config is one `pay` block, resolved.
type Config struct {
	Prefix   string       // whole path segments: /pay
	Scope    ledger.Scope // the Ping++ app and mode; every key in the ledger begins with it
	Pingpp   *pingpp.Client
	Verifier *pingpp.Verifier        // of webhooks
	Channels []string                // the payment channels that are offered
	WxLite   *wechat.MiniProgram     // nil: no mini program, and /pay/openid is not there
	WxPub    *wechat.OfficialAccount // nil: no official account, and /pay/oauth and /pay/jssdk are not there
	Sessions *session.Tokens
	Orders   *payment.Orders // nil: no price can be had, and charges cannot be created
	Login    *login.Tell     // nil: the backend is not told of logins
	Intake   *intake.Intake
	Budgets  *limits.Budgets // of the calls that cost something

	// ClientAmount lets clients name what they pay; it stands in place of Orders. Nil: they may not.
	ClientAmount *payment.ClientAmount
	// ReturnURLs is where channels send payers back to, by the names of the options: success_url, cancel_url, fail_url and
	// result_url. {order_no} in them is the merchant's order number.
	ReturnURLs map[string]string

	// Checkout is the hosted payment page; nil: there is none.
	Checkout *payment.Checkout

	// Reconciler asks Ping++ about charges whose webhook is late, QueryAfter after they were created.
	Reconciler *reconcile.Reconciler
	QueryAfter time.Duration
	// Count is told what came of webhooks and of requests to create a charge; nil functions are not called.
	Count   Counters
	Private []PrivatePath // the backend's own paths, closed to the outside

	// Origins are the other origins whose pages may call the payer's routes, as browsers write them; see ParseOrigin.
	Origins []string

	// AllowHTTP serves clients too that did not come by HTTPS, as far as we can tell.
	AllowHTTP bool

	Merchant *merchant.Access // nil: the merchant API is not there

	Backend http.RoundTripper // reaches the merchant's backend
	Token   redact.Secret     // sent to the backend as X-Pay-Token

	// Shipping is WeChat's order management, told how payments were shipped; nil: the block says nothing of it.
	Shipping *wechat.Orders

	// ShippingPauses are why WeChat is not told now; nil: it is.
	ShippingPauses func() []shipping.Pause

	// Ticket returns the official account's jsapi ticket, as WeChat lends it to all nodes together.
	Ticket func(context.Context) (string, error)

	// Ledger opens the ledger on first use.
	Ledger func(context.Context) (ledger.Ledger, error)

	Session  func(*http.Request) string // the token that StripTrusted took from the request's headers
	Bearer   func(*http.Request) string // what BearerSession found in them
	ClientIP func(*http.Request) string // the client's address as the server trusts it
	Host     func(*http.Request) string // the host that it came to, as far as the site goes by that name: kept with charges and events
	Secure   func(*http.Request) bool   // whether the client surely came by HTTPS
	SkipLog  func(*http.Request)        // keeps the request out of the server's access log
	Closing  <-chan struct{}            // closed when this configuration is replaced: waiting requests then answer

	Logger *zap.Logger
	Now    func() time.Time
	Rand   io.Reader // randomness for order numbers
}

// Counters are told of results. Their arguments never hold what a client sent.
type Counters struct {
	Charge  func(channel, result string) // created, reused, or a problem's code
	Webhook func(result string)          // why it was refused, rate_limited, or unavailable
	Accept  func(took time.Duration)     // of a webhook, from its arrival until it is on the disk and can be answered 200
	Refund  func(result string)          // made, repeated, unknown, failed, or a problem's code
}

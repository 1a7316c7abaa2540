// Package payment is how an order is paid: the backend is asked for its price, Ping++ makes the charge, and the payer sees what became of it.
package payment

import (
	"context"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/session"
)

// Payments are those of one `pay` block: orders are priced by the backend, and paid through charges that Ping++ makes.
type Payments struct {
	Prefix   string       // of the routes
	Scope    ledger.Scope // the Ping++ app and mode
	Visitors *session.Visitors
	// Login logs in who sends a mini program's code in place of a session; nil: there is no mini program.
	Login func(r *http.Request, code string) (session.Identity, error)

	Channels []string // that are offered
	Prices   *Prices  // nil: none can be had, and charges cannot be created
	// ClientAmount lets clients name what they pay; it stands in place of Prices. Nil: they may not.
	ClientAmount *ClientAmount
	// ReturnURLs is where channels send payers back to, by the names of the options: success_url, cancel_url, fail_url and
	// result_url. {order_no} in them is the merchant's order number.
	ReturnURLs map[string]string
	Checkout   *Checkout // the hosted payment page; nil: there is none

	Pingpp     *pingpp.Client
	Reconciler *reconcile.Reconciler                        // asks Ping++ about charges whose webhook is late,
	QueryAfter time.Duration                                // after they were created
	Ledger     func(context.Context) (ledger.Ledger, error) // opens the ledger on first use

	Budgets  *limits.Budgets
	Count    func(channel, result string) // is told of requests to create a charge: created, reused, or a problem's code
	Problems *problem.Log                 // for those that a page shows
	ClientIP func(*http.Request) string   // the client's address as the server trusts it
	Host     func(*http.Request) string   // the host that it came to, as far as the site goes by that name: kept with charges
	Closing  <-chan struct{}              // closed when this configuration is replaced: waiting requests then answer
	Logger   *zap.Logger
	Now      func() time.Time
	Rand     io.Reader // randomness for order numbers
}

package check

import (
	"context"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay"
)

// Shop is the merchant's backend of one site, as far as it is called.
type Shop struct {
	Site  string       // as the configuration names it
	Host  string       // the public host that calls carry
	Scope ledger.Scope // the Ping++ app, and whether its payments are tests
	Now   func() time.Time

	// Ask asks what an order costs; nil where the backend is not asked.
	Ask    func(context.Context, payment.Question) payment.Asked
	Orders string // the method and path of that, for messages

	// Tell sends an event; nil where none are delivered. change may be nil.
	Tell    func(ctx context.Context, ev *ledger.Event, change func(http.Header)) relay.Receipt
	Events  string // the method and path of that
	Types   []string
	Expects bool // the answer has to say something besides its status
	Deliver bool // what fails a money check is delivered all the same

	// Login tells the backend of a login and returns the status of its answer; nil where it is not told.
	Login  func(ctx context.Context, change func(http.Header)) (status int, err error)
	Logins string // the path of that

	Token   bool // calls carry a backend_token
	Secrets int  // how many sign events

	// Least is what a client may pay at least, in fen, where it names the amount itself; Prefix begins such order numbers.
	Least  int64
	Prefix string
}

// Package merchant is what the shop's own backend asks for: refunds, orders, their shipping, and that nobody pays a charge any more.
package merchant

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/shipping"
)

// MinToken is how many characters a token of the merchant API has at least.
const MinToken = 32

// Access says who may use the merchant API: the shop's own backend, which refunds and asks for orders.
type Access struct {
	Tokens []redact.Secret // any of them is good; two while one is replaced
	Allow  []netip.Prefix  // where calls come from

	// Sources returns the addresses that a request may come from, all of which have to be allowed, or why nobody can tell.
	Sources func(*http.Request) ([]string, error)
}

// API is the merchant API of one Ping++ app in one mode.
type API struct {
	*Access
	Prefix     string // of its routes
	Scope      ledger.Scope
	Pingpp     *pingpp.Client
	Reconciler *reconcile.Reconciler                        // carries refunds out, and asks about charges
	Ledger     func(context.Context) (ledger.Ledger, error) // opens the ledger on first use
	Bodies     *body.Memory                                 // of the requests that are being read
	Count      func(result string)                          // is told of refunds: made, repeated, unknown, failed, or a problem's code
	Logger     *zap.Logger
	Now        func() time.Time

	// Ships says that WeChat is told how orders were shipped; without it nobody can report that.
	Ships bool
	// Pauses are why WeChat is not told now. Default: it is.
	Pauses func() []shipping.Pause
}

// Authorize looks at the address first: whoever calls from elsewhere learns nothing about tokens.
func (a *Access) Authorize(r *http.Request) error {
	sources, err := a.Sources(r)
	if err != nil {
		return problem.New("source_forbidden", err)
	}
	for _, text := range sources {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return problem.New("source_forbidden", fmt.Errorf("%.60q is no address", text))
		}
		addr = addr.Unmap().WithZone("")
		if !slices.ContainsFunc(a.Allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return problem.New("source_forbidden", fmt.Errorf("%s is not in allow of merchant_api", addr))
		}
	}
	if len(sources) == 0 {
		return problem.New("source_forbidden", errors.New("the client's address is not known"))
	}
	authorization := r.Header.Values("Authorization")
	if len(authorization) != 1 {
		return problem.New("token_invalid", fmt.Errorf("%d Authorization headers", len(authorization)))
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return problem.New("token_invalid", errors.New("the Authorization header is no bearer token"))
	}
	// Hashes have one length, and every token is compared: the time tells neither which nor how much of it was right.
	given, good := sha256.Sum256([]byte(strings.TrimSpace(token))), 0
	for _, t := range a.Tokens {
		want := sha256.Sum256([]byte(t.Reveal()))
		good |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	if good != 1 {
		return problem.New("token_invalid", errors.New("no token of merchant_api"))
	}
	return nil
}

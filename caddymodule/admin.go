package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/nightly"
)

func init() { caddy.RegisterModule(new(Admin)) }

// Admin mounts what operators see and decide, package adminapi, under /pay/ of Caddy's admin API. Who reaches the admin endpoint may do
// all of it, as with the rest of Caddy's configuration.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.pay", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin API.
func (*Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/pay/", Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		app, err := activeApp()
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err, Message: err.Error()}
		}
		app.operators.ServeHTTP(w, r)
		return nil
	})}}
}

// activeApp returns the app of the configuration that is running, whatever configuration this router was made for.
func activeApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("pay")
	if err == nil && len(app.(*App).sites) > 0 {
		return app.(*App), nil
	}
	return nil, fmt.Errorf("the running configuration has no pay directive")
}

var errNoSite = errors.New("no site takes payments for it")

// newOperators makes the server of the admin API for this configuration.
func (a *App) newOperators() *adminapi.Server {
	return adminapi.New(adminapi.Config{
		Ledger: a.store.open, File: a.home.label, Scopes: a.scopes, Unpriced: a.unpriced, Ships: a.ships, ShippingPauses: a.pauses, Seen: a.seen, Check: a.Check, TryBackend: a.TryBackend, Logger: a.logger,
		Sweep: func(ctx context.Context, scope ledger.Scope, day time.Time) (*nightly.Sweep, error) {
			return a.reconcilers()[scope].Days.Day(ctx, day)
		},
		Query: func(ctx context.Context, scope ledger.Scope, orderNo string) error {
			r := a.reconcilers()[scope]
			if r == nil {
				return errNoSite
			}
			return r.Order(ctx, orderNo)
		},
		QueryInTurn: func(ctx context.Context, scope ledger.Scope, orderNo string) error {
			r := a.reconcilers()[scope]
			if r == nil {
				return errNoSite
			}
			return r.OrderInTurn(ctx, orderNo)
		},
	})
}

// unpriced returns why an order got no price, as the site knows that was asked last.
func (a *App) unpriced(scopes []ledger.Scope, orderNo string) (last payment.Unpriced, ok bool) {
	for _, s := range a.sites {
		if !slices.Contains(scopes, s.scope) {
			continue
		}
		prices := s.handler.site.Payments.Prices
		if prices == nil {
			continue
		}
		if why, known := prices.Unpriced(orderNo); known && why.At.After(last.At) {
			last, ok = why, true
		}
	}
	return last, ok
}

// Interface guards
var (
	_ caddy.Module      = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)

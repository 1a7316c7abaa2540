package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/console"
)

func init() {
	caddy.RegisterModule(new(Console))
	httpcaddyfile.RegisterHandlerDirective("pay_console", parseConsole)
	httpcaddyfile.RegisterDirectiveOrder("pay_console", httpcaddyfile.Before, "respond")
}

// Console is the `pay_console` directive: the operator's page, behind a login that stands before it. Who is logged in is what Caddy knows as
// `{http.auth.user.id}`, or else by a client certificate that it has verified; nobody else is let in.
type Console struct {
	// Shows everything and changes nothing. Default: false.
	ReadOnly bool `json:"read_only,omitempty"`

	console *console.Console
}

// CaddyModule returns the Caddy module information.
func (*Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.pay_console", New: func() caddy.Module { return new(Console) }}
}

// Provision finds the app whose payments are shown.
func (c *Console) Provision(ctx caddy.Context) error {
	app, err := ctx.App("pay")
	if err != nil {
		return fmt.Errorf("pay_console: %w", err)
	}
	c.console = console.New(console.Config{Desk: app.(*App).operators, ReadOnly: c.ReadOnly})
	return nil
}

// ServeHTTP answers every request that reaches it.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	who := userOf(r)
	if who == "" {
		http.Error(w, "The console takes nobody whom Caddy does not know by name: put a login before pay_console, like basic_auth.", http.StatusForbidden)
		return nil
	}
	c.console.ServeHTTP(w, r.WithContext(adminapi.WithBy(r.Context(), who)))
	return nil
}

// userOf is who Caddy has found to make a request; empty: it does not know. Nothing that the request says of itself counts.
func userOf(r *http.Request) string {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		if id, ok := repl.GetString("http.auth.user.id"); ok && id != "" {
			return id
		}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return "certificate " + r.TLS.VerifiedChains[0][0].Subject.String()
	}
	return ""
}

// parseConsole parses the directive:
//
//	pay_console [<matcher>] [read_only]
func parseConsole(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	c := new(Console)
	switch args := h.RemainingArgs(); {
	case len(args) == 1 && args[0] == "read_only":
		c.ReadOnly = true
	case len(args) > 0:
		return nil, h.Errf("pay_console takes read_only or nothing, not %q; write: pay_console read_only", args[0])
	}
	return c, noBlock(h.Dispenser, "pay_console")
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
)

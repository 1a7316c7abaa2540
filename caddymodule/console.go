package caddymodule

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
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

// Console is the `pay_console` directive: the operator's page, behind a login that stands before it. Who acts is what that login has found out;
// whom it does not know by name is not let in.
type Console struct {
	// Shows everything and changes nothing. Default: false.
	ReadOnly bool `json:"read_only,omitempty"`

	// Who is logged in, with at least one placeholder that a login sets: `{http.reverse_proxy.header.…}`, a header of the answer of the service
	// behind `forward_auth`; `{http.auth.…}`; or `{http.vars.…}`. Where one of them is empty nobody is let in. Placeholders of what the client
	// itself has sent, like `{http.request.header.…}`, are refused. Default: `{http.auth.user.id}`, or else the subject of a client
	// certificate that Caddy has verified.
	By string `json:"by,omitempty"`

	// Where the options stand in the Caddyfile that this was made of, for errors to say so. Leave it out of JSON that is written by hand.
	Lines lines `json:"lines,omitempty"`

	by      string // By, with the headers' names as answers have them
	console *console.Console
}

// CaddyModule returns the Caddy module information.
func (*Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.pay_console", New: func() caddy.Module { return new(Console) }}
}

// Provision finds the app whose payments are shown.
func (c *Console) Provision(ctx caddy.Context) (err error) {
	if c.by, err = namedBy(c.By); err != nil {
		defer apart(&err)
		name, _, _ := siteOf(ctx)
		return newResolver(name, c.Lines).errorf("pay_console by", "%w", err)
	}
	app, err := ctx.App("pay")
	if err != nil {
		return fmt.Errorf("pay_console: %w", err)
	}
	c.console = console.New(console.Config{Desk: app.(*App).operators, ReadOnly: c.ReadOnly})
	return nil
}

// ServeHTTP answers every request that reaches it.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	who := c.userOf(r)
	if who == "" {
		http.Error(w, "The console takes nobody whom Caddy does not know by name: put a login before pay_console, like basic_auth, or forward_auth with the option by.", http.StatusForbidden)
		return nil
	}
	c.console.ServeHTTP(w, r.WithContext(adminapi.WithBy(r.Context(), who)))
	return nil
}

// userOf is who Caddy has found to make a request; empty: it does not know. Nothing that the request says of itself counts.
func (c *Console) userOf(r *http.Request) string {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if c.by != "" {
		who, err := repl.ReplaceOrErr(c.by, true, true)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(who)
	}
	if id, ok := repl.GetString("http.auth.user.id"); ok && id != "" {
		return id
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return "certificate " + r.TLS.VerifiedChains[0][0].Subject.String()
	}
	return ""
}

const (
	answeredHeader = "http.reverse_proxy.header."
	exampleBy      = "{" + answeredHeader + "Remote-User}"
)

var anyPlaceholder = regexp.MustCompile(`\{[^{}]*\}`)

// namedBy checks what names who is logged in: all of it comes from a login, and nothing from the client.
func namedBy(by string) (string, error) {
	if by == "" {
		return "", nil
	}
	found := anyPlaceholder.FindAllString(by, -1)
	if len(found) == 0 {
		return "", fmt.Errorf("%.40q is one name for everybody; write a placeholder that a login sets, like %s behind forward_auth", by, exampleBy)
	}
	for _, p := range found {
		key := p[1 : len(p)-1]
		header, isHeader := strings.CutPrefix(key, "http.request.header.")
		switch {
		case strings.Contains(by, `\`+p):
			return "", fmt.Errorf(`\%s is no placeholder, but the same text for everybody; write %[1]s without the backslash`, p)
		case isHeader:
			return "", fmt.Errorf("%s is what a client says of itself; write {%s%s}: what the service behind forward_auth has answered", p, answeredHeader, http.CanonicalHeaderKey(header))
		case key == "http.vars."+caddyhttp.ClientIPVarKey, key == "http.vars."+caddyhttp.TrustedProxyVarKey,
			!strings.HasPrefix(key, answeredHeader) && !strings.HasPrefix(key, "http.auth.") && !strings.HasPrefix(key, "http.vars."):
			return "", fmt.Errorf("%.60s is not what a login has found out; write {http.auth.user.id}, or %s behind forward_auth", p, exampleBy)
		}
	}
	return anyPlaceholder.ReplaceAllStringFunc(by, func(p string) string {
		if header, ok := strings.CutPrefix(p, "{"+answeredHeader); ok {
			return "{" + answeredHeader + http.CanonicalHeaderKey(strings.TrimSuffix(header, "}")) + "}"
		}
		return p
	}), nil
}

// parseConsole parses the directive:
//
//	pay_console [<matcher>] [read_only] {
//	    read_only
//	    by <placeholder>
//	}
func parseConsole(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	c, found := new(Console), linesOf(h.Dispenser, "pay_console ")
	switch args := h.RemainingArgs(); {
	case len(args) == 1 && args[0] == "read_only":
		c.ReadOnly = true
	case len(args) > 0:
		return nil, h.Errf("pay_console takes read_only or nothing, not %q; write: pay_console read_only", args[0])
	}
	err := options{
		"by": func(d *caddyfile.Dispenser) error { return one(d, &c.By, exampleBy) },
		"read_only": func(d *caddyfile.Dispenser) error {
			if c.ReadOnly {
				return d.Err("read_only stands twice: behind pay_console and in its block; leave one of them out")
			}
			c.ReadOnly = true
			return none(d)
		},
	}.parse(h.Dispenser, "pay_console")
	if c.By != "" {
		c.Lines = found
	}
	return c, err
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
)

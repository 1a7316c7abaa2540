package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(new(MatchPaid)) }

// MatchPaid matches requests whose session has paid an order, so that a site can show something only to the one who paid:
// `@paid pay_paid {query.order_no}`. It does not match when there is no valid session, when somebody else paid, when the payment is held
// or refunded whole, or when the ledger cannot say.
type MatchPaid struct {
	// The merchant's number of the order; usually a placeholder of the request, like `{http.request.uri.query.order_no}`. Required.
	OrderNo string `json:"order_no,omitempty"`

	// The prefix of the `pay` block through which it was paid. Default: the only block of the site.
	Prefix string `json:"prefix,omitempty"`

	// Where the options stand in the Caddyfile that this was made of, for errors to say so. Leave it out of JSON that is written by hand.
	Lines lines `json:"lines,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*MatchPaid) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.pay_paid", New: func() caddy.Module { return new(MatchPaid) }}
}

// UnmarshalCaddyfile parses the matcher:
//
//	pay_paid [<prefix of the pay block>] <order number>
func (m *MatchPaid) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the matcher's name
	m.Lines = linesOf(d, "pay_paid ")
	switch args := d.RemainingArgs(); len(args) {
	case 1:
		m.OrderNo = args[0]
	case 2:
		m.Prefix, m.OrderNo = args[0], args[1]
	default:
		return d.Errf("pay_paid takes an order number, and before it perhaps a pay block's prefix, not %d values; write: pay_paid {query.order_no}", len(args))
	}
	return noBlock(d, "pay_paid")
}

// Provision finds the pay block.
func (m *MatchPaid) Provision(ctx caddy.Context) (err error) {
	defer apart(&err)
	name, _, _ := siteOf(ctx)
	r := newResolver(name, m.Lines)
	if m.OrderNo == "" {
		return r.errorf("pay_paid", "names no order; write pay_paid {query.order_no}")
	}
	m.Prefix, err = blockAround(ctx, r, "pay_paid", m.Prefix, "pay_paid /pay {query.order_no}")
	return err
}

// MatchWithError reports whether the request's session has paid the order.
func (m *MatchPaid) MatchWithError(r *http.Request) (bool, error) {
	p := passageOf(r, m.Prefix)
	if p == nil || p.err != nil {
		return false, nil
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return p.site.Payments.Paid(r.Context(), p.id, repl.ReplaceAll(m.OrderNo, "")), nil
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchPaid)(nil)
	_ caddyfile.Unmarshaler             = (*MatchPaid)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchPaid)(nil)
)

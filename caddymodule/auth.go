package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

func init() {
	caddy.RegisterModule(new(WeChatAuth))
	httpcaddyfile.RegisterHandlerDirective("wechat_auth", parseWeChatAuth)
	httpcaddyfile.RegisterDirectiveOrder("wechat_auth", httpcaddyfile.After, "basic_auth")
}

// WeChatAuth lets only WeChat's users through: those whose session the site's `pay` block has found, of its mini program or its
// official account. A page that is opened inside WeChat is sent to log in and comes back; every other request is answered 401 with
// a problem+json, as those under the prefix are.
//
// `{http.auth.user.id}` is the openid; `{http.auth.user.appid}`, `{http.auth.user.unionid}` and `{http.auth.user.kind}` (`wx_lite` or
// `wx_pub`) say more.
type WeChatAuth struct {
	// The prefix of the `pay` block whose users are meant. Default: the only block of the site.
	Prefix string `json:"prefix,omitempty"`

	// Where the options stand in the Caddyfile that this was made of, for errors to say so. Leave it out of JSON that is written by hand.
	Lines lines `json:"lines,omitempty"`

	alone bool // no other provider may let the request through
}

// CaddyModule returns the Caddy module information.
func (*WeChatAuth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.wechat", New: func() caddy.Module { return new(WeChatAuth) }}
}

// Provision finds the pay block.
func (a *WeChatAuth) Provision(ctx caddy.Context) (err error) {
	defer apart(&err)
	a.alone = true
	for _, m := range ctx.Modules() {
		if auth, ok := m.(*caddyauth.Authentication); ok && len(auth.ProvidersRaw) > 1 {
			a.alone = false
		}
	}
	name, _, _ := siteOf(ctx)
	if a.Prefix, err = blockAround(ctx, newResolver(name, a.Lines), "wechat_auth", a.Prefix, "wechat_auth { prefix /pay }"); err != nil {
		return err
	}
	a.warnOfNoLogin(ctx, name)
	for _, routes := range routesAround(ctx) {
		for _, route := range routes {
			for _, handler := range route.Handlers {
				if pay, ok := handler.(*Handler); ok && pay.resolved.Prefix == a.Prefix {
					pay.guarded = append(pay.guarded, guardedAround(ctx))
				}
			}
		}
	}
	return nil
}

// Authenticate answers by itself when there is no WeChat user.
func (a *WeChatAuth) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	p := passageOf(r, a.Prefix)
	if p == nil {
		return caddyauth.User{}, false, errors.New("wechat_auth: the request did not pass through the pay block with the prefix " + a.Prefix)
	}
	if p.err == nil && p.id.OpenID != "" {
		return caddyauth.User{ID: p.id.OpenID, Metadata: map[string]string{
			"appid": p.id.AppID, "unionid": p.id.UnionID, "kind": string(p.id.Kind),
		}}, true, nil
	}
	asked := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request) // before the site's rewrites
	p.site.Challenge(w, r, asked.URL.RequestURI(), p.err)
	p.answered = a.alone
	return caddyauth.User{}, false, nil
}

// parseWeChatAuth parses the directive:
//
//	wechat_auth [<matcher>] {
//	    prefix <prefix of the pay block>
//	}
//
// The block is only needed where a site has several pay blocks.
func parseWeChatAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	a := &WeChatAuth{Lines: linesOf(h.Dispenser, "wechat_auth ")}
	if args := h.RemainingArgs(); len(args) > 0 {
		return nil, h.Errf("wechat_auth takes no value, not %q; write: wechat_auth [<matcher>]", args[0])
	}
	err := options{
		"prefix": func(d *caddyfile.Dispenser) error { return one(d, &a.Prefix, defaultPrefix) },
	}.parse(h.Dispenser, "wechat_auth")
	if err != nil {
		return nil, err
	}
	return &caddyauth.Authentication{ProvidersRaw: caddy.ModuleMap{"wechat": caddyconfig.JSON(a, nil)}}, nil
}

// Interface guards
var (
	_ caddy.Provisioner       = (*WeChatAuth)(nil)
	_ caddyauth.Authenticator = (*WeChatAuth)(nil)
)

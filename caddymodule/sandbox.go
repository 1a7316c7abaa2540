package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/sandbox"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("pay_sandbox", parseSandbox)
	httpcaddyfile.RegisterDirectiveOrder("pay_sandbox", httpcaddyfile.Before, "respond")
}

// Sandbox is the `pay_sandbox` directive: it emulates Ping++ and WeChat, for demos, tests and a merchant's own CI. It moves no
// money and knows no real user. Its charges live in memory until the configuration is replaced.
type Sandbox struct {
	// The Ping++ app id. Default: made, and shown in the log.
	App string `json:"app,omitempty"`

	// The secret key of test mode, `sk_test_…`. Default: made, and shown in the log.
	TestKey string `json:"test_key,omitempty"`

	// The secret key of live mode, `sk_live_…`. Default: made, and shown in the log.
	LiveKey string `json:"live_key,omitempty"`

	// The merchant's public key, as a PEM file or PEM text: requests must then be signed with its private half. Default:
	// signatures of requests are not looked at.
	MerchantKey string `json:"merchant_key,omitempty"`

	// The private key that webhooks are signed with, as a PEM file or PEM text. Default: made; its public half is served at
	// `/sandbox/pingpp.pub.pem`.
	SigningKey string `json:"signing_key,omitempty"`

	// The WeChat accounts, by kind: `wx_lite` and `wx_pub`, each with `app_id` and `secret`. Default: made, and shown in the log.
	WeChat map[string]*WeChatConfig `json:"wechat,omitempty"`

	// Where webhooks are sent, in test and live mode. A certificate of a loopback host is not checked.
	Webhooks []string `json:"webhook,omitempty"`

	// Where those of live mode are sent as well.
	LiveWebhooks []string `json:"webhook_live,omitempty"`

	// Where those of test mode are sent as well.
	TestWebhooks []string `json:"webhook_test,omitempty"`

	// Where a browser finds the sandbox, like `https://sandbox.example.com`: QR codes and addresses of test charges lead to its
	// mock pay page. Default: as the request that created the charge did.
	PublicURL string `json:"public_url,omitempty"`

	// Whether WeChat holds the mini program's money until shipping is reported, from the beginning. Default: it does not; a lever changes that.
	Managed bool `json:"managed,omitempty"`

	// Divides every wait of webhooks and refunds: at 60 a minute takes a second. Default: 1.
	TimeScale float64 `json:"time_scale,omitempty"`

	// Where the options stand in the Caddyfile that this was made of, for errors to say so. Leave it out of JSON that is written by hand.
	Lines lines `json:"lines,omitempty"`

	sandbox *sandbox.Sandbox
	sent    func(sandbox.Sent) // hears of each try of a webhook; nil: nobody does
}

// CaddyModule returns the Caddy module information.
func (*Sandbox) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.pay_sandbox", New: func() caddy.Module { return new(Sandbox) }}
}

// Provision makes the sandbox.
func (s *Sandbox) Provision(ctx caddy.Context) (err error) {
	defer apart(&err)
	name, _, _ := siteOf(ctx)
	log := plainLog(ctx.Logger())
	box, err := s.build(newResolver(name, s.Lines), log)
	if err != nil {
		return err
	}
	s.sandbox = box
	warnOfPublicSandbox(log, name)
	log.Info("sandbox", zapSite(name), zap.String("app", box.App()), zap.String("test_key", box.TestKey()),
		zap.String("live_key", box.LiveKey()), zap.String("wx_lite_app_id", box.WxLite().AppID), zap.String("wx_lite_secret", box.WxLite().Secret),
		zap.String("wx_pub_app_id", box.WxPub().AppID), zap.String("wx_pub_secret", box.WxPub().Secret))
	return nil
}

// build resolves the configuration; its keys are made up for tests, so that showing them gives nothing away.
func (s *Sandbox) build(r *resolver, log *zap.Logger) (*sandbox.Sandbox, error) {
	cfg := sandbox.Config{Managed: s.Managed, TimeScale: s.TimeScale, WebhookClient: webhookClient(), Logger: log, Sent: s.sent}
	for _, o := range []struct {
		name, value string
		to          *string
	}{
		{"pay_sandbox app", s.App, &cfg.App},
		{"pay_sandbox test_key", s.TestKey, &cfg.TestKey},
		{"pay_sandbox live_key", s.LiveKey, &cfg.LiveKey},
		{"pay_sandbox public_url", s.PublicURL, &cfg.PublicURL},
	} {
		if o.value == "" {
			continue
		}
		var err error
		if *o.to, err = r.value(o.name, o.value); err != nil {
			return nil, err
		}
	}
	var err error
	for _, w := range []struct {
		name string
		from []string
		to   *[]string
	}{
		{"pay_sandbox webhook", s.Webhooks, &cfg.Webhooks},
		{"pay_sandbox webhook live", s.LiveWebhooks, &cfg.LiveWebhooks},
		{"pay_sandbox webhook test", s.TestWebhooks, &cfg.TestWebhooks},
	} {
		if *w.to, err = r.values(w.name, w.from); err != nil {
			return nil, err
		}
	}
	if s.MerchantKey != "" {
		text, err := r.pem("pay_sandbox merchant_key", s.MerchantKey)
		if err != nil {
			return nil, err
		}
		if cfg.MerchantKey, err = pingpp.ParsePublicKey(text); err != nil {
			return nil, r.errorf("pay_sandbox merchant_key", "%w", err)
		}
	}
	if s.SigningKey != "" {
		text, err := r.pem("pay_sandbox signing_key", s.SigningKey)
		if err != nil {
			return nil, err
		}
		if cfg.SigningKey, err = pingpp.ParsePrivateKey(text); err != nil {
			return nil, r.errorf("pay_sandbox signing_key", "%w", err)
		}
	}
	for kind, w := range s.WeChat {
		to, known := map[string]*sandbox.WeChatApp{"wx_lite": &cfg.WxLite, "wx_pub": &cfg.WxPub}[kind]
		if !known {
			return nil, r.errorf("pay_sandbox wechat "+kind, "is not a kind of WeChat account that is known here; write wechat wx_lite or wechat wx_pub")
		}
		if w == nil {
			continue
		}
		if w.Endpoint != "" || w.Authorize != "" {
			return nil, r.errorf("pay_sandbox wechat "+kind+" endpoint", "is no option here: the sandbox is the endpoint; leave it out")
		}
		var err error
		if to.AppID, err = r.value("pay_sandbox wechat "+kind+" app_id", w.AppID); err != nil {
			return nil, err
		}
		if to.Secret, err = r.value("pay_sandbox wechat "+kind+" secret", w.Secret); err != nil {
			return nil, err
		}
	}
	box, err := sandbox.New(cfg)
	if err != nil {
		return nil, r.errorf("pay_sandbox", "%w", err)
	}
	return box, nil
}

// ServeHTTP answers as Ping++ and WeChat would, and passes on what is neither's.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !sandbox.Serves(r.URL.Path) {
		return next.ServeHTTP(w, r)
	}
	s.sandbox.ServeHTTP(w, r)
	return nil
}

// Cleanup stops sending webhooks.
func (s *Sandbox) Cleanup() error {
	if s.sandbox != nil {
		s.sandbox.Close()
	}
	return nil
}

// webhookClient sends the sandbox's webhooks. Sites on this machine often have certificates of Caddy's local authority, which
// nothing trusts, so those are not checked; all others are.
func webhookClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection checks
		VerifyConnection: func(cs tls.ConnectionState) error {
			if cs.ServerName == "localhost" || net.ParseIP(cs.ServerName).IsLoopback() {
				return nil
			}
			opts := x509.VerifyOptions{DNSName: cs.ServerName, Intermediates: x509.NewCertPool()}
			for _, cert := range cs.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := cs.PeerCertificates[0].Verify(opts)
			return err
		},
	}
	return &http.Client{Transport: t, Timeout: 30 * time.Second}
}

// parseSandbox parses the directive:
//
//	pay_sandbox [<matcher>] {
//	    app          <app id>
//	    test_key     <sk_test_…>
//	    live_key     <sk_live_…>
//	    merchant_key <file or PEM>
//	    signing_key  <file or PEM>
//	    wechat wx_lite|wx_pub { app_id …  secret … }
//	    webhook      [live|test] <url>...
//	    public_url   <url>
//	    managed
//	    time_scale   <factor>
//	}
func parseSandbox(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	s := &Sandbox{Lines: linesOf(h.Dispenser, "pay_sandbox ")}
	if args := h.RemainingArgs(); len(args) > 0 {
		return nil, h.Errf("pay_sandbox takes a block, not %q; write: pay_sandbox { … }", args[0])
	}
	return s, options{
		"app":          func(d *caddyfile.Dispenser) error { return one(d, &s.App, "app_…") },
		"test_key":     func(d *caddyfile.Dispenser) error { return one(d, &s.TestKey, "sk_test_…") },
		"live_key":     func(d *caddyfile.Dispenser) error { return one(d, &s.LiveKey, "sk_live_…") },
		"merchant_key": func(d *caddyfile.Dispenser) error { return one(d, &s.MerchantKey, "merchant.pub.pem") },
		"signing_key":  func(d *caddyfile.Dispenser) error { return one(d, &s.SigningKey, "pingpp.pem") },
		"public_url":   func(d *caddyfile.Dispenser) error { return one(d, &s.PublicURL, "https://sandbox.example.com") },
		"webhook":      s.parseWebhook,
		"wechat":       func(d *caddyfile.Dispenser) error { return parseWeChat(d, &s.WeChat, false) },
		"managed": func(d *caddyfile.Dispenser) error {
			s.Managed = true
			return none(d)
		},
		"time_scale": func(d *caddyfile.Dispenser) error {
			var text string
			if err := one(d, &text, "60"); err != nil {
				return err
			}
			var err error
			if s.TimeScale, err = strconv.ParseFloat(text, 64); err != nil || !(s.TimeScale >= 1 && s.TimeScale <= 1e9) { // NaN too
				return d.Errf("time_scale takes a factor from 1 to 1e9, not %q; write: time_scale 60", text)
			}
			return nil
		},
	}.parse(h.Dispenser, "pay_sandbox", "wechat", "webhook")
}

// parseWebhook reads the URLs of both modes or, after its name, of one; each stands once.
func (s *Sandbox) parseWebhook(d *caddyfile.Dispenser) error {
	urls, to, name := d.RemainingArgs(), &s.Webhooks, "webhook"
	if len(urls) > 0 {
		if mode, ok := map[string]*[]string{"live": &s.LiveWebhooks, "test": &s.TestWebhooks}[urls[0]]; ok {
			to, name, urls = mode, "webhook "+urls[0], urls[1:]
		}
	}
	if len(urls) == 0 {
		return d.Errf("%s takes one value or more; write: %s https://localhost/pay/webhooks", name, name)
	}
	if *to != nil {
		return d.Errf("%s stands twice; write all its URLs behind the first", name)
	}
	*to = urls
	return noBlock(d, name)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Sandbox)(nil)
	_ caddy.CleanerUpper          = (*Sandbox)(nil)
	_ caddyhttp.MiddlewareHandler = (*Sandbox)(nil)
)
